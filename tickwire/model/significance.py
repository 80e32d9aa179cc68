"""How far a figure may be from its true value by chance: the block bootstrap, and the Sharpe ratio of many trials."""

from math import e, sqrt
from statistics import NormalDist

import msgspec
import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.lake import DAY_NANOSECONDS

RESAMPLES = 2_000
LEVEL = 0.95
_SEED = 20_140_916
_EULER = 0.5772156649015329
_NORMAL = NormalDist()


class Estimate(msgspec.Struct, frozen=True):
    """A figure between its bounds; None where it is not defined, as precision is of a model that never says up."""

    value: float | None
    low: float | None = None
    high: float | None = None


def day_blocks(start: Int64, *, days: int = 1) -> tuple[Int64, int]:
    """Number the blocks of days that rows lie in: int64 (n,), and how many there are.

    All instruments of a day are one block, since they share its market: rows of a day are no independent
    observations.

    Parameters
    ----------
    start : int64 (n,), ns UTC
    days : that a block spans, from 1970-01-01T00:00Z on
    """
    known, block = np.unique(start // (days * DAY_NANOSECONDS), return_inverse=True)
    return block.astype(np.int64), len(known)


def resampled(blocks: int, *, resamples: int = RESAMPLES, seed: int = _SEED) -> Float64:
    """Draw ``blocks`` of the blocks with replacement, again and again: how often each is in each draw.

    A sum over the rows of a draw is then this matrix times the sums of the blocks, whatever the figure.

    Returns
    -------
    float64 (resamples, blocks), whose rows sum to ``blocks``
    """
    random = np.random.default_rng(seed)
    drawn: Float64 = random.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples).astype(np.float64)
    return drawn


def estimate(value: float, draws: Float64, *, level: float = LEVEL) -> Estimate:
    """Put a figure between the quantiles of its resamples (Efron's percentile interval).

    Draws in which the figure is not defined, NaN, are left out; without any other it has no bounds.
    """
    known = draws[np.isfinite(draws)]
    if not np.isfinite(value) or not len(known):
        return Estimate(float(value) if np.isfinite(value) else None)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), float(low), float(high))


def expected_maximum(trials: int) -> float:
    """Give the mean of the largest of ``trials`` independent standard normal numbers, approximately.

    ``(1 - γ)·Φ⁻¹(1 - 1/N) + γ·Φ⁻¹(1 - 1/(N·e))`` with Euler's γ; 0 for one trial. Source: D. Bailey and M. López de
    Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40 (5), 2014, eq. 1.
    """
    if trials < 2:
        return 0.0
    return (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / trials) + _EULER * _NORMAL.inv_cdf(1 - 1 / (trials * e))


def deflated_sharpe(returns: Float64, *, trials: int, deviation: float) -> float | None:
    """Give the probability that the true Sharpe ratio is above what the best of ``trials`` has by luck alone.

    ``Φ((SR - SR₀)·√(T - 1) / √(1 - γ₃·SR + (γ₄ - 1)/4·SR²))`` with SR the ratio of mean and standard deviation of the T
    returns, not annualised, their skewness γ₃ and kurtosis γ₄ (3 for a normal), and SR₀ = ``deviation`` times
    :func:`expected_maximum`. With one trial it is the probabilistic Sharpe ratio against 0. Source: Bailey and López de
    Prado 2014, eq. 2.

    Parameters
    ----------
    returns : float64 (T,), of neighbouring periods of one length
    trials : strategies that were tried, this one included
    deviation : standard deviation of their Sharpe ratios, a period's and not annualised

    Returns
    -------
    0 to 1; None where there are fewer than three returns, or all are the same
    """
    if len(returns) < 3 or returns.max() == returns.min():
        return None
    distance = returns - returns.mean()
    ratio = float(returns.mean() / returns.std(ddof=1))
    spread = float(np.sqrt((distance**2).mean()))
    skewness, kurtosis = (float((distance**power).mean()) / spread**power for power in (3, 4))
    error = sqrt(max(1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2, 1e-12))
    return _NORMAL.cdf((ratio - deviation * expected_maximum(trials)) * sqrt(len(returns) - 1) / error)
