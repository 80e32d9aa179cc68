"""Value at risk and expected shortfall against closed forms, scipy, and hands."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from tickwire.risk.covariance import correlation, shrunk_covariance
from tickwire.risk.errors import UnusableInput
from tickwire.risk.measures import historical, of_losses, parametric
from tickwire.risk.monte_carlo import MAX_PATHS, simulate_losses
from tickwire.risk.returns import MIN_OBSERVATIONS, align
from tickwire.risk.scenarios import SHOCKS, betas, replay


def test_a_sample_by_hand() -> None:
    found = of_losses(np.arange(1.0, 11.0), 0.8)
    # Of ten losses eight do not exceed 8; beyond it lie 9 and 10.
    assert (found.value_at_risk, found.expected_shortfall) == (8.0, 9.5)
    # At 0.75 the quantile's own loss, the eighth, counts by half: (0.5 * 8 + 9 + 10) / 2.5.
    half = of_losses(np.arange(1.0, 11.0), 0.75)
    assert (half.value_at_risk, half.expected_shortfall) == (8.0, pytest.approx(9.2))


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.999])
def test_the_normal_closed_form_is_scipys(confidence: float) -> None:
    covariance, values = np.array([[4e-4, 1e-4], [1e-4, 1e-4]]), np.array([1_000.0, -500.0])
    deviation = sqrt(1e6 * 4e-4 - 2 * 1_000 * 500 * 1e-4 + 250_000 * 1e-4) * sqrt(24)
    found = parametric(covariance, values, confidence=confidence, horizon=24)
    assert found.value_at_risk == pytest.approx(stats.norm.ppf(confidence, scale=deviation))
    beyond = stats.norm.expect(lambda x: x, scale=deviation, lb=found.value_at_risk, conditional=True)
    assert found.expected_shortfall == pytest.approx(beyond, rel=1e-6)


def test_simulated_tails_are_those_of_the_t_distribution() -> None:
    # Small, so that a log return is the return.
    covariance, values = np.array([[1e-8]]), np.array([1.0])
    losses = simulate_losses(covariance, values, horizon=1, paths=MAX_PATHS, seed=1, degrees_of_freedom=4)
    scale = 1e-4 / sqrt(2)  # of variance 1 where a t of 4 has 2
    found = of_losses(losses, 0.99)
    assert found.value_at_risk == pytest.approx(stats.t.ppf(0.99, 4, scale=scale), rel=0.03)
    quantile = stats.t.ppf(0.99, 4)
    closed = stats.t.pdf(quantile, 4) / 0.01 * (4 + quantile**2) / 3 * scale
    assert found.expected_shortfall == pytest.approx(closed, rel=0.05)


def test_with_many_degrees_of_freedom_the_simulation_is_the_normal_one() -> None:
    covariance, values = np.array([[4e-8, 1e-8], [1e-8, 1e-8]]), np.array([1_000.0, -500.0])
    losses = simulate_losses(covariance, values, horizon=4, paths=MAX_PATHS, seed=2, degrees_of_freedom=1e6)
    found, normal = of_losses(losses, 0.95), parametric(covariance, values, confidence=0.95, horizon=4)
    assert found.value_at_risk == pytest.approx(normal.value_at_risk, rel=0.02)
    assert found.expected_shortfall == pytest.approx(normal.expected_shortfall, rel=0.02)


def test_simulated_returns_have_the_covariance_that_was_asked_for() -> None:
    covariance = np.array([[4e-8, 1.5e-8], [1.5e-8, 1e-8]])
    one, other = (
        simulate_losses(covariance, values, horizon=1, paths=MAX_PATHS, seed=3, degrees_of_freedom=12)
        for values in (np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    )
    assert np.cov(one, other) == pytest.approx(covariance, rel=0.03)


def test_two_symbols_that_are_one_can_be_simulated() -> None:
    alike = np.array([[1e-4, 1e-4], [1e-4, 1e-4]])
    hedged = simulate_losses(alike, np.array([100.0, -100.0]), horizon=1, paths=100, seed=1)
    assert np.abs(hedged).max() < 1e-3


def test_history_is_what_would_have_been_lost() -> None:
    returns = np.log1p(np.tile([[-0.10], [0.05], [0.0], [0.02]], (10, 1)))
    found = historical(returns, np.array([1_000.0]), confidence=0.75, horizon=1)
    # A quarter of the hours lost a tenth.
    assert found.value_at_risk == pytest.approx(0.0)
    assert found.expected_shortfall == pytest.approx(100.0)
    two = historical(returns, np.array([1_000.0]), confidence=0.75, horizon=2)
    # Stretches of two: -0.055 (10), 0.05 (10), 0.02 (10), -0.082 (9), of 39.
    assert two.value_at_risk == pytest.approx(55.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: of_losses(np.array([]), 0.9),
        lambda: of_losses(np.ones(3), 1.0),
        lambda: of_losses(np.ones(3), 0.5),
        lambda: historical(np.zeros((9, 1)), np.ones(1), confidence=0.9, horizon=1),
        lambda: simulate_losses(np.eye(1), np.ones(1), horizon=1, paths=0, seed=1),
        lambda: simulate_losses(np.eye(1), np.ones(1), horizon=1, paths=MAX_PATHS + 1, seed=1),
        lambda: simulate_losses(np.eye(1), np.ones(1), horizon=1, paths=1, seed=1, degrees_of_freedom=2),
    ],
)
def test_what_cannot_be_computed_is_refused(call: object) -> None:
    with pytest.raises(UnusableInput):
        call()  # type: ignore[operator]


losses = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6, width=32))
confidences = st.floats(0.51, 0.999)


@given(losses, confidences)
def test_the_shortfall_is_never_less_than_the_value_at_risk(sample: np.ndarray, confidence: float) -> None:
    found = of_losses(sample, confidence)
    assert found.expected_shortfall >= found.value_at_risk - 1e-6
    assert found.expected_shortfall <= sample.max() + 1e-6


@given(losses, confidences, confidences)
def test_more_confidence_is_never_less_risk(sample: np.ndarray, one: float, other: float) -> None:
    low, high = (of_losses(sample, confidence) for confidence in sorted((one, other)))
    assert low.value_at_risk <= high.value_at_risk
    assert low.expected_shortfall <= high.expected_shortfall + 1e-6


@given(losses, confidences, st.floats(0.125, 8), st.floats(-100, 100))
def test_both_scale_with_the_position_and_move_with_money(
    sample: np.ndarray, confidence: float, factor: float, cash: float
) -> None:
    found, moved = of_losses(sample, confidence), of_losses(sample * factor + cash, confidence)
    assert moved.value_at_risk == pytest.approx(found.value_at_risk * factor + cash, abs=1e-3)
    assert moved.expected_shortfall == pytest.approx(found.expected_shortfall * factor + cash, abs=1e-3)


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 2**32 - 1), confidences)
def test_the_shortfall_of_two_portfolios_is_no_more_than_the_sum(
    count: int, width: int, seed: int, confidence: float
) -> None:
    random = np.random.default_rng(seed)
    one, other = random.standard_t(3, size=(2, count))
    together = of_losses(one + other, confidence).expected_shortfall
    apart = of_losses(one, confidence).expected_shortfall + of_losses(other, confidence).expected_shortfall
    assert together <= apart + 1e-9


def test_the_shrunk_covariance_lies_between_the_samples_and_the_mean_variance_and_is_closer_to_the_truth() -> None:
    random = np.random.default_rng(4)
    truth = np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    nearer = 0
    for _ in range(100):
        returns = random.multivariate_normal(np.zeros(6), truth, size=12)
        shrunk, share = shrunk_covariance(returns)
        sample = np.cov(returns.T, bias=True)
        assert 0 < share <= 1
        assert shrunk == pytest.approx(share * np.trace(sample) / 6 * np.eye(6) + (1 - share) * sample)
        nearer += ((shrunk - truth) ** 2).sum() < ((sample - truth) ** 2).sum()
    assert nearer > 90


def test_many_observations_are_hardly_shrunk() -> None:
    returns = np.random.default_rng(5).multivariate_normal([0, 0], [[1, 0.9], [0.9, 4]], size=100_000)
    shrunk, share = shrunk_covariance(returns)
    assert share < 0.001
    assert correlation(shrunk)[0, 1] == pytest.approx(0.45, abs=0.01)


def test_a_symbol_that_does_not_move_correlates_with_nothing() -> None:
    assert correlation(np.array([[0.0, 0.0], [0.0, 2.0]])).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_hours_that_a_symbol_lacks_are_left_out_for_all_and_nothing_goes_over_the_hole() -> None:
    hours = list(range(60))
    lacking = [hour for hour in hours if hour != 30]
    prices = [100.0 * 1.01**hour for hour in hours]
    found = align([hours, lacking], [prices, [prices[hour] for hour in lacking]], width=1)
    # Neither into hour 30 nor out of it.
    assert (len(found.returns), found.missing) == (57, 2)
    assert found.returns == pytest.approx(np.log(1.01))


def test_too_few_hours_are_refused() -> None:
    short = list(range(MIN_OBSERVATIONS))
    with pytest.raises(UnusableInput, match="47 hours"):
        align([short], [[1.0] * len(short)], width=1)


def test_a_crash_is_replayed_by_betas_and_takes_no_more_than_all() -> None:
    covariance = np.array([[1.0, 3.0], [3.0, 16.0]])
    beta = betas(covariance, 0)
    assert beta.tolist() == [1.0, 3.0]
    outcomes = {one.name: one for one in replay(np.array([1_000.0, 500.0]), beta)}
    crash = outcomes["flash crash of 2020-03-12"]
    # Bitcoin loses 44 %; three times that would be more than everything.
    assert crash.by_position == pytest.approx((-440.0, -500.0))
    assert crash.pnl == pytest.approx(-940.0)
    assert outcomes["all prices fall by 10 %"].pnl == pytest.approx(-150.0)
    assert len(outcomes) == len(SHOCKS)


def test_a_short_gains_in_a_crash() -> None:
    (first, *_) = replay(np.array([-1_000.0]), np.array([1.0]))
    assert first.pnl == pytest.approx(440.0)
