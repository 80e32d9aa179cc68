"""Scale-free features of closed bars, and what they are to predict.

Every feature is a ratio, so that a row says the same of any coin at any price. A bar without the
15 bars before it, each directly after the other, has no row: nothing is filled in.
"""

import numpy as np
import numpy.typing as npt

from tickwire.model.bars import BarColumns, Float64
from tickwire.model.schema import FeatureSchema

INTERVAL_SECONDS = 900
LOOKBACK = 16
"""Bars that a row is computed from, its own included."""

SCHEMA = FeatureSchema(
    names=("return_1", "return_4", "return_15", "close_in_range", "buy_share", "volume_ratio"),
    window=1,
    interval=INTERVAL_SECONDS,
)
"""What :func:`features_of` gives. A change here makes every earlier model unfit, by its digest."""

_INTERVAL = INTERVAL_SECONDS * 1_000_000_000


def features_of(bars: BarColumns) -> Float64:
    """Compute a row of :data:`SCHEMA` for each of n bars: float64 (n, width), NaN where a bar has none.

    - ``return_k``: log return over k bars, by the root mean square of the 15 last one-bar returns
      times ``sqrt(k)``, so about standard normal, clipped to ±8;
    - ``close_in_range``: where the close lies between low and high, −0.5 to 0.5, 0 where they are equal;
    - ``buy_share``: the share of the volume whose aggressor bought, −0.5 to 0.5;
    - ``volume_ratio``: log of the volume by the mean of the 16 last, clipped to ±8.
    """
    n = len(bars)
    rows = np.full((n, SCHEMA.width), np.nan)
    if n < LOOKBACK:
        return rows
    step = np.diff(np.log(bars.close))
    windows = np.lib.stride_tricks.sliding_window_view
    # An arithmetic move without volatility is no move: its returns are 0 and stay so.
    deviation = np.sqrt(np.mean(windows(step, LOOKBACK - 1) ** 2, axis=1))
    deviation[deviation == 0] = 1.0
    last = slice(LOOKBACK - 1, n)
    for column, span in enumerate((1, 4, 15)):
        moved = np.log(bars.close[last] / bars.close[LOOKBACK - 1 - span : n - span])
        rows[last, column] = np.clip(moved / (deviation * np.sqrt(span)), -8, 8)
    spread = bars.high - bars.low
    inside = np.divide(bars.close - bars.low, spread, out=np.full(n, 0.5), where=spread > 0)
    rows[last, 3] = inside[last] - 0.5
    rows[last, 4] = (bars.buy_volume / bars.volume)[last] - 0.5
    mean_volume = np.mean(windows(bars.volume, LOOKBACK), axis=1)
    rows[last, 5] = np.clip(np.log(bars.volume[last] / mean_volume), -8, 8)
    rows[last][~_contiguous(bars.start)] = np.nan
    return rows


def labels_of(bars: BarColumns) -> Float64:
    """Say of each of n bars whether the next one closes higher: 1 or 0, float64 (n,).

    NaN where it closes level, where the next bar is missing, and for the last one.
    """
    labels = np.full(len(bars), np.nan)
    if len(bars) > 1:
        move = np.sign(np.diff(bars.close))
        known = (np.diff(bars.start) == _INTERVAL) & (move != 0)
        labels[:-1][known] = (move[known] + 1) / 2
    return labels


def _contiguous(start: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Say of each bar from the 16th on whether the 15 before it follow each other."""
    span: npt.NDArray[np.bool_] = (
        start[LOOKBACK - 1 :] - start[: len(start) - LOOKBACK + 1] == (LOOKBACK - 1) * _INTERVAL
    )
    return span
