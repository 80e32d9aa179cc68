"""What an evaluation tells beside the champion: bounds, and baselines that learnt from the same days."""

from typing import Any

import pytest

from tickwire.model.bars import BarColumns
from tickwire.model.baselines.rule import plain_side
from tickwire.model.evaluation import evaluate
from tickwire.model.predictor import Predictor
from tickwire.model.rows import labelled_rows


def test_a_candidate_stands_beside_the_rule_and_a_regression(parts: dict[str, list[BarColumns]], trained: Any) -> None:
    report = evaluate(parts["train"], parts["holdout"], candidate=Predictor(*trained), champion=None)
    rule, logistic = report.rivals
    assert (rule.name, logistic.name) == ("rule", "logistic")
    assert rule.scores.rows == logistic.scores.rows == report.candidate.scores.rows
    # The market leans towards what was bought in the bar before: the rule does not look at that, a regression does.
    assert rule.advantage.z > 3
    assert abs(logistic.advantage.mean) < 0.2 * rule.advantage.mean


def test_its_scores_are_told_with_bounds(parts: dict[str, list[BarColumns]], trained: Any) -> None:
    report = evaluate(parts["train"], parts["holdout"], candidate=Predictor(*trained), champion=None)
    accuracy = report.estimates["accuracy"]
    assert accuracy.value == pytest.approx(report.candidate.scores.accuracy)
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low < report.candidate.scores.accuracy < accuracy.high
    rows = labelled_rows(parts["holdout"])
    plain = float((plain_side(rows) == rows.label)[plain_side(rows) != 0.5].mean())
    assert report.over_rule is not None
    assert report.over_rule.value == pytest.approx(100 * (report.candidate.scores.accuracy / plain - 1), abs=5)


def test_too_few_rows_before_the_holdout_leave_the_baselines_out(
    parts: dict[str, list[BarColumns]], trained: Any
) -> None:
    first = int(parts["train"][0].start[-200])
    few = [bars.between(first, int(bars.start[-1]) + 1) for bars in parts["train"]]
    report = evaluate(few, parts["holdout"], candidate=Predictor(*trained), champion=None)
    assert report.rivals == ()
