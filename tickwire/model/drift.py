"""How far what a model sees, and what it answers, has moved from what it learnt from. Pure."""

from collections.abc import Mapping

import msgspec
import numpy as np

from tickwire.features import Float64
from tickwire.model.reference import Distribution

MAX_PSI = 0.25
"""Above it a distribution has shifted, by the convention of credit scoring; 0.1 to 0.25 is worth a look."""

MIN_VALUES = 500
"""Fewer say nothing of ten bins: of n values without a shift, the index is about 10 / n."""

ALPHA = 0.01
"""Probability that any of the distributions of one check is called shifted by its p-value although none has."""

LOSS_DELTA = 0.002
"""ADWIN's bound on a false cut, shared among the streams that are watched."""

_DECILES = np.arange(10, 100, 10)
_FLOOR = 1e-4
"""The least share of a bin: an empty one would make the index infinite."""


class Shift(msgspec.Struct, frozen=True):
    """How one distribution has moved.

    Attributes
    ----------
    psi : population stability index over the reference's deciles and the share that is masked
    ks : the largest distance of the two distribution functions, 0 to 1
    p_value : of that distance if nothing had moved
    """

    psi: float
    ks: float
    p_value: float


def shift_of(values: Float64, reference: Distribution) -> Shift:
    """Measure n values, float64 (n,), NaN where masked, against the reference.

    The reference is known at its 101 quantiles only, so the Kolmogorov-Smirnov distance is the largest at those: at
    most a hundredth below the whole one where the reference has no ties. The reference's own error is left out: it is
    made of far more rows. The p-value is for independent values: of one instrument give one row an interval.

    Raises
    ------
    ValueError
        Fewer than ``MIN_VALUES`` values.
    """
    if len(values) < MIN_VALUES:
        raise ValueError(f"{len(values)} values say nothing of drift: wait for {MIN_VALUES}")
    there = np.sort(values[np.isfinite(values)])
    absent = 1 - len(there) / len(values)
    if not reference.quantiles or not len(there):
        return Shift(
            _index(np.array([1 - reference.absent, reference.absent]), np.array([1 - absent, absent])), 0.0, 1.0
        )
    quantiles = np.array(reference.quantiles)
    edges = np.unique(quantiles[_DECILES])
    expected = _shares((np.searchsorted(quantiles, edges, side="right") - 1) / 100, reference.absent)
    seen = _shares(np.searchsorted(there, edges, side="right") / len(there), absent)
    ks = _distance(there, quantiles)
    from scipy.stats import kstwo  # type: ignore[import-untyped]  # it has no types

    return Shift(_index(expected, seen), ks, float(kstwo.sf(ks, len(there))))


def shifted(shifts: Mapping[str, Shift]) -> tuple[str, ...]:
    """Name those that have drifted: an index above ``MAX_PSI``, and a p-value below ``ALPHA`` shared by all of them.

    The index alone is far from chance at ``MIN_VALUES`` values, but counts a mask that has moved, of which the p-value
    says nothing; so one whose index is twice the limit needs no p-value. Sharing ``ALPHA`` is Bonferroni's correction:
    it holds however the features depend on each other.
    """
    return tuple(
        name
        for name, shift in shifts.items()
        if shift.psi > 2 * MAX_PSI or (shift.psi > MAX_PSI and shift.p_value < ALPHA / len(shifts))
    )


class LossRise(msgspec.Struct, frozen=True):
    """A stream of losses has risen, as found after ``seen`` of them: means, nats, before and in the window kept."""

    seen: int
    before: float
    after: float


def loss_rise(losses: Float64, *, streams: int = 1) -> LossRise | None:
    """Find the last rise of the mean of a stream of losses by ADWIN; None where there is none. A fall is no drift.

    Source: A. Bifet, R. Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007, as river has it.

    Parameters
    ----------
    losses : float64 (n,), in order of time, within 0 to 1 as the bound supposes: log losses of clipped probabilities
    streams : watched together, such as an instrument each and all of them; they share :data:`LOSS_DELTA`

    Raises
    ------
    ValueError
        A loss is not within 0 to 1.
    """
    if not np.all((losses >= 0) & (losses <= 1)):
        raise ValueError("a loss is not within 0 to 1: clip the probabilities first")
    from river.drift import ADWIN

    detector = ADWIN(delta=LOSS_DELTA / streams)  # type: ignore[no-untyped-call]  # it has no types
    rise = None
    for seen, loss in enumerate(losses.tolist(), 1):
        before = detector.estimation
        detector.update(loss)  # type: ignore[no-untyped-call]
        if detector.drift_detected and detector.estimation > before:
            rise = LossRise(seen, before, detector.estimation)
    return rise


def _shares(cumulative: Float64, absent: float) -> Float64:
    bins = np.diff(np.concatenate([[0.0], cumulative, [1.0]]))
    return np.append(bins * (1 - absent), absent)


def _index(expected: Float64, seen: Float64) -> float:
    expected, seen = np.maximum(expected, _FLOOR), np.maximum(seen, _FLOOR)
    return float(((seen - expected) * np.log(seen / expected)).sum())


def _distance(there: Float64, quantiles: Float64) -> float:
    at = (np.searchsorted(quantiles, quantiles, side="right") - 1) / 100
    below = np.searchsorted(quantiles, quantiles, side="left") / 100
    seen_at = np.searchsorted(there, quantiles, side="right") / len(there)
    seen_below = np.searchsorted(there, quantiles, side="left") / len(there)
    return float(max(np.abs(at - seen_at).max(), np.abs(below - seen_below).max()))
