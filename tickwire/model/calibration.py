"""Platt's scaling: a network's logits turned into probabilities that come true as often as they say.

Source: J. Platt, Probabilistic Outputs for Support Vector Machines (1999); without his smoothing of the labels, which
matters for some dozens of rows and not for thousands.
"""

from dataclasses import dataclass

import numpy as np

from tickwire.features import Float64
from tickwire.model.logistic import fit, sigmoid

# Enough to hold the slope where there is next to nothing to learn it from; thousands of rows outweigh it.
_RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """``sigmoid(slope * logit + intercept)``; the slope is not below 0."""

    slope: float
    intercept: float

    def __call__(self, logit: Float64) -> Float64:
        """Give probabilities: float64 (n,) to float64 (n,)."""
        return sigmoid(self.slope * logit + self.intercept)


def calibrated(logit: Float64, label: Float64) -> Calibration:
    """Fit on n rows that the network has not learnt from.

    Where higher logits went with fewer rises there, the network knows nothing: the slope is then 0, and every row gets
    the share of rising ones. To turn the network around would be to learn from noise.

    Parameters
    ----------
    logit, label : float64 (n,), labels 0 or 1, both among them

    Raises
    ------
    NotConverged
        If all labels are the same.
    """
    regression = fit(logit[:, None], label, ridge=_RIDGE)
    slope = float(regression.weights[0])
    if slope > 0:
        return Calibration(slope, regression.bias)
    share = label.mean()
    return Calibration(0.0, float(np.log(share / (1 - share))))
