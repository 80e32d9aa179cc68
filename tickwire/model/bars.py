"""Bars as float columns, read from the Parquet files of a training dataset (``dataset.sql``)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.errors import TickwireError

Float64 = npt.NDArray[np.float64]

COLUMNS = ("open", "high", "low", "close", "volume", "buy_volume")


class UnreadableDataset(TickwireError, ValueError):
    """A dataset holds no file, or one that lacks a column; the message names it."""


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns:
    """The n bars of one instrument, by start.

    Attributes
    ----------
    venue, symbol : whose
    start : int64 (n,), ns UTC, rising
    open, high, low, close : float64 (n,), quote currency
    volume, buy_volume : float64 (n,), base currency; ``buy_volume`` where the aggressor bought
    trades : int64 (n,)
    """

    venue: str
    symbol: str
    start: Int64
    open: Float64
    high: Float64
    low: Float64
    close: Float64
    volume: Float64
    buy_volume: Float64
    trades: Int64

    def __len__(self) -> int:
        return len(self.start)

    def between(self, first: int, last: int) -> "BarColumns":
        """Give the bars whose start lies in [``first``, ``last``), ns UTC."""
        rows = slice(*np.searchsorted(self.start, (first, last)).tolist())
        columns = {name: getattr(self, name)[rows] for name in ("start", *COLUMNS, "trades")}
        return BarColumns(self.venue, self.symbol, **columns)


def read_bars(folder: Path) -> list[BarColumns]:
    """Read every Parquet file below a folder: the bars of each instrument, by venue and symbol.

    Raises
    ------
    UnreadableDataset
        If there is none, or a column is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Athena gives its files no suffix; S3 keeps an empty object for a folder made in the console.
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    if not paths:
        raise UnreadableDataset(f"{folder} holds no bars")
    wanted = ["venue", "symbol", "start", *COLUMNS, "trades"]
    tables = []
    for path in paths:
        table = pq.ParquetFile(path).read()
        missing = sorted(set(wanted) - set(table.column_names))
        if missing:
            raise UnreadableDataset(f"{path.name} has no column {', '.join(missing)}")
        tables.append(table.select(wanted))
    table = pa.concat_tables(tables).sort_by([("venue", "ascending"), ("symbol", "ascending"), ("start", "ascending")])
    return list(_by_instrument(table))


def _by_instrument(table: Any) -> Iterator[BarColumns]:
    venues, symbols = (table[name].to_numpy() for name in ("venue", "symbol"))
    changes = np.flatnonzero((venues[1:] != venues[:-1]) | (symbols[1:] != symbols[:-1])) + 1
    for first, last in zip((0, *changes.tolist()), (*changes.tolist(), len(venues)), strict=True):
        if first == last:
            continue
        floats = {name: table[name][first:last].to_numpy().astype(np.float64) for name in COLUMNS}
        yield BarColumns(
            venues[first],
            symbols[first],
            start=table["start"][first:last].to_numpy().astype(np.int64),
            **floats,
            trades=table["trades"][first:last].to_numpy().astype(np.int64),
        )
