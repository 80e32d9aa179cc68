"""Scores worked by hand and held against scikit-learn's."""

from math import log, sqrt

import numpy as np
import pytest
from sklearn import metrics

from tickwire.lake import DAY_NANOSECONDS
from tickwire.model.scores import advantage_of, estimates_of, improvement, log_losses, mean_estimate, said, scores_of


def forecasts(n: int = 3_000, *, days: int = 40, skill: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities rounded to two digits, so that many are equal; labels; starts."""
    random = np.random.default_rng(5)
    label = (random.uniform(size=n) < 0.45).astype(float)
    probability = np.round(np.clip(0.45 + skill * (label - 0.45) + 0.1 * random.standard_normal(n), 0.01, 0.99), 2)
    return probability, label, np.sort(random.integers(0, days * DAY_NANOSECONDS, n))


def test_scores_are_what_they_are_by_hand() -> None:
    scores = scores_of(np.array([0.8, 0.4, 0.5]), np.array([1.0, 1.0, 0.0]))
    assert scores.rows == 3
    assert scores.log_loss == pytest.approx(-(log(0.8) + log(0.4) + log(0.5)) / 3)
    assert scores.brier == pytest.approx((0.2**2 + 0.6**2 + 0.5**2) / 3)
    assert scores.accuracy == pytest.approx((1 + 0 + 0.5) / 3)
    assert scores.balanced_accuracy == pytest.approx((1 / 2 + 0.5) / 2)
    assert scores.auc == pytest.approx(1 / 2)
    assert scores.precision == pytest.approx(1 / 1.5)
    assert scores.recall == pytest.approx(1 / 2)


def test_scores_are_those_of_scikit_learn() -> None:
    probability, label, _ = forecasts()
    # A model that never says one half, so that both sides mean the same.
    probability[probability == 0.5] = 0.51
    up = probability > 0.5
    scores = scores_of(probability, label)
    assert scores.log_loss == pytest.approx(metrics.log_loss(label, probability))
    assert scores.brier == pytest.approx(metrics.brier_score_loss(label, probability))
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(label, up))
    assert scores.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(label, up))
    assert scores.auc == pytest.approx(metrics.roc_auc_score(label, probability))
    assert scores.precision == pytest.approx(metrics.precision_score(label, up))
    assert scores.recall == pytest.approx(metrics.recall_score(label, up))
    assert scores.mcc == pytest.approx(metrics.matthews_corrcoef(label, up))


def test_the_calibration_error_is_the_distance_in_each_tenth_of_the_rows() -> None:
    # Ten bins of 100 rows; in the first two a tenth more rise than was said, in the others as many as said.
    probability = np.repeat(np.arange(1, 11) / 20, 100)
    label = np.concatenate([np.arange(100) < round(100 * p) for p in probability[::100]]).astype(float)
    assert scores_of(probability, label).ece == pytest.approx(0.0, abs=1e-12)
    label[np.flatnonzero(label[:100] == 0)[:10]] = 1.0
    label[100 + np.flatnonzero(label[100:200] == 0)[:10]] = 1.0
    assert scores_of(probability, label).ece == pytest.approx(2 * 0.1 / 10)


def test_one_wrong_certainty_does_not_make_the_loss_infinite() -> None:
    assert scores_of(np.array([1.0]), np.array([0.0])).log_loss == pytest.approx(-log(1e-7))


def test_what_has_no_row_on_a_side_is_not_defined() -> None:
    scores = scores_of(np.array([0.4, 0.3]), np.array([1.0, 1.0]))
    assert (scores.auc, scores.balanced_accuracy, scores.precision) == (None, None, None)
    assert (scores.accuracy, scores.recall, scores.mcc) == (0.0, 0.0, 0.0)


def test_the_figures_between_bounds_are_the_scores_and_the_bounds_are_those_of_days_drawn_again() -> None:
    probability, label, start = forecasts()
    estimates, scores = estimates_of(probability, label, start=start), scores_of(probability, label)
    day = start // DAY_NANOSECONDS
    random, drawn = np.random.default_rng(1), {"auc": [], "mcc": [], "log_loss": []}
    for _ in range(200):
        rows = np.concatenate([np.flatnonzero(day == one) for one in random.integers(0, 40, 40)])
        drawn["auc"].append(metrics.roc_auc_score(label[rows], probability[rows]))
        drawn["mcc"].append(metrics.matthews_corrcoef(label[rows], probability[rows] > 0.5))
        drawn["log_loss"].append(metrics.log_loss(label[rows], probability[rows]))
    for name, values in drawn.items():
        found = estimates[name]
        assert found.value == pytest.approx(getattr(scores, name))
        low, high = np.quantile(values, [0.025, 0.975])
        assert found.low == pytest.approx(low, abs=0.15 * (high - low))
        assert found.high == pytest.approx(high, abs=0.15 * (high - low))


def test_rows_of_one_day_are_no_independent_observations() -> None:
    random = np.random.default_rng(3)
    right = np.repeat(random.uniform(size=50) < 0.5, 100).astype(float)
    start = np.repeat(np.arange(50), 100) * DAY_NANOSECONDS
    bounds = mean_estimate(right, start=start)
    error = sqrt(right[::100].mean() * (1 - right[::100].mean()) / 50)
    assert bounds.high is not None
    assert bounds.low is not None
    assert bounds.high - bounds.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_an_improvement_is_the_ratio_of_right_sides_in_percent() -> None:
    label = np.array([1.0, 1.0, 0.0, 0.0])
    first, second = np.array([1.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.5, 0.5, 1.0])
    found = improvement(first, second, label=label, start=np.zeros(4, np.int64))
    assert found.value == pytest.approx(100 * (3 / 2 - 1))


def test_a_model_has_no_improvement_over_itself() -> None:
    probability, label, start = forecasts()
    found = improvement(said(probability), said(probability), label=label, start=start)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_an_advantage_counts_days_by_their_rows() -> None:
    start = np.array([0, 1, 2, DAY_NANOSECONDS, 2 * DAY_NANOSECONDS])
    label = np.ones(5)
    first = np.exp(-np.array([0.1, 0.1, 0.1, 0.3, 0.2]))
    second = np.exp(-np.array([0.2, 0.2, 0.2, 0.3, 0.4]))
    advantage = advantage_of(first, second, label=label, start=start)
    # Days: 0.3 in 3 rows, 0.0 in 1, 0.2 in 1; with a mean of 0.1 their distances from it are 0.0, -0.1 and 0.1.
    assert advantage.days == 3
    assert advantage.mean == pytest.approx(0.1)
    assert advantage.error == pytest.approx(sqrt(0.02 * 3 / 2) / 5)
    assert advantage.z == pytest.approx(0.1 / (sqrt(0.03) / 5))


def test_an_advantages_error_is_that_of_days_drawn_again() -> None:
    probability, label, start = forecasts()
    base = np.full(len(label), 0.45)
    advantage = advantage_of(probability, base, label=label, start=start)
    bounds = mean_estimate(log_losses(base, label) - log_losses(probability, label), start=start)
    assert advantage.mean == pytest.approx(bounds.value)
    assert bounds.high is not None
    assert bounds.low is not None
    assert bounds.high - bounds.low == pytest.approx(2 * 1.96 * advantage.error, rel=0.08)


def test_a_model_has_no_advantage_over_itself() -> None:
    probability = np.array([0.4, 0.6])
    start = np.array([0, DAY_NANOSECONDS])
    advantage = advantage_of(probability, probability, label=np.ones(2), start=start)
    assert (advantage.mean, advantage.z) == (0.0, 0.0)
