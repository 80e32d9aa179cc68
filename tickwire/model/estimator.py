"""What all models have in common while they are made: fitted on rows, asked for probabilities."""

from typing import Protocol

from tickwire.features import Float64
from tickwire.model.rows import LabelledRows


class Fitted(Protocol):
    """A model that has learnt."""

    def predict(self, rows: LabelledRows) -> Float64:
        """Give the probability that the next bar closes higher, for each of n rows: float64 (n,)."""
        ...


class Estimator(Protocol):
    """A way to make a model, with everything that it may choose already chosen."""

    @property
    def name(self) -> str:
        """What tables call it; lower case and hyphens."""
        ...

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> Fitted:
        """Learn from ``learn``; ``validate`` are later rows, to stop early by and to calibrate on."""
        ...
