"""The columns of one candle file, whichever way it was saved."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.model.bars import UnreadableDataset

REQUIRED = ("open", "high", "low", "close", "volume")
# Text is held whole while it is read, several times over.
_MAX_TEXT_BYTES = 1024 * 1024 * 1024
_NAMES = {
    "time": "open_time opentime timestamp time date datetime start",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "notional": "quote_volume quote_asset_volume quotevolume notional",
    "trades": "trades number_of_trades num_trades count trade_count",
    "buy_volume": "taker_buy_base taker_buy_base_asset_volume taker_buy_base_volume taker_buy_volume buy_volume",
}
"""Names that files give to our columns; the first that is there is taken."""

_KLINE = ("time", *REQUIRED, "", "notional", "trades", "buy_volume")
"""Binance's order, where columns have no names; the close time is of no use."""

# Of ns since 1970, until 2262. Floats hold those of text to 256 ns, which is far below a minute.
_MAX_TIME = 2**63


class UnreadableCandles(UnreadableDataset):
    """A candle file cannot be read, or holds what no candle can be; the message names file and line."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The n candles of a file, as they stand in it.

    Attributes
    ----------
    time : int64 (n,), start, in the file's unit
    floats : float64 (n,), by our name; NaN where a field is empty
    first_line : what the first candle is called in messages
    """

    time: Int64
    floats: dict[str, Float64]
    first_line: int


def read_columns(path: Path) -> Columns:
    """Read a candle file by its suffix.

    Raises
    ------
    UnreadableCandles
        If it is no such file, or a column that every candle has is missing.
    """
    readers = {".parquet": _table, ".feather": _table, ".json": _json, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UnreadableCandles(f"{path.name}: candles are read from {', '.join(readers)} files")
    if path.is_dir() or not path.exists():
        raise UnreadableCandles(f"there is no file {path}")
    return reader(path)


def _table(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import feather

    try:
        table = pq.ParquetFile(path).read() if path.suffix.lower() == ".parquet" else feather.read_table(path)
        columns = {}
        for ours, place in _places(path, table.column_names).items():
            column = table.column(place)
            if pa.types.is_timestamp(column.type):
                # As ns, since the unit of a plain number is told by its size.
                column = pc.cast(column, pa.timestamp("ns", column.type.tz))
            if ours == "time" and column.null_count:
                raise UnreadableCandles(f"{path.name}: a candle has no time")
            columns[ours] = column.cast(pa.int64() if ours == "time" else pa.float64()).to_numpy()
    except (pa.ArrowException, OSError) as error:
        raise UnreadableCandles(f"{path.name}: {error}") from error
    return Columns(columns.pop("time"), columns, first_line=1)


def _json(path: Path) -> Columns:
    try:
        rows = msgspec.json.decode(_text(path))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableCandles(f"{path.name}: {error}") from error
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        names = list(rows[0])
        return _numbers(path, [[row.get(name) for name in names] for row in rows], _places(path, names), first_line=1)
    if isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return _numbers(path, rows, _kline_places(path, rows), first_line=1)
    raise UnreadableCandles(f"{path.name}: candles in JSON are a list of lists, or a list of objects")


def _csv(path: Path) -> Columns:
    try:
        rows = list(csv.reader(io.StringIO(_text(path).decode("utf-8-sig")), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableCandles(f"{path.name}: {error}") from error
    if rows and not any(character.isalpha() for character in "".join(rows[0][:1])):
        return _numbers(path, rows, _kline_places(path, rows), first_line=1)
    header = [name.strip() for name in rows[0]] if rows else []
    return _numbers(path, rows[1:], _places(path, header), first_line=2)


def _text(path: Path) -> bytes:
    if path.stat().st_size > _MAX_TEXT_BYTES:
        raise UnreadableCandles(f"{path.name} is larger than {_MAX_TEXT_BYTES:,} bytes; save it as Parquet")
    return path.read_bytes()


def _places(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Find our columns among a file's names."""
    lower = [name.lower().replace(" ", "_") for name in names]
    found = {}
    for ours, theirs in _NAMES.items():
        place = next((lower.index(name) for name in theirs.split() if name in lower), None)
        if place is not None:
            found[ours] = place
    missing = [name for name in ("time", *REQUIRED) if name not in found]
    if missing:
        raise UnreadableCandles(f"{path.name} has no column {', '.join(missing)}; it has {', '.join(names) or 'none'}")
    return found


def _kline_places(path: Path, rows: Sequence[Sequence[Any]]) -> dict[str, int]:
    """Give the places of Binance's order, as far as the rows reach: none beyond the volume if they have six fields."""
    width = len(rows[0]) if rows else len(_KLINE)
    if width != 6 and width < len(_KLINE):
        raise UnreadableCandles(f"{path.name} line 1: {width} fields, and a candle has 6, or from {len(_KLINE)} on")
    return {name: place for place, name in enumerate(_KLINE[:width]) if name}


def _numbers(path: Path, rows: Sequence[Sequence[Any]], places: Mapping[str, int], *, first_line: int) -> Columns:
    """Turn rows of numbers, or of text, into columns."""
    if not rows:
        raise UnreadableCandles(f"{path.name} holds no candle")
    width = max(places.values()) + 1
    for line, row in enumerate(rows, first_line):
        if len(row) < width:
            raise UnreadableCandles(f"{path.name} line {line}: {len(row)} fields, and {width} are needed")
    columns = {}
    for name, place in places.items():
        try:
            columns[name] = np.array([_number(row[place]) for row in rows])
        except ValueError:
            line, value = next((n, row[place]) for n, row in enumerate(rows, first_line) if not _is_number(row[place]))
            raise UnreadableCandles(f"{path.name} line {line}: {name} is {str(value)[:40]!r}, and no number") from None
    time = columns.pop("time")
    unusable = np.flatnonzero(~(np.abs(time) < _MAX_TIME))
    if len(unusable):
        raise UnreadableCandles(f"{path.name} line {first_line + int(unusable[0])}: no time")
    return Columns(time.astype(np.int64), columns, first_line)


def _number(value: object) -> float:
    if value is None or value == "":
        return math.nan
    if isinstance(value, str | int | float):
        return float(value)
    raise ValueError


def _is_number(value: object) -> bool:
    try:
        _number(value)
    except ValueError:
        return False
    return True
