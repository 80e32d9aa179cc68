"""Compare a challenger with the champion on the same rows, by a test that may be looked at any time. Pure.

The two models' losses are bounded by clipping the probabilities, so the mean difference of an hour is bounded too.
A gambler bets on each hour what was fixed before it; if no model is better, the wealth cannot be expected to grow,
and by Ville's inequality it ever reaches 1 / alpha with a probability of at most alpha, however often one looks.
Source: I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024).
"""

from enum import StrEnum

import msgspec
import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64

ALPHA = 0.05
"""Probability that a verdict is ever given although neither model is better; half of it for each direction."""

BLOCK_NS = 3_600_000_000_000
"""Rows of one hour share their market and count as one observation."""

CLIP = 0.4
"""Probabilities are judged within [CLIP, 1 - CLIP]: the tighter the bound, the larger the bets that it allows."""

BOUND = float(np.log((1 - CLIP) / CLIP))
"""The largest difference of two losses, in nats."""

_BETS = np.array([0.05, 0.1, 0.2, 0.4, 0.8])
"""Shares of the wealth: below 1, so that no hour ruins; a mixture of them needs no guess of the best."""


class Comparison(StrEnum):
    """What the rows tell of the challenger."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"


class PairedScore(msgspec.Struct, frozen=True):
    """The evidence of a comparison.

    Attributes
    ----------
    comparison : the verdict
    blocks : hours that were compared
    advantage : mean over hours of champion's less challenger's log loss, nats, of clipped probabilities
    better, worse : the largest wealth won by betting on either; the verdict needs 2 / ALPHA
    """

    comparison: Comparison
    blocks: int
    advantage: float
    better: float
    worse: float


def block_advantages(champion: Float64, challenger: Float64, rose: Float64, closed: Int64) -> Float64:
    """Give the mean difference of log loss of each hour that has rows, in order of time: float64 (blocks,), nats.

    Parameters
    ----------
    champion, challenger : (n,) probabilities that the close is higher
    rose : (n,) 1 where it was, 0 where it was not; rows without a label are left out before
    closed : (n,) ns UTC at which the label was known, so that an hour depends on no later one

    Raises
    ------
    ValueError
        A probability is not a finite number from 0 to 1.
    """
    for probability in (champion, challenger):
        if not np.all((probability >= 0) & (probability <= 1)):
            raise ValueError("a probability is not a number from 0 to 1: the model's answers cannot be compared")
    difference = _loss(champion, rose) - _loss(challenger, rose)
    _, block = np.unique(closed // BLOCK_NS, return_inverse=True)
    count = np.bincount(block)
    return np.asarray(np.bincount(block, weights=difference) / count, np.float64)


def wealth(advantages: Float64) -> Float64:
    """Give the wealth after each block of one who bets that the mean is positive, starting with 1.

    Parameters
    ----------
    advantages : (..., blocks) nats, within ±BOUND; blocks are in order of time

    Returns
    -------
    float64 (..., blocks)

    Raises
    ------
    ValueError
        A difference is beyond the bound, or not a number: the test would not hold.
    """
    if not np.all(np.abs(advantages) <= BOUND * (1 + 1e-9)):
        raise ValueError(f"a difference of losses is beyond ±{BOUND:.3f} nats: clip the probabilities first")
    grown = np.log1p(_BETS[:, None] * (advantages / BOUND)[..., None, :]).cumsum(axis=-1)
    return np.asarray(np.exp(grown).mean(axis=-2), np.float64)


def compare(advantages: Float64, *, alpha: float = ALPHA) -> PairedScore:
    """Judge the blocks of (blocks,) nats so far; the first verdict that was reached stands."""
    if not advantages.size:
        return PairedScore(Comparison.UNDECIDED, 0, 0.0, 1.0, 1.0)
    better, worse = wealth(advantages), wealth(-advantages)
    reached = np.flatnonzero((better >= 2 / alpha) | (worse >= 2 / alpha))
    comparison = Comparison.UNDECIDED
    if reached.size:
        comparison = Comparison.BETTER if better[reached[0]] > worse[reached[0]] else Comparison.WORSE
    return PairedScore(comparison, advantages.size, float(advantages.mean()), float(better.max()), float(worse.max()))


def _loss(probability: Float64, rose: Float64) -> Float64:
    clipped = np.clip(probability, CLIP, 1 - CLIP)
    return np.asarray(-np.log(np.where(rose > 0.5, clipped, 1 - clipped)), np.float64)
