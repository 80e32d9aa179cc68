"""Bootstrap and deflated Sharpe ratio against the normal theory, simulation and the paper's own example."""

import numpy as np
import pytest
from scipy import stats

from tickwire.lake import DAY_NANOSECONDS
from tickwire.model.significance import (
    Estimate,
    day_blocks,
    deflated_sharpe,
    estimate,
    expected_maximum,
    resampled,
)


def test_blocks_are_days_of_all_instruments_together() -> None:
    start = np.array([0, 5 * DAY_NANOSECONDS, 1, 6 * DAY_NANOSECONDS - 1, DAY_NANOSECONDS])
    block, blocks = day_blocks(start)
    assert (block.tolist(), blocks) == ([0, 2, 0, 2, 1], 3)
    assert day_blocks(start, days=2)[0].tolist() == [0, 1, 0, 1, 0]


def test_each_draw_has_as_many_blocks_as_there_are_and_each_block_the_same_chance() -> None:
    drawn = resampled(20, resamples=4_000)
    assert (drawn.sum(axis=1) == 20).all()
    np.testing.assert_allclose(drawn.mean(axis=0), 1.0, atol=0.08)
    assert drawn.var(axis=0).mean() == pytest.approx(19 / 20, abs=0.03)


def test_draws_are_the_same_each_time() -> None:
    np.testing.assert_array_equal(resampled(7), resampled(7))


def test_the_bounds_of_a_mean_are_those_of_the_normal_theory() -> None:
    values = np.random.default_rng(2).standard_normal(400)
    drawn = resampled(400)
    found = estimate(float(values.mean()), drawn @ values / 400)
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_a_figure_that_is_not_defined_has_no_bounds() -> None:
    assert estimate(float("nan"), np.array([1.0, 2.0])) == Estimate(None)
    assert estimate(1.0, np.array([np.nan])) == Estimate(1.0)


@pytest.mark.parametrize("trials", [10, 100])
def test_the_expected_maximum_is_that_of_simulated_trials(trials: int) -> None:
    simulated = np.random.default_rng(4).standard_normal((20_000, trials)).max(axis=1).mean()
    assert expected_maximum(trials) == pytest.approx(simulated, rel=0.03)


def test_one_trial_needs_no_deflation() -> None:
    assert expected_maximum(1) == 0.0


def test_the_deflated_sharpe_ratio_is_the_papers_example() -> None:
    # Bailey and López de Prado 2014, "A numerical example": 100 trials whose yearly ratios have a variance of 1/2, five
    # years of 250 daily returns, a ratio of 2.5 a year, skewness -3, kurtosis 10: SR0 is 0.1132 a day, the DSR 0.9004.
    assert np.sqrt(0.5 / 250) * expected_maximum(100) == pytest.approx(0.1132, abs=1e-4)
    returns = with_moments(1_250, ratio=2.5 / np.sqrt(250), skewness=-3.0, kurtosis=10.0)
    found = deflated_sharpe(returns, trials=100, deviation=float(np.sqrt(0.5 / 250)))
    assert found == pytest.approx(0.9004, abs=2e-3)


def with_moments(n: int, *, ratio: float, skewness: float, kurtosis: float) -> np.ndarray:
    """Returns of three values, which have these moments: a two-point law beside a mass at its own mean."""
    # About 0 with variance 1: values a > 0 > b with chances p and q, and 0 else; solve for skewness and kurtosis.
    # With a + b = s and a·b = -m: third moment s, fourth s² + m of chances p = 1/(a(a - b)), q = 1/(-b(a - b)).
    s, m = skewness, kurtosis - skewness**2
    a, b = (s + np.sqrt(s**2 + 4 * m)) / 2, (s - np.sqrt(s**2 + 4 * m)) / 2
    p, q = 1 / (a * (a - b)), 1 / (-b * (a - b))
    counts = np.round(n * np.array([p, q])).astype(int)
    values = np.concatenate([np.full(counts[0], a), np.full(counts[1], b), np.zeros(n - counts.sum())])
    values = (values - values.mean()) / values.std(ddof=1)
    return values + ratio


def test_more_trials_make_the_same_returns_less_of_a_proof() -> None:
    returns = np.random.default_rng(6).normal(0.1, 1.0, 500)
    alone = deflated_sharpe(returns, trials=1, deviation=0.05)
    many = deflated_sharpe(returns, trials=50, deviation=0.05)
    assert alone is not None
    assert many is not None
    # Normal returns: nearly the one-sided t-test of the mean.
    assert alone == pytest.approx(stats.ttest_1samp(returns, 0, alternative="less").pvalue, abs=0.01)
    assert many < alone


@pytest.mark.parametrize("returns", [[], [0.1, 0.2], [0.1, 0.1, 0.1]])
def test_returns_that_say_nothing_have_none(returns: list[float]) -> None:
    assert deflated_sharpe(np.array(returns), trials=2, deviation=0.1) is None
