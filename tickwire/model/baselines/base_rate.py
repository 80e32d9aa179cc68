"""The share of rising rows, the same for every row: what anybody knows beforehand."""

from dataclasses import dataclass

import numpy as np

from tickwire.features import Float64
from tickwire.model.rows import LabelledRows


@dataclass(frozen=True, slots=True)
class BaseRate:
    """See the module."""

    name: str = "base-rate"

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> "FittedBaseRate":
        """Count the rising rows of both."""
        rising = float(learn.label.sum() + validate.label.sum())
        return FittedBaseRate(rising / (len(learn) + len(validate)))


@dataclass(frozen=True, slots=True)
class FittedBaseRate:
    """The share that was counted."""

    share: float

    def predict(self, rows: LabelledRows) -> Float64:
        """Give it for each row: float64 (n,)."""
        return np.full(len(rows), self.share)
