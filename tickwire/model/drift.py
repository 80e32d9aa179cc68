"""How far what a model sees, and what it answers, has moved from what it learnt from. Pure."""

import msgspec
import numpy as np

from tickwire.features import Float64
from tickwire.model.reference import Distribution

MAX_PSI = 0.25
"""Above it a distribution has shifted, by the convention of credit scoring; 0.1 to 0.25 is worth a look."""

MIN_VALUES = 500
"""Fewer say nothing of ten bins: of n values without a shift, the index is about 10 / n."""

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
