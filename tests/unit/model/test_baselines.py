"""Baselines: the rule by hand, the others on markets whose predictable part is known."""

import sys

import numpy as np
import pytest

from tests.unit.model.bar_columns import columns
from tests.unit.model.labelled import rows_of
from tickwire.model.baselines.base_rate import BaseRate
from tickwire.model.baselines.lightgbm import LightGBM, MissingLightGBM, tree_inputs
from tickwire.model.baselines.logistic import Logistic, lagged
from tickwire.model.baselines.rule import Rule, plain_side, votes
from tickwire.model.estimator import Estimator
from tickwire.model.rows import LabelledRows, labelled_rows
from tickwire.model.scores import advantage_of, log_losses

N = 6_000


def leaning(*, skill: float, seed: int) -> LabelledRows:
    """Rows that rise with a chance of ``1 / (1 + exp(-skill · x))``, x the imbalance of the bar before the newest."""
    random = np.random.default_rng(seed)
    imbalance = random.standard_normal(N)
    chance = 1 / (1 + np.exp(-skill * np.concatenate([[0.0], imbalance[:-1]])))
    moves = np.where(random.uniform(size=N) < chance, 1.0, -1.0) * random.exponential(0.001, N)
    votes = {name: random.standard_normal(N) for name in ("rsi_14", "macd", "bollinger")}
    return rows_of(moves, imbalance=imbalance, **votes)


def parts(rows: LabelledRows) -> tuple[LabelledRows, LabelledRows, LabelledRows]:
    places = np.arange(N)
    return rows.take(places < 3_000), rows.take((places >= 3_100) & (places < 4_000)), rows.take(places >= 4_100)


def test_the_base_rate_is_the_share_of_rising_rows() -> None:
    learn, validate = rows_of([1.0, 1.0, -1.0]), rows_of([-1.0, 1.0])
    assert BaseRate().fit(learn, validate).predict(rows_of([1.0, 1.0])).tolist() == [0.6, 0.6]


def test_the_votes_are_those_of_the_table() -> None:
    rows = rows_of(
        [1.0] * 6,
        # RSI of 30, 70, 29, 50, none, 50.
        rsi_14=[-0.4, 0.4, -0.42, 0.0, np.nan, 0.0],
        macd=[0.5, -0.5, -0.1, 0.2, np.nan, 0.0],
        bollinger=[-1.0, 1.0, -0.9, 1.2, 1.5, 0.0],
    )
    assert votes(rows).tolist() == [3, -3, 0, 0, -1, 0]
    assert plain_side(rows).tolist() == [1.0, 0.0, 0.5, 0.5, 0.0, 0.5]


def test_the_rules_probability_is_the_share_that_rose_drawn_to_that_of_all() -> None:
    # 600 rows with a vote up of which 200 rise, and 200 with none of which 200 rise: half of all.
    moves = [1.0] * 200 + [-1.0] * 400 + [1.0] * 200
    rows = rows_of(moves, macd=[1.0] * 600 + [0.0] * 200)
    fitted = Rule().fit(rows.take(np.arange(0, 800, 2)), rows.take(np.arange(1, 800, 2)))
    asked = rows_of([1.0, 1.0, 1.0], macd=[1.0, 0.0, -1.0])
    assert fitted.predict(asked) == pytest.approx([(200 + 100) / 800, (200 + 100) / 400, 0.5])


def test_lagged_bars_are_those_before_the_newest() -> None:
    rows = rows_of([1.0] * 5, return_1=[0.0, 1.0, 2.0, 3.0, 4.0])
    assert lagged(rows, 2)[4, [0, 16, 32]].tolist() == [4.0, 3.0, 2.0]
    assert np.isnan(lagged(rows, 2)[0, 16])


def test_trees_see_means_of_what_is_there_of_the_window() -> None:
    rows = rows_of([1.0] * 100, return_1=[np.nan if bar % 2 else float(bar) for bar in range(100)])
    inputs = tree_inputs(rows)
    assert inputs.shape == (100, 96)
    # The last row's window: even bars of 88 to 99, and of 40 to 99.
    assert inputs[99, 64] == pytest.approx(np.arange(88, 100, 2).mean())
    assert inputs[99, 80] == pytest.approx(np.arange(40, 100, 2).mean())
    assert np.isnan(inputs[:, 65]).all()


@pytest.mark.parametrize("estimator", [Logistic(), LightGBM(threads=1)], ids=lambda one: one.name)
def test_most_of_a_known_predictable_part_is_found(estimator: Estimator) -> None:
    skill = 1.0
    learn, validate, judge = parts(leaning(skill=skill, seed=1))
    imbalance = lagged(judge, 1)[:, 16 + 13]
    best = 1 / (1 + np.exp(-skill * imbalance))
    base = np.full(len(judge), 0.5)
    found = estimator.fit(learn, validate).predict(judge)
    lost, had = (float(log_losses(p, judge.label).mean()) for p in (found, best))
    nothing = float(log_losses(base, judge.label).mean())
    assert (nothing - lost) / (nothing - had) > 0.8


@pytest.mark.parametrize("estimator", [Rule(), Logistic(), LightGBM(threads=1)], ids=lambda one: one.name)
def test_nothing_is_found_where_there_is_nothing(estimator: Estimator) -> None:
    learn, validate, judge = parts(leaning(skill=0.0, seed=2))
    found = estimator.fit(learn, validate).predict(judge)
    base = BaseRate().fit(learn, validate).predict(judge)
    assert advantage_of(found, base, label=judge.label, start=judge.start).z < 2.5


@pytest.mark.parametrize("estimator", [BaseRate(), Rule(), Logistic(), LightGBM(threads=1)], ids=lambda one: one.name)
def test_the_same_rows_make_the_same_model(estimator: Estimator) -> None:
    learn, validate, judge = parts(leaning(skill=0.5, seed=3))
    first, second = (estimator.fit(learn, validate).predict(judge) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("estimator", [BaseRate(), Rule(), Logistic(), LightGBM(threads=1)], ids=lambda one: one.name)
def test_a_source_without_trades_and_takers_can_be_learnt_from(estimator: Estimator) -> None:
    random = np.random.default_rng(8)
    close = list(100 * np.exp(np.cumsum(0.001 * random.standard_normal(1_500))))
    absent = [np.nan] * 1_500
    high, low = [1.001 * price for price in close], [0.999 * price for price in close]
    rows = labelled_rows([columns(close=close, high=high, low=low, buy_volume=absent, notional=absent, trades=absent)])
    fitted = estimator.fit(rows.take(np.arange(900)), rows.take(np.arange(900, len(rows))))
    probability = fitted.predict(rows)
    assert ((probability > 0) & (probability < 1)).all()


def test_without_lightgbm_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    rows = rows_of([1.0, -1.0])
    with pytest.raises(MissingLightGBM, match=r"pip install 'tickwire\[train\]'"):
        LightGBM().fit(rows, rows)
