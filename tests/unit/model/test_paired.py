"""The sequential comparison of two models: its errors under continuous looking, its power, its arithmetic."""

import numpy as np
import pytest

from tickwire.model.paired import ALPHA, BLOCK_NS, BOUND, Comparison, block_advantages, compare, wealth

RUNS, HOURS = 1_000, 24 * 60


def _first_verdicts(mean: float, deviation: float) -> tuple[float, float]:
    """Give the shares of runs that ever say better and ever say worse, looking after every hour."""
    generator = np.random.default_rng(7)
    hours = np.clip(generator.normal(mean, deviation, (RUNS, HOURS)), -BOUND, BOUND)
    limit = 2 / ALPHA
    return float((wealth(hours).max(-1) >= limit).mean()), float((wealth(-hours).max(-1) >= limit).mean())


@pytest.mark.parametrize("deviation", [0.02, 0.1, 0.3])
def test_equal_models_are_told_apart_no_more_often_than_alpha_although_every_hour_is_looked_at(
    deviation: float,
) -> None:
    better, worse = _first_verdicts(0.0, deviation)

    assert better + worse <= ALPHA


def test_the_rarely_losing_gamble_of_equal_models_is_not_called_better() -> None:
    generator = np.random.default_rng(8)
    hours = np.where(generator.random((RUNS, HOURS)) < 0.05, -BOUND, BOUND * 0.05 / 0.95)

    assert (wealth(hours).max(-1) >= 2 / ALPHA).mean() <= ALPHA / 2


def test_an_advantage_of_a_fifth_of_the_hours_deviation_is_found_in_two_months() -> None:
    better, worse = _first_verdicts(0.01, 0.05)

    assert better >= 0.95
    assert worse <= ALPHA / 2


def test_the_wealth_is_the_mean_of_the_bets_products() -> None:
    # One hour won by the whole bound, then one lost: (1 + b)(1 - b) for the bets 0.05, 0.1, 0.2, 0.4, 0.8.
    assert wealth(np.array([BOUND, -BOUND])) == pytest.approx([1.31, 1 - 0.8525 / 5])


def test_an_hour_is_one_block_whatever_its_number_of_rows() -> None:
    closed = np.array([0, 1, BLOCK_NS]) + 5 * BLOCK_NS
    champion, challenger = np.array([0.5, 0.5, 0.5]), np.array([0.6, 0.6, 0.1])

    advantages = block_advantages(champion, challenger, np.array([1.0, 0.0, 1.0]), closed)

    # ln(0.6 / 0.5) and ln(0.4 / 0.5) in one hour; 0.1 is judged as 0.4 in the next.
    assert advantages == pytest.approx([(0.1823216 - 0.2231436) / 2, -0.2231436], abs=1e-6)


def test_the_first_verdict_stands_although_the_wealth_falls_again() -> None:
    turned = compare(np.concatenate([np.full(40, BOUND / 2), np.full(200, -BOUND / 2)]))

    assert turned.comparison is Comparison.BETTER


def test_a_challenger_that_loses_steadily_is_worse() -> None:
    assert compare(np.full(40, -BOUND / 2)).comparison is Comparison.WORSE


def test_without_rows_nothing_is_decided() -> None:
    assert compare(np.array([])).comparison is Comparison.UNDECIDED


def test_what_is_no_probability_is_refused() -> None:
    one = np.array([0.5])
    with pytest.raises(ValueError, match="not a number from 0 to 1"):
        block_advantages(one, np.array([np.nan]), one, np.array([0]))


def test_a_difference_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="clip the probabilities"):
        wealth(np.array([2 * BOUND]))
