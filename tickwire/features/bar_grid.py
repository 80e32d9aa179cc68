"""Bars on a regular grid of time, as floats: what features are computed from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64

COLUMNS = ("open", "high", "low", "close", "volume", "buy_volume", "notional", "trades")


@dataclass(frozen=True, slots=True, eq=False)
class BarGrid:
    """n neighbouring intervals of one symbol, or of several beside each other.

    Attributes
    ----------
    start : int64 (n,), ns UTC, each ``interval`` ns after the one before
    open, high, low, close : float64 (…, n), quote currency
    volume, buy_volume : float64 (…, n), base currency; the second is where the aggressor bought
    notional : float64 (…, n), sum of price times size, quote currency
    trades : float64 (…, n)

    All columns are NaN where an interval has no bar; ``buy_volume``, ``notional`` and ``trades`` also where the source
    of a bar does not tell them.
    """

    start: Int64
    interval: int
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


def on_grid(start: Int64, columns: Mapping[str, Float64], *, interval: int) -> tuple[BarGrid, Int64]:
    """Put n bars onto the grid from the first to the last of them; gives it, and each bar's place, int64 (n,).

    A bar without volume is a bar without a trade: exchanges fill their candles so when they halt. It counts as missing.

    Parameters
    ----------
    start : int64 (n,), ns UTC, rising, a whole number of intervals apart
    columns : float64 (n,) by the names of :data:`COLUMNS`
    interval : ns

    Raises
    ------
    ValueError
        If the starts do not rise, or do not lie on one grid.
    """
    if not len(start):
        return BarGrid(start, interval, **{name: np.empty(0) for name in COLUMNS}), np.empty(0, np.int64)
    place, rest = np.divmod(start - start[0], interval)
    if np.any(rest) or np.any(np.diff(place) <= 0):
        raise ValueError("bars must be in the order of time, each once, on one grid")
    traded = columns["volume"] > 0
    filled = {}
    for name in COLUMNS:
        filled[name] = np.full(int(place[-1]) + 1, np.nan)
        filled[name][place[traded]] = columns[name][traded]
    grid = start[0] + interval * np.arange(int(place[-1]) + 1, dtype=np.int64)
    return BarGrid(grid, interval, **filled), place
