"""How good probabilities were, and whether one model's are better than another's on the same rows."""

from typing import Annotated

import msgspec
import numpy as np

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.lake import DAY_NANOSECONDS

# A float32 of 1 or 0 would make one wrong row's loss infinite; 1e-7 is below what it resolves near 1.
_NEAREST = 1e-7

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Scores(msgspec.Struct, frozen=True):
    """Of probabilities of rows whose outcome is known.

    Attributes
    ----------
    rows : how many
    log_loss : mean, in nats; ln 2 = 0.693 is what 0.5 for every row has
    brier : mean squared error
    accuracy : share of rows whose more probable side came true
    """

    rows: int
    log_loss: float
    brier: float
    accuracy: Fraction


class Advantage(msgspec.Struct, frozen=True):
    """By how much one model's log loss is lower than another's on the same rows.

    Rows of one day share its market, so a day counts as one observation.

    Attributes
    ----------
    mean : mean over the days of the day's mean difference, nats; above 0 where the first is better
    error : standard error of that mean
    days : how many there are
    """

    mean: float
    error: float
    days: int

    @property
    def z(self) -> float:
        """The mean in standard errors; 0 where every day has the same difference, which is that of one model."""
        return self.mean / self.error if self.error > 0 else 0.0


def log_losses(probability: Float64, label: Float64) -> Float64:
    """Give the log loss of each row, nats: float64 (n,) and labels 0 or 1 to float64 (n,)."""
    kept = np.clip(probability, _NEAREST, 1 - _NEAREST)
    losses: Float64 = -np.log(np.where(label == 1, kept, 1 - kept))
    return losses


def scores_of(probability: Float64, label: Float64) -> Scores:
    """Score n probabilities; exactly 0.5 counts as half right."""
    right = np.where(probability == 0.5, 0.5, (probability > 0.5) == (label == 1))
    return Scores(
        rows=len(label),
        log_loss=float(log_losses(probability, label).mean()),
        brier=float(((probability - label) ** 2).mean()),
        accuracy=float(right.mean()),
    )


def advantage_of(first: Float64, second: Float64, *, label: Float64, start: Int64) -> Advantage:
    """Compare two models' probabilities of the same n rows, whose bars start at ``start``, ns UTC."""
    difference = log_losses(second, label) - log_losses(first, label)
    day = np.unique(start // DAY_NANOSECONDS, return_inverse=True)[1]
    means = np.bincount(day, difference) / np.bincount(day)
    error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.0
    return Advantage(float(means.mean()), error, len(means))
