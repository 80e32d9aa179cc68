"""What a model's row is made of, and what it predicts."""

import numpy as np

from tickwire.features import Float64
from tickwire.features.bar_features import FEATURES
from tickwire.model.bars import BarColumns
from tickwire.model.schema import FeatureSchema

INTERVAL_SECONDS = 900
WINDOW = 60
"""Bars in a row."""
MIN_PRESENT = 48
"""So many of them must be there, the newest among them; the others are masked."""

SCHEMA = FeatureSchema(names=FEATURES, window=WINDOW, interval=INTERVAL_SECONDS)
"""A row: the features of 60 bars of 15 minutes, oldest first, NaN where masked. A change here makes every earlier
model unfit, by its digest."""

_INTERVAL = INTERVAL_SECONDS * 1_000_000_000


def labels_of(bars: BarColumns) -> Float64:
    """Say of each of n bars whether the next one closes higher: 1 or 0, float64 (n,).

    NaN where it closes level, where the next bar is missing, and for the last one.
    """
    move = np.sign(moves_of(bars))
    labels: Float64 = np.where(move == 0, np.nan, (move + 1) / 2)
    return labels


def moves_of(bars: BarColumns) -> Float64:
    """Give the log return from each of n closes to the next, float64 (n,); NaN where the next bar is missing."""
    moves = np.full(len(bars), np.nan)
    if len(bars) > 1:
        known = (np.diff(bars.start) == _INTERVAL) & (bars.volume[1:] > 0)
        moves[:-1][known] = np.diff(np.log(bars.close))[known]
    return moves
