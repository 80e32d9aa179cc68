"""A comparison says of known models what is known of them, and marks what cannot be true."""

from math import log, sqrt

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from tests.unit.model.bar_columns import columns
from tests.unit.model.markets import BARS_A_DAY
from tickwire.forecast.trading_signals import Costs
from tickwire.model.baselines.rule import plain_side
from tickwire.model.comparison import Comparison, compare
from tickwire.model.economics import follow
from tickwire.model.out_of_sample import ComparisonFailed
from tickwire.model.report import bounds, moment, table, text_of
from tickwire.model.rows import labelled_rows
from tickwire.model.significance import Estimate, deflated_sharpe

COSTS = Costs()
RANDOM = np.random.default_rng(11)
CLOSE = 100 * np.exp(np.cumsum(0.002 * RANDOM.standard_normal(30 * BARS_A_DAY)))
BARS = [columns(close=list(CLOSE), high=list(1.001 * CLOSE), low=list(0.999 * CLOSE))]
ROWS = labelled_rows(BARS)


def knowing(share: float) -> np.ndarray:
    """Probabilities that are on the right side of ``share`` of the rows."""
    right = RANDOM.uniform(size=len(ROWS)) < share
    return np.where(right == (ROWS.label == 1), 0.55, 0.45)


@pytest.fixture(scope="module")
def report() -> Comparison:
    models = {"base-rate": np.full(len(ROWS), 0.5), "rule": knowing(0.5), "good": knowing(0.53), "seer": knowing(0.6)}
    return compare(ROWS, models, bars=BARS, folds=[], costs=COSTS)


def test_a_model_that_is_too_good_to_be_true_is_marked(report: Comparison) -> None:
    assert report.leaks == ("seer",)
    assert "| seer LEAK? |" in text_of(report)
    assert "LEAK? seer: an accuracy above 56%" in text_of(report)


def test_each_model_is_held_against_the_base_rate_and_the_plain_rule(report: Comparison) -> None:
    good = report.models[2]
    accuracy = good.scores["accuracy"].value
    assert accuracy == pytest.approx(0.53, abs=0.03)
    assert good.over_base_rate.value == pytest.approx(log(2) + accuracy * log(0.55) + (1 - accuracy) * log(0.45))
    side = plain_side(ROWS)
    half_right = float((1 - np.abs(side - ROWS.label)).mean())
    assert good.over_rule.value == pytest.approx(100 * (accuracy / half_right - 1))
    spoke = side != 0.5
    assert report.rule.says == pytest.approx(spoke.mean())
    assert report.rule.accuracy.value == pytest.approx(accuracy_score(ROWS.label[spoke], side[spoke]))


def test_each_model_is_held_against_each_other(report: Comparison) -> None:
    good, seer = report.models[2:]
    assert set(seer.over) == {"base-rate", "rule", "good"}
    assert seer.over["good"].mean == pytest.approx(-good.over["seer"].mean)
    assert seer.over["good"].mean == pytest.approx(seer.over_base_rate.value - good.over_base_rate.value)
    assert seer.over["good"].z > 2
    assert seer.z == seer.over["base-rate"].z


def test_a_model_without_advantage_has_bounds_about_zero(report: Comparison) -> None:
    nothing = report.models[1].over_base_rate
    assert nothing.low is not None
    assert nothing.high is not None
    assert nothing.low < 0
    assert report.models[1].z == pytest.approx(0, abs=2.5)


def test_the_base_rate_trades_nothing_and_the_others_by_both_rules(report: Comparison) -> None:
    assert (report.models[0].signals, report.models[0].always) == (None, None)
    good = report.models[2]
    assert good.signals is not None
    assert good.always is not None
    # A chance of 0.55 is worth 0.1 · 0.8 · 0.2 % = 1.6 bps, a round trip 20.
    assert good.signals.entries == 0
    assert good.always.exposure == pytest.approx(1.0, abs=0.01)


def test_sharpe_ratios_are_deflated_by_all_strategies_together(report: Comparison) -> None:
    # The plain rule, and two ways to follow each of three models.
    assert report.trials == 7
    every = [report.rule.always, *(one for model in report.models for one in (model.signals, model.always) if one)]
    ratios = [one.sharpe.value / sqrt(365) for one in every if one.sharpe.value is not None]
    assert len(ratios) == 4
    plain = follow(ROWS, 2 * plain_side(ROWS) - 1, cost=COSTS.side)
    expected = deflated_sharpe(plain.daily, trials=7, deviation=float(np.std(ratios, ddof=1)))
    assert report.rule.always.deflated == pytest.approx(expected)


def test_trials_before_deflate_more() -> None:
    models = {"base-rate": np.full(len(ROWS), 0.5), "good": knowing(0.53)}
    few, many = (compare(ROWS, models, bars=BARS, folds=[], costs=Costs(0, 0), trials=n) for n in (0, 1_000))
    assert (few.trials, many.trials) == (3, 1_000)
    assert few.models[1].always is not None
    assert many.models[1].always is not None
    assert many.models[1].always.deflated < few.models[1].always.deflated


def test_too_few_rows_are_not_judged() -> None:
    few = ROWS.take(np.arange(499))
    with pytest.raises(ComparisonFailed, match="499 rows to judge on, and at least 500"):
        compare(few, {"base-rate": np.full(499, 0.5)}, bars=BARS, folds=[], costs=COSTS)


def test_text_has_every_model_in_every_table(report: Comparison) -> None:
    text = text_of(report)
    assert text.count("\n| base-rate ") == 3
    assert text.count("\n| good") == 5
    assert "| buy and hold" in text
    assert f"{len(ROWS):,} rows of kraken:BTC-USD, bars from 1970-01-01 20:45Z to 1970-01-30 23:30Z" in text


def test_words_say_which_models_are_better_than_which(report: Comparison) -> None:
    assert "seer is better than base-rate, rule, good." in text_of(report)
    assert "rule is better than none; not shown to be better than base-rate, good, seer." in text_of(report)


def test_a_table_is_markdown_that_is_straight_on_a_terminal() -> None:
    assert table(["a", "value"], [["long name", "1"], ["b", "22"]]).splitlines() == [
        "| a         | value |",
        "| --------- | ----: |",
        "| long name |     1 |",
        "| b         |    22 |",
    ]


def test_figures_are_written_with_their_bounds() -> None:
    assert bounds(Estimate(0.5271, 0.5219, 0.532), 100, 2) == "52.71 [52.19, 53.20]"
    assert bounds(Estimate(0.5), 1, 1) == "0.5"
    assert bounds(Estimate(None), 1, 1) == "–"
    assert moment(0) == "1970-01-01 00:00Z"
