"""A model's rows of many symbols at one minute, from their rings: what training makes of years, of the last day."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickwire.features import Float64
from tickwire.features.bar_features import bar_features
from tickwire.features.bar_grid import BarGrid
from tickwire.features.minutes import BARS, Minutes, trailing_grid
from tickwire.forecast.forecaster import Absent, Float32
from tickwire.forecast.trading_signals import volatility
from tickwire.model.features import MIN_PRESENT, SCHEMA, WINDOW
from tickwire.model.rows import usable

_ENOUGH = 24 + MIN_PRESENT
"""Bars from the first with a trade on, before which no 48 can have features: each needs 24 returns."""
_EARLY = BARS // 4


@dataclass(frozen=True, slots=True, eq=False)
class LiveRows:
    """Of S symbols, at one minute.

    Attributes
    ----------
    rows : float32 (S, 960), NaN where masked
    newest : float32 (S, 16), the features of the newest bar
    usable : bool (S,), whether the row may be predicted from
    close : float64 (S,), of the newest trade within the day; NaN where there was none
    sigma : float64 (S,), see :func:`tickwire.forecast.trading_signals.volatility`
    lacking : bool (S,), whether nothing of the first quarter of the day is known: history may yet come
    """

    rows: Float32
    newest: Float32
    usable: npt.NDArray[np.bool_]
    close: Float64
    sigma: Float64
    lacking: npt.NDArray[np.bool_]
    _first: npt.NDArray[np.intp]
    _there: npt.NDArray[np.bool_]

    def absent(self, symbol: int) -> Absent:
        """Say why the row of a symbol may not be predicted from: too short a history, or too many bars missing."""
        short = bool(self._there[symbol]) and BARS - int(self._first[symbol]) < _ENOUGH
        return Absent.WARMING_UP if short else Absent.HALTED


def live_rows(rings: Minutes, end: int) -> LiveRows:
    """Make the rows of S symbols as known at ``end``, ns UTC, a full minute.

    ``rings`` : (S, SLOTS), see :mod:`tickwire.features.minutes`
    """
    return rows_of_bars(trailing_grid(rings, end))


def rows_of_bars(grid: BarGrid) -> LiveRows:
    """Make the rows of S symbols as known at the end of their 96 newest bars of 15 minutes, columns (S, 96)."""
    features = bar_features(grid).astype(np.float32)[:, -WINDOW:]
    present = np.isfinite(grid.close)
    symbols = len(present)
    return LiveRows(
        rows=features.reshape(symbols, SCHEMA.width),
        newest=features[:, -1],
        usable=usable(features)[:, -1] if symbols else np.empty(0, np.bool_),
        close=_last(grid),
        sigma=volatility(grid.close)[:, -1],
        lacking=present[:, :_EARLY].sum(axis=-1) == 0,
        _first=np.argmax(present, axis=-1),
        _there=present[:, -1],
    )


def _last(grid: BarGrid) -> Float64:
    present = np.isfinite(grid.close)
    newest = BARS - 1 - np.argmax(present[:, ::-1], axis=-1)
    last: Float64 = grid.close[np.arange(len(newest)), newest]
    return last
