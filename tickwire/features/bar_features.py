"""The sixteen scale-free features of a bar that models predict from: one definition, for training and for live.

A bar's features are made of it and of the 36 bars before it on a regular grid, and of nothing else, so that a row
computed over years and one computed from the last day are the same. All are ratios: they say the same of any coin at
any price. Before their window is filled, and where a bar is missing or a source lacks a column, they are NaN: the
model gets a mask, and nothing is made up.

With r the log return between neighbouring closes, and σ the root mean square of the last 36 of them:

| feature | formula | needs |
|---|---|---|
| ``return_1``, ``return_4``, ``return_12``, ``return_36`` | log return over k bars / (σ·√k) | both closes |
| ``range`` | log(high / low) / σ | |
| ``close_in_range`` | (close - low) / (high - low) - ½; 0 where they are equal | |
| ``volatility_ratio`` | log(σ of the last 8 / σ); 0 where either is 0 | 6 of 8 returns |
| ``rsi_14`` | (Σ rises - Σ falls) / (Σ rises + Σ falls) of 14 price changes: Cutler's RSI / 50 - 1 | 10 of 14 |
| ``macd`` | (EMA 12 - EMA 26) / (close·σ), exponential weights over the 37 closes there are, summing to 1 | |
| ``bollinger`` | (close - mean of 20) / (2·population σ of 20 closes) | 14 of 20 |
| ``vwap_distance`` | log(close / VWAP of 20 bars) / (σ·√20) | notional of 14 of 20 |
| ``volume_z``, ``trades_z`` | log by its mean and population deviation over 37 bars | 25 of 37 |
| ``imbalance`` | 2·bought / volume - 1 | bought volume |
| ``day_sin``, ``day_cos`` | sine and cosine of the time of day, UTC, at the close | |

All but the time of day are clipped to ±8. σ needs 24 of 36 returns; where nothing moved at all it counts as 1, since
moves of 0 then stay 0. Sources: J. Welles Wilder, New Concepts in Technical Trading Systems (1978); D. Cutler's RSI
takes plain sums, so that it has no memory beyond its window; J. Bollinger, Bollinger on Bollinger Bands (2001).
"""

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.features.bar_grid import BarGrid

FEATURES = (
    "return_1",
    "return_4",
    "return_12",
    "return_36",
    "range",
    "close_in_range",
    "volatility_ratio",
    "rsi_14",
    "macd",
    "bollinger",
    "vwap_distance",
    "volume_z",
    "trades_z",
    "imbalance",
    "day_sin",
    "day_cos",
)
LOOKBACK = 37
"""Bars that the features of a bar are computed from, its own included."""

_RETURNS = LOOKBACK - 1
_BOUND = 8.0
_DAY = 86_400 * 1_000_000_000

Mask = npt.NDArray[np.bool_]


def bar_features(grid: BarGrid) -> Float64:
    """Compute the features of each bar: float64 (…, n, 16), columns as :data:`FEATURES`, NaN where there is none.

    A bar that is missing has none at all, not even the time of day; so have the first 36, whose window is not there.
    """
    out = np.full((*grid.close.shape, len(FEATURES)), np.nan)
    n = grid.close.shape[-1]
    if n < LOOKBACK:
        return out
    with np.errstate(all="ignore"):
        columns = _columns(grid)
    for place, column in enumerate(columns[:-2]):
        out[..., _RETURNS:, place] = np.clip(column, -_BOUND, _BOUND)
    for place, column in enumerate(columns[-2:], start=len(columns) - 2):
        out[..., _RETURNS:, place] = column
    out[~np.isfinite(out)] = np.nan
    absent = np.isnan(grid.close) | np.isnan(out[..., 0])
    out[absent] = np.nan
    return out


