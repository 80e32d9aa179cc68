"""The rows that a model learns from or is judged on: features of the bars whose next move is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tickwire.columns import Int64
from tickwire.model.bars import BarColumns, Float64
from tickwire.model.features import LOOKBACK, SCHEMA, features_of, labels_of

PURGE = (LOOKBACK + 1) * SCHEMA.interval * 1_000_000_000
"""ns between the starts of two rows that have no bar in common: what a row is computed from, and what it predicts."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """n rows of all instruments together.

    Attributes
    ----------
    start : int64 (n,), ns UTC, of the bar at whose close the row is known
    features : float64 (n, width) of :data:`~tickwire.model.features.SCHEMA`, finite
    label : float64 (n,), 1 where the next bar closes higher, else 0
    """

    start: Int64
    features: Float64
    label: Float64

    def __len__(self) -> int:
        return len(self.start)


def labelled_rows(instruments: Sequence[BarColumns]) -> LabelledRows:
    """Give every row that has all its features and a label."""
    starts, features, labels = [], [], []
    for bars in instruments:
        rows, label = features_of(bars), labels_of(bars)
        usable = np.isfinite(rows).all(axis=1) & np.isfinite(label)
        starts.append(bars.start[usable])
        features.append(rows[usable])
        labels.append(label[usable])
    if not starts:
        return LabelledRows(np.empty(0, np.int64), np.empty((0, SCHEMA.width)), np.empty(0))
    return LabelledRows(np.concatenate(starts), np.concatenate(features), np.concatenate(labels))
