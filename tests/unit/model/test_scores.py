"""Scores worked by hand, and splits that never look ahead."""

from math import log, sqrt

import numpy as np
import pytest

from tests.unit.model.markets import INTERVAL
from tickwire.lake import DAY_NANOSECONDS
from tickwire.model.rows import PURGE
from tickwire.model.scores import advantage_of, scores_of
from tickwire.model.splits import walk_forward


def test_scores_are_what_they_are_by_hand() -> None:
    scores = scores_of(np.array([0.8, 0.4, 0.5]), np.array([1.0, 1.0, 0.0]))
    assert scores.rows == 3
    assert scores.log_loss == pytest.approx(-(log(0.8) + log(0.4) + log(0.5)) / 3)
    assert scores.brier == pytest.approx((0.2**2 + 0.6**2 + 0.5**2) / 3)
    assert scores.accuracy == pytest.approx((1 + 0 + 0.5) / 3)


def test_one_wrong_certainty_does_not_make_the_loss_infinite() -> None:
    assert scores_of(np.array([1.0]), np.array([0.0])).log_loss == pytest.approx(-log(1e-7))


def test_an_advantage_counts_days_and_not_rows() -> None:
    start = np.array([0, 1, 2, DAY_NANOSECONDS, 2 * DAY_NANOSECONDS])
    label = np.ones(5)
    first = np.exp(-np.array([0.1, 0.1, 0.1, 0.3, 0.2]))
    second = np.exp(-np.array([0.2, 0.2, 0.2, 0.3, 0.4]))
    advantage = advantage_of(first, second, label=label, start=start)
    # Days: 0.1, 0.0, 0.2.
    assert advantage.days == 3
    assert advantage.mean == pytest.approx(0.1)
    assert advantage.error == pytest.approx(0.1 / sqrt(3))
    assert advantage.z == pytest.approx(sqrt(3))


def test_a_model_has_no_advantage_over_itself() -> None:
    probability = np.array([0.4, 0.6])
    start = np.array([0, DAY_NANOSECONDS])
    advantage = advantage_of(probability, probability, label=np.ones(2), start=start)
    assert (advantage.mean, advantage.z) == (0.0, 0.0)


def test_each_fold_learns_from_before_and_sees_no_bar_of_the_later_side() -> None:
    start = np.arange(2000) * INTERVAL
    tried: list[int] = []
    for learn, judge in walk_forward(start, folds=5, purge=PURGE):
        # What a row is made of begins 15 bars before it; what it predicts ends one bar after it.
        last_seen = start[learn].max() + INTERVAL
        first_seen = start[judge].min() - 15 * INTERVAL
        assert last_seen < first_seen
        tried += judge.tolist()
    assert tried == sorted(set(tried))
    assert tried[-1] == 1999
    assert tried[0] == pytest.approx(2000 / 6, abs=1)


def test_a_fold_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="fold 1 of 5 has 0 rows to learn from"):
        list(walk_forward(np.arange(40) * INTERVAL, folds=5, purge=PURGE))
