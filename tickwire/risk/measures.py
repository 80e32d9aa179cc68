"""Value at risk and expected shortfall of a portfolio: from history, from the normal distribution, from simulation.

Value at risk at a confidence c is the loss that is exceeded with probability 1 - c; expected shortfall is the mean of
the losses beyond it (P. Artzner et al., "Coherent measures of risk", Mathematical Finance 9, 1999; for samples
C. Acerbi and D. Tasche, "On the coherence of expected shortfall", J. Banking & Finance 26, 2002). Losses are positive;
what a portfolio gains even in its worst cases is a negative loss.
"""

from dataclasses import dataclass
from math import exp, pi, sqrt
from statistics import NormalDist

import numpy as np

from tickwire.risk.errors import UnusableInput
from tickwire.risk.returns import Floats

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class TailRisk:
    """Value at risk and expected shortfall, in money."""

    value_at_risk: float
    expected_shortfall: float


def of_losses(losses: Floats, confidence: float) -> TailRisk:
    """Give both of a sample of losses.

    The value at risk is the smallest loss that a share of at least ``confidence`` does not exceed; the shortfall takes
    the rest of the distribution to the exact weight, parts of the loss at the quantile with it (Acerbi and Tasche).

    Raises
    ------
    UnusableInput
        If there is no loss, or the confidence is not within 0.5 and 1.
    """
    _check(confidence)
    if len(losses) == 0:
        raise UnusableInput("there are no losses to judge")
    ordered = np.sort(losses)
    count = len(ordered)
    # Of n losses the k-th is exceeded by n - k; rounded, since 0.99 times 100 is a little less than 99.
    index = min(max(int(np.ceil(round(confidence * count, 9))), 1), count) - 1
    value = float(ordered[index])
    tail = (1 - confidence) * count
    beyond = ordered[index + 1 :]
    shortfall = (float(beyond.sum()) + (tail - len(beyond)) * value) / tail
    return TailRisk(value, shortfall)


def historical(returns: Floats, values: Floats, *, confidence: float, horizon: int) -> TailRisk:
    """Give both from what the portfolio would have lost over each stretch of the past.

    Parameters
    ----------
    returns : float64 (n, k), log returns of n neighbouring bars
    values : float64 (k,), money in each symbol, negative if it is short
    horizon : bars that it is held; stretches overlap, so that few of them are independent

    Raises
    ------
    UnusableInput
        If there are fewer bars than ten times the horizon.
    """
    if len(returns) < 10 * horizon:
        raise UnusableInput(
            f"{len(returns)} bars hold too few stretches of {horizon}; ask for more days or a shorter horizon"
        )
    sums = np.cumsum(np.vstack([np.zeros(returns.shape[1]), returns]), axis=0)
    held = sums[horizon:] - sums[:-horizon]
    return of_losses(-(np.expm1(held) @ values), confidence)


def parametric(covariance: Floats, values: Floats, *, confidence: float, horizon: int) -> TailRisk:
    """Give both for normal returns of mean zero: VaR = z σ √h, ES = φ(z) / (1 - c) σ √h.

    ``covariance`` (k, k) is of the returns of a bar. The mean is left out on purpose: over days it is noise
    beside the deviation.
    """
    _check(confidence)
    deviation = sqrt(max(float(values @ covariance @ values), 0.0) * horizon)
    z = _NORMAL.inv_cdf(confidence)
    density = exp(-z * z / 2) / sqrt(2 * pi)
    return TailRisk(z * deviation, density / (1 - confidence) * deviation)


def _check(confidence: float) -> None:
    if not 0.5 < confidence < 1:
        raise UnusableInput("the confidence must lie between 0.5 and 1")
