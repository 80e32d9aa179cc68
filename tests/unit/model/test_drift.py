"""Drift of features and of scores against what training saw."""

import numpy as np
import pytest
from scipy import stats

from tickwire.model.drift import MAX_PSI, MIN_VALUES, shift_of
from tickwire.model.reference import Distribution, distribution_of

NORMAL = Distribution(
    quantiles=(-6.0, *stats.norm.ppf(np.arange(1, 100) / 100).tolist(), 6.0), absent=0.0, count=100_000
)


def test_the_distance_is_scipys_to_a_hundredth() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 2_000)

    whole = stats.kstest(values, "norm").statistic

    assert whole - 0.01 <= shift_of(values, NORMAL).ks <= whole + 1e-9


def test_the_index_is_that_of_the_bins() -> None:
    # All of the values in the lowest of ten bins; nine bins at the floor of 0.0001.
    psi = shift_of(np.full(MIN_VALUES, -5.0), NORMAL).psi

    assert psi == pytest.approx(0.9 * np.log(10) + 9 * (0.1 - 1e-4) * np.log(1_000), rel=1e-6)


def test_a_column_that_is_now_masked_by_half_has_drifted() -> None:
    values = np.random.default_rng(2).normal(size=MIN_VALUES)
    values[::2] = np.nan

    assert shift_of(values, NORMAL).psi > MAX_PSI


def test_a_shift_of_one_deviation_is_seen_in_the_least_number_of_values() -> None:
    generator = np.random.default_rng(3)
    shifts = [shift_of(generator.normal(1, 1, MIN_VALUES), NORMAL) for _ in range(100)]

    assert all(shift.psi > MAX_PSI and shift.p_value < 0.001 for shift in shifts)


def test_values_that_have_not_moved_raise_no_index_and_few_p_values() -> None:
    generator = np.random.default_rng(4)
    shifts = [shift_of(generator.normal(size=MIN_VALUES), NORMAL) for _ in range(1_000)]

    assert max(shift.psi for shift in shifts) < MAX_PSI
    assert sum(shift.p_value < 0.05 for shift in shifts) <= 65


def test_a_feature_of_few_values_that_has_not_moved_shows_no_drift() -> None:
    coins = np.random.default_rng(5).integers(0, 2, 10_000).astype(np.float64)

    shift = shift_of(coins[:1_000], distribution_of(coins))

    assert shift.psi < 0.05
    assert shift.ks < 0.06


def test_too_few_values_are_refused() -> None:
    with pytest.raises(ValueError, match="wait for 500"):
        shift_of(np.zeros(10), NORMAL)
