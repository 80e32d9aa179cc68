"""How good probabilities were, and whether one model's are better than another's on the same rows."""

from typing import Annotated

import msgspec
import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.model.significance import Estimate, day_blocks, estimate, resampled

# A float32 of 1 or 0 would make one wrong row's loss infinite; 1e-7 is below what it resolves near 1.
_NEAREST = 1e-7
_BINS = 10
# Nats: two models that differ by less say the same.
_ROUNDING = 1e-12

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Scores(msgspec.Struct, frozen=True):
    """Of probabilities of rows whose outcome is known. The more probable side is what a model says; 0.5 says both by
    half.

    Attributes
    ----------
    rows : how many
    log_loss : mean, in nats; ln 2 = 0.693 is what 0.5 for every row has
    brier : mean squared error
    accuracy : share of rows whose more probable side came true
    balanced_accuracy : mean of the accuracies on rising and on falling rows; 0.5 without skill, whatever the base rate
    auc : probability that a rising row has a higher probability than a falling one, ties by half
    precision : share of rising rows among those said to rise
    recall : share of those said to rise among the rising rows
    mcc : Matthews's correlation of what is said and what comes, -1 to 1; 0 where either is always the same
    ece : expected calibration error: mean distance of the mean probability and the share of rising rows over 10 bins
        with equally many rows (Naeini, Cooper and Hauskrecht, AAAI 2015, by quantiles); above 0 by chance alone

    None where it is not defined, since a side has no row.
    """

    rows: int
    log_loss: float
    brier: float
    accuracy: Fraction
    balanced_accuracy: Fraction | None = None
    auc: Fraction | None = None
    precision: Fraction | None = None
    recall: Fraction | None = None
    mcc: float | None = None
    ece: Fraction | None = None


class Advantage(msgspec.Struct, frozen=True):
    """By how much one model's log loss is lower than another's on the same rows.

    Rows of one day share its market, so a day counts as one observation, by its sum: the error is that of clustered
    observations (K.-Y. Liang and S. Zeger, Biometrika 73, 1986). A day with few rows counts for little.

    Attributes
    ----------
    mean : mean difference of a row, nats; above 0 where the first is better
    error : standard error of that mean; 0 where there is one day
    days : how many there are
    """

    mean: float
    error: float
    days: int

    @property
    def z(self) -> float:
        """The mean in standard errors; 0 where every day has the same difference, which is that of one model."""
        return self.mean / self.error if self.error > _ROUNDING else 0.0


def log_losses(probability: Float64, label: Float64) -> Float64:
    """Give the log loss of each row, nats: float64 (n,) and labels 0 or 1 to float64 (n,)."""
    kept = np.clip(probability, _NEAREST, 1 - _NEAREST)
    losses: Float64 = -np.log(np.where(label == 1, kept, 1 - kept))
    return losses


def said(probability: Float64) -> Float64:
    """Give the more probable side: 1 for up, 0 for down, one half where they are equal."""
    sides: Float64 = np.where(probability == 0.5, 0.5, (probability > 0.5).astype(np.float64))
    return sides


def scores_of(probability: Float64, label: Float64) -> Scores:
    """Score n probabilities."""
    block = np.zeros(len(label), np.int64)
    figures = _figures(probability, label, block, blocks=1, weights=np.ones((1, 1)))
    values = {name: float(figure[0]) if np.isfinite(figure[0]) else None for name, figure in figures.items()}
    return msgspec.convert({"rows": len(label), **values}, Scores)


def estimates_of(probability: Float64, label: Float64, *, start: Int64) -> dict[str, Estimate]:
    """Put each figure of :class:`Scores` but ``rows`` between bounds of 95 %, from resampled days.

    Parameters
    ----------
    probability, label : float64 (n,)
    start : int64 (n,), ns UTC, of the rows' bars
    """
    block, blocks = day_blocks(start)
    weights = np.concatenate([np.ones((1, blocks)), resampled(blocks)])
    figures = _figures(probability, label, block, blocks=blocks, weights=weights)
    return {name: estimate(float(figure[0]), figure[1:]) for name, figure in figures.items()}


