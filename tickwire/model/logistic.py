"""Logistic regression with a ridge penalty, by Newton's method."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tickwire.errors import TickwireError
from tickwire.features import Float64

_MAX_STEPS = 50
_TOLERANCE = 1e-10


class NotConverged(TickwireError, ArithmeticError):
    """Newton's method did not come to rest: the rows are degenerate."""


@dataclass(frozen=True, slots=True, eq=False)
class LogisticRegression:
    """``sigmoid(rows @ weights + bias)``, with a weight for each of the ``width`` numbers of a row."""

    weights: Float64
    bias: float

    def predict(self, rows: Float64) -> Float64:
        """Give probabilities: float64 (n, width) to float64 (n,)."""
        return sigmoid(rows @ self.weights + self.bias)


def sigmoid(logit: Float64) -> Float64:
    """Give ``1 / (1 + exp(-logit))``, without overflow."""
    probability: Float64 = 0.5 * (1 + np.tanh(0.5 * logit))
    return probability


def fit(rows: Float64, labels: Float64, *, ridge: float) -> LogisticRegression:
    """Minimise the log loss of n rows plus ``ridge / 2`` times the squared weights of the standardised features.

    Parameters
    ----------
    rows : float64 (n, width), finite
    labels : float64 (n,), 0 or 1
    ridge : above 0; the bias is not penalised

    Raises
    ------
    NotConverged
        If 50 steps do not suffice.
    """
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation[deviation == 0] = 1.0
    design = np.column_stack([(rows - mean) / deviation, np.ones(len(rows))])
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 0.0
    solution = np.zeros(design.shape[1])
    for _ in range(_MAX_STEPS):
        probability = sigmoid(design @ solution)
        gradient = design.T @ (probability - labels) + penalty * solution
        curvature = (design.T * (probability * (1 - probability))) @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        solution -= step
        if np.abs(step).max() < _TOLERANCE:
            weights = solution[:-1] / deviation
            return LogisticRegression(weights, float(solution[-1] - weights @ mean))
    raise NotConverged(f"the last of {_MAX_STEPS} steps still moved by {np.abs(step).max():.1e}")


def masked_inputs(newest: npt.NDArray[np.floating[Any]]) -> Float64:
    """Give what the regression is fitted on: float (n, 16) with NaN where masked to float64 (n, 32).

    The features with 0 for those that are masked, then 1 for each that is there and 0 for each that is not.
    """
    there = np.isfinite(newest)
    return np.concatenate([np.where(there, newest, 0.0), there], axis=1, dtype=np.float64)
