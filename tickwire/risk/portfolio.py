"""The risk of a portfolio, by every method beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tickwire.risk.covariance import correlation, shrunk_covariance
from tickwire.risk.measures import TailRisk, historical, of_losses, parametric
from tickwire.risk.monte_carlo import simulate_losses
from tickwire.risk.returns import Floats
from tickwire.risk.scenarios import ScenarioOutcome, betas, replay

BINS = 40
_SHOWN = 0.0005
"""Of the simulated gains and losses this share at either end is drawn into the outermost bins."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """``counts`` of what lies between neighbouring ``edges``; the first and the last count what lies outside too."""

    edges: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class PortfolioRisk:
    """What a portfolio may lose over the horizon, in money.

    Attributes
    ----------
    volatilities : of each position, the deviation of its return over the horizon, a fraction
    shrinkage : how far the covariance was moved towards equal and independent symbols, 0 to 1
    gains : simulated, losses negative
    """

    historical: TailRisk
    parametric: TailRisk
    monte_carlo: TailRisk
    volatilities: Sequence[float]
    correlation: Floats
    shrinkage: float
    scenarios: Sequence[ScenarioOutcome]
    gains: Histogram


def judge(
    returns: Floats,
    values: Floats,
    *,
    confidence: float,
    horizon: int,
    paths: int,
    seed: int,
    reference: int | None,
) -> PortfolioRisk:
    """Judge a portfolio.

    Parameters
    ----------
    returns : float64 (n, k), log returns of n bars, Bitcoin's among them if it can be had
    values : float64 (k,), money in each symbol, negative if it is short, 0 if it is only the reference
    horizon : bars
    reference : the column of Bitcoin, by which crashes are replayed; None takes every beta for 1

    Raises
    ------
    UnusableInput
        As the parts do.
    """
    covariance, shrinkage = shrunk_covariance(returns)
    losses = simulate_losses(covariance, values, horizon=horizon, paths=paths, seed=seed)
    beta = np.ones(len(values)) if reference is None else betas(covariance, reference)
    return PortfolioRisk(
        historical=historical(returns, values, confidence=confidence, horizon=horizon),
        parametric=parametric(covariance, values, confidence=confidence, horizon=horizon),
        monte_carlo=of_losses(losses, confidence),
        volatilities=tuple(map(float, np.sqrt(np.diag(covariance) * horizon))),
        correlation=correlation(covariance),
        shrinkage=shrinkage,
        scenarios=replay(values, beta),
        gains=_histogram(-losses),
    )


def _histogram(gains: Floats) -> Histogram:
    low, high = np.quantile(gains, [_SHOWN, 1 - _SHOWN])
    if low == high:
        low, high = low - 1.0, high + 1.0
    counts, edges = np.histogram(np.clip(gains, low, high), bins=BINS, range=(float(low), float(high)))
    return Histogram(tuple(map(float, edges)), tuple(map(int, counts)))
