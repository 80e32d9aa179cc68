"""Drift of features and of scores against what training saw."""

import numpy as np
import pytest
from scipy import stats

from tickwire.model.drift import MAX_PSI, MIN_VALUES, Shift, loss_rise, shift_of, shifted
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


def test_sixteen_features_that_have_not_moved_are_not_called_shifted() -> None:
    generator = np.random.default_rng(6)
    for _ in range(100):
        shifts = {str(name): shift_of(generator.normal(size=MIN_VALUES), NORMAL) for name in range(16)}
        assert shifted(shifts) == ()


def test_the_p_value_is_shared_by_all_that_are_tested() -> None:
    moved = Shift(psi=0.3, ks=0.2, p_value=0.006)
    assert shifted({"a": moved}) == ("a",)
    assert shifted({"a": moved, "b": Shift(0.01, 0.01, 0.9)}) == ()
    assert shifted({"masked": Shift(0.6, 0.0, 1.0), "b": Shift(0.2, 0.3, 0.0)}) == ("masked",)


def losses(mean: float, count: int, seed: int) -> np.ndarray:
    """Of a model whose probability of the side that came is normal about ``mean``, clipped to 0.4 to 0.6."""
    sides = np.random.default_rng(seed).normal(mean, 0.05, count)
    return -np.log(np.clip(sides, 0.4, 0.6))


def test_a_loss_that_stays_raises_no_alarm_in_all_but_a_few_of_many_streams() -> None:
    assert sum(loss_rise(losses(0.52, 2_000, seed)) is not None for seed in range(50)) <= 1


@pytest.mark.parametrize("seed", range(10))
def test_a_model_that_turns_wrong_is_found_within_five_hundred_outcomes(seed: int) -> None:
    stream = np.concatenate([losses(0.54, 1_000, seed), losses(0.44, 500, seed + 100)])
    rise = loss_rise(stream, streams=4)
    assert rise is not None
    assert rise.seen > 1_000
    assert rise.after > rise.before


def test_a_model_that_gets_better_has_not_drifted() -> None:
    assert loss_rise(np.concatenate([losses(0.44, 1_000, 1), losses(0.56, 1_000, 2)])) is None


def test_losses_beyond_the_bound_are_refused() -> None:
    with pytest.raises(ValueError, match="within 0 to 1"):
        loss_rise(np.array([0.5, 1.5]))