def _columns(grid: BarGrid) -> list[Float64]:
    """Give the columns of the bars from the 37th on, not yet clipped."""
    close = grid.close
    last = close[..., _RETURNS:]
    step = np.diff(np.log(close), axis=-1)
    deviation = np.sqrt(_mean(step**2, _RETURNS, needed=24))
    scale = np.where(deviation == 0, 1.0, deviation)

    def moved(bars: int) -> Float64:
        before = close[..., _RETURNS - bars : close.shape[-1] - bars]
        column: Float64 = np.log(last / before) / (scale * np.sqrt(bars))
        return column

    def newest(column: Float64) -> Float64:
        """Leave out what stands before the 37th bar."""
        return column[..., column.shape[-1] - last.shape[-1] :]

    high, low = newest(grid.high), newest(grid.low)
    inside = np.where(high > low, (last - low) / (high - low) - 0.5, np.where(high == low, 0.0, np.nan))
    short = newest(np.sqrt(_mean(step**2, 8, needed=6)))
    ratio = np.where((short > 0) & (deviation > 0), np.log(short / deviation), short * 0)
    change = np.diff(close, axis=-1)
    rises, falls = (newest(_mean(np.maximum(sign * change, 0), 14, needed=10)) for sign in (1, -1))
    strength = np.where(rises + falls > 0, (rises - falls) / (rises + falls), rises + falls)
    middle = newest(_mean(close, 20, needed=14))
    spread = newest(np.sqrt(_mean_square(close, 20, needed=14)))
    band = np.where(spread > 0, (last - middle) / (2 * spread), spread)
    vwap = newest(_sum(grid.notional, 20, needed=14) / _sum(_where(grid.volume, grid.notional), 20, needed=14))
    end = grid.start[_RETURNS:] + grid.interval
    angle = np.broadcast_to(2 * np.pi * (end % _DAY) / _DAY, last.shape)
    return [
        moved(1),
        moved(4),
        moved(12),
        moved(36),
        np.log(high / low) / scale,
        inside,
        ratio,
        strength,
        (_exponential(close, 12) - _exponential(close, 26)) / (last * scale),
        band,
        np.log(last / vwap) / (scale * np.sqrt(20)),
        _standardised(np.log(grid.volume)),
        _standardised(np.log(grid.trades)),
        newest(2 * grid.buy_volume / grid.volume - 1),
        np.sin(angle),
        np.cos(angle),
    ]


def _windows(column: Float64, bars: int) -> Float64:
    view: Float64 = np.lib.stride_tricks.sliding_window_view(column, bars, axis=-1)
    return view


def _count(column: Float64, bars: int) -> Int64:
    """Say how many there are of the last ``bars``."""
    # Running totals of integers are exact, unlike those of floats, and spare a sum over each window.
    total = np.cumsum(np.isfinite(column), axis=-1, dtype=np.int64)
    count = total[..., bars - 1 :].copy()
    count[..., 1:] -= total[..., :-bars]
    return count


def _sum(column: Float64, bars: int, *, needed: int) -> Float64:
    """Sum what there is of the last ``bars``, where there are ``needed``."""
    total: Float64 = _windows(np.where(np.isfinite(column), column, 0.0), bars).sum(axis=-1)
    total[_count(column, bars) < needed] = np.nan
    return total


def _mean(column: Float64, bars: int, *, needed: int) -> Float64:
    mean: Float64 = _sum(column, bars, needed=needed) / np.maximum(_count(column, bars), 1)
    return mean


def _mean_square(column: Float64, bars: int, *, needed: int) -> Float64:
    """Give the population variance over the last ``bars``, about the window's own mean."""
    mean = _mean(column, bars, needed=needed)
    windows = _windows(column, bars)
    distance = np.where(np.isfinite(windows), windows - mean[..., None], 0.0)
    variance: Float64 = np.einsum("...i,...i->...", distance, distance) / np.maximum(_count(column, bars), 1)
    # A window without spread has one of rounding.
    variance[variance < (1e-12 * mean) ** 2] = 0.0
    return variance


def _standardised(column: Float64) -> Float64:
    mean, variance = (of(column, LOOKBACK, needed=25) for of in (_mean, _mean_square))
    distance = column[..., _RETURNS:] - mean
    standard: Float64 = np.where(variance > 0, distance / np.sqrt(variance), distance * 0)
    return standard


def _exponential(column: Float64, span: int) -> Float64:
    """Average over 37 bars with weights that fall by ``1 - 2 / (span + 1)`` a bar, over those that there are."""
    weights = (1 - 2 / (span + 1)) ** np.arange(_RETURNS, -1, -1)
    there = np.isfinite(column)
    total = _windows(np.where(there, column, 0.0), LOOKBACK) @ weights
    average: Float64 = total / (_windows(there, LOOKBACK) @ weights)
    return average


def _where(column: Float64, other: Float64) -> Float64:
    return np.where(np.isfinite(other), column, np.nan)