def advantage_of(first: Float64, second: Float64, *, label: Float64, start: Int64) -> Advantage:
    """Compare two models' probabilities of the same n rows, whose bars start at ``start``, ns UTC."""
    difference = log_losses(second, label) - log_losses(first, label)
    day, days = day_blocks(start)
    mean = float(difference.mean())
    distance = np.bincount(day, difference - mean)
    error = float(np.sqrt((distance**2).sum() * days / (days - 1)) / len(label)) if days > 1 else 0.0
    return Advantage(mean, error, days)


def mean_estimate(values: Float64, *, start: Int64, level: float = 0.95) -> Estimate:
    """Put the mean of n rows' values between bounds from resampled days."""
    block, blocks = day_blocks(start)
    sums, counts = np.bincount(block, values), np.bincount(block)
    drawn = resampled(blocks)
    return estimate(float(values.mean()), (drawn @ sums) / (drawn @ counts), level=level)


def improvement(first: Float64, second: Float64, *, label: Float64, start: Int64) -> Estimate:
    """Say by how many percent the first says the side more often right than the second, on the same rows.

    Parameters
    ----------
    first, second : float64 (n,), sides as :func:`said` gives them
    label : float64 (n,)
    start : int64 (n,), ns UTC
    """
    block, blocks = day_blocks(start)
    ours, theirs = (np.bincount(block, 1 - np.abs(side - label)) for side in (first, second))
    drawn = resampled(blocks)
    with np.errstate(all="ignore"):
        return estimate(100 * float(ours.sum() / theirs.sum() - 1), 100 * ((drawn @ ours) / (drawn @ theirs) - 1))


def _figures(
    probability: Float64, label: Float64, block: Int64, *, blocks: int, weights: Float64
) -> dict[str, Float64]:
    """Give the figures of w draws of blocks, float64 (w,) each, NaN where not defined; ``weights`` (w, blocks) says how
    often each block is in each draw."""
    up = said(probability)

    def summed(values: Float64) -> Float64:
        total: Float64 = weights @ np.bincount(block, values, minlength=blocks)
        return total

    with np.errstate(all="ignore"):
        rows = summed(np.ones_like(label))
        hit, alarm = summed(up * label), summed(up * (1 - label))
        miss, rest = summed((1 - up) * label), summed((1 - up) * (1 - label))
        product = (hit + alarm) * (hit + miss) * (rest + alarm) * (rest + miss)
        return {
            "log_loss": summed(log_losses(probability, label)) / rows,
            "brier": summed((probability - label) ** 2) / rows,
            "accuracy": (hit + rest) / rows,
            "balanced_accuracy": (hit / (hit + miss) + rest / (rest + alarm)) / 2,
            "auc": _auc(probability, label, block, blocks=blocks, weights=weights),
            "precision": hit / (hit + alarm),
            "recall": hit / (hit + miss),
            "mcc": np.where(product > 0, (hit * rest - alarm * miss) / np.sqrt(product), 0.0),
            "ece": _calibration_error(probability, label, block, blocks=blocks, weights=weights),
        }


def _auc(probability: Float64, label: Float64, block: Int64, *, blocks: int, weights: Float64) -> Float64:
    """Count the pairs (rising row of one block, falling row of another one) that are in the right order: a draw has
    each of them as often as it has both blocks."""
    rises = label == 1
    rising, risen_in = probability[rises], block[rises]
    pairs = np.empty((blocks, blocks))
    for falls_in in range(blocks):
        falling = np.sort(probability[(block == falls_in) & ~rises])
        below = np.searchsorted(falling, rising, "left") + np.searchsorted(falling, rising, "right")
        pairs[:, falls_in] = np.bincount(risen_in, below / 2, minlength=blocks)
    ups = weights @ np.bincount(risen_in, minlength=blocks)
    downs = weights @ np.bincount(block[~rises], minlength=blocks)
    area: Float64 = ((weights @ pairs) * weights).sum(axis=1) / (ups * downs)
    return area


def _calibration_error(probability: Float64, label: Float64, block: Int64, *, blocks: int, weights: Float64) -> Float64:
    edges = np.quantile(probability, np.arange(1, _BINS) / _BINS)
    cell = block * _BINS + np.searchsorted(edges, probability, "right")
    sums, rows = (
        weights @ np.bincount(cell, values, minlength=blocks * _BINS).reshape(blocks, _BINS)
        for values in (probability - label, np.ones_like(label))
    )
    error: Float64 = np.abs(sums).sum(axis=1) / rows.sum(axis=1)
    return error
