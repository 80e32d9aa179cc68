"""Logistic regression on the newest bar and those just before it."""

from dataclasses import dataclass

import numpy as np

from tickwire.features import Float64
from tickwire.model.logistic import LogisticRegression, fit, masked_inputs
from tickwire.model.rows import LabelledRows
from tickwire.model.scores import log_losses

_RIDGES = (1.0, 100.0, 10_000.0)


def lagged(rows: LabelledRows, lags: int) -> Float64:
    """Give the features of the newest bar and of ``lags`` bars before it: float64 (n, 16 · (1 + lags)).

    NaN where masked; the newest bar first.
    """
    bars = [rows.bars[rows.last - lag] for lag in range(lags + 1)]
    columns: Float64 = np.concatenate(bars, axis=1, dtype=np.float64)
    return columns


@dataclass(frozen=True, slots=True)
class Logistic:
    """``lags`` : bars before the newest one that are looked at, at most 59. The penalty is the best on ``validate``."""

    lags: int = 3
    name: str = "logistic"

    def fit(self, learn: LabelledRows, validate: LabelledRows) -> "FittedLogistic":
        """Fit on ``learn`` with each penalty, keep the one of the lowest log loss on ``validate``, fit it on both.

        Raises
        ------
        NotConverged
            If the rows are degenerate.
        """
        inputs, later = (masked_inputs(lagged(rows, self.lags)) for rows in (learn, validate))
        losses = {}
        for ridge in _RIDGES:
            probability = fit(inputs, learn.label, ridge=ridge).predict(later)
            losses[ridge] = float(log_losses(probability, validate.label).mean())
        best = min(losses, key=lambda ridge: losses[ridge])
        both = np.concatenate([inputs, later]), np.concatenate([learn.label, validate.label])
        return FittedLogistic(fit(*both, ridge=best), self.lags, best)


@dataclass(frozen=True, slots=True, eq=False)
class FittedLogistic:
    """The regression, of the newest bar and ``lags`` before it, and the penalty that was the best."""

    regression: LogisticRegression
    lags: int
    ridge: float

    def predict(self, rows: LabelledRows) -> Float64:
        """Give the probability that the next bar closes higher: float64 (n,)."""
        return self.regression.predict(masked_inputs(lagged(rows, self.lags)))
