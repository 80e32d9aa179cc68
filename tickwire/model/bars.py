"""Bars as float columns, read from the Parquet files of a training dataset (``dataset.sql``)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tickwire.columns import Int64
from tickwire.errors import TickwireError
from tickwire.features import Float64
from tickwire.features.bar_grid import COLUMNS


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
    notional : float64 (n,), sum of price times size, quote currency
    trades : float64 (n,)

    ``buy_volume``, ``notional`` and ``trades`` are NaN where the source does not tell them.
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
    notional: Float64
    trades: Float64

    def __len__(self) -> int:
        return len(self.start)

    def between(self, first: int, last: int) -> "BarColumns":
        """Give the bars whose start lies in [``first``, ``last``), ns UTC."""
        rows = slice(*np.searchsorted(self.start, (first, last)).tolist())
        return BarColumns(self.venue, self.symbol, self.start[rows], **{n: c[rows] for n, c in self.columns.items()})

    @property
    def name(self) -> str:
        """``venue:SYMBOL``."""
        return f"{self.venue}:{self.symbol}"

    @property
    def columns(self) -> dict[str, Float64]:
        """All but ``start``, by name."""
        return {name: getattr(self, name) for name in COLUMNS}


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
    wanted = ["venue", "symbol", "start", *COLUMNS]
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
        )


def joined(earlier: Sequence[BarColumns], later: Sequence[BarColumns]) -> list[BarColumns]:
    """Put each instrument's later bars behind its earlier ones; one that is in one part alone stays as it is.

    Raises
    ------
    UnreadableDataset
        If the parts of an instrument overlap.
    """
    before = {bars.name: bars for bars in earlier}
    after = {bars.name: bars for bars in later}
    both = []
    for name in sorted({*before, *after}):
        parts = [part[name] for part in (before, after) if name in part and len(part[name])]
        if len(parts) == 2 and parts[0].start[-1] >= parts[1].start[0]:
            raise UnreadableDataset(f"the parts of {name} overlap")
        if len(parts) < 2:
            both += parts
            continue
        columns = {column: np.concatenate([part.columns[column] for part in parts]) for column in COLUMNS}
        start = np.concatenate([part.start for part in parts])
        both.append(BarColumns(parts[0].venue, parts[0].symbol, start, **columns))
    return both
