"""The network on series whose predictable part is known, and its graph against Keras."""

import logging
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from tickwire.model.export import lstm_graph
from tickwire.model.features import SCHEMA, WINDOW
from tickwire.model.network import FittedLstm, LstmEstimator, MissingTensorFlow
from tickwire.model.predictor import Predictor
from tickwire.model.rows import LabelledRows
from tickwire.model.schema import ModelDescription
from tickwire.model.scores import scores_of

SMALL = LstmEstimator(units=(16, 8), dense=8, epochs=4, learning_rate=1e-2, batch=128)
IMBALANCE = SCHEMA.names.index("imbalance")
LAGS = (0, 1, 3)


def series(n: int, *, strength: float, seed: int, masked: float = 0.0) -> LabelledRows:
    """Bars of independent standard normal features; the next one rises with a known probability.

    That is sigmoid(strength · s), where s is the mean of the imbalance of this bar, the one before and the one
    three before, times √3: standard normal, and a network that looks at the newest bar alone cannot know it.
    """
    random = np.random.default_rng(seed)
    bars = random.standard_normal((n + WINDOW, len(SCHEMA.names))).astype(np.float32)
    last = np.arange(WINDOW, n + WINDOW)
    known = sum(bars[last - lag, IMBALANCE].astype(np.float64) for lag in LAGS) / np.sqrt(len(LAGS))
    label = (random.uniform(size=n) < expit(strength * known)).astype(np.float64)
    # No model learns from what is masked after the labels were drawn.
    bars[random.uniform(size=bars.shape) < masked] = np.nan
    return LabelledRows(
        start=900_000_000_000 * np.arange(n, dtype=np.int64),
        label=label,
        move=0.001 * (2 * label - 1),
        instrument=np.zeros(n, np.int64),
        last=last.astype(np.int64),
        bars=bars,
        instruments=("made:UP-USD",),
    )


def parts(rows: LabelledRows) -> tuple[LabelledRows, LabelledRows, LabelledRows]:
    """60 % to learn from, 20 % to validate on, 20 % to judge on."""
    cuts = np.array([0.6, 0.8]) * len(rows)
    return tuple(rows.take(part) for part in np.split(np.arange(len(rows)), cuts.astype(int)))  # type: ignore[return-value]


def bayes_accuracy(strength: float) -> float:
    """Who knows s is right with probability sigmoid(strength · |s|), s standard normal: by quadrature."""
    s = np.linspace(-8, 8, 20_001)
    return float(np.trapezoid(expit(strength * np.abs(s)) * norm.pdf(s), s))


def edge_found(estimator: LstmEstimator, *, n: int, strength: float) -> float:
    learn, validate, judge = parts(series(n, strength=strength, seed=1))
    accuracy = scores_of(estimator.fit(learn, validate).predict(judge), judge.label).accuracy
    return (accuracy - 0.5) / (bayes_accuracy(strength) - 0.5)


def test_bayes_accuracy_is_that_of_who_knows_the_construction() -> None:
    rows = series(100_000, strength=2.0, seed=5)
    known = sum(rows.bars[rows.last - lag, IMBALANCE] for lag in LAGS)
    assert ((known > 0) == (rows.label == 1)).mean() == pytest.approx(bayes_accuracy(2.0), abs=0.004)


def test_a_small_network_finds_most_of_what_can_be_known() -> None:
    assert edge_found(SMALL, n=8_000, strength=2.0) > 0.75


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_the_network_of_full_size_finds_most_of_what_can_be_known() -> None:
    assert edge_found(LstmEstimator(epochs=6), n=12_000, strength=1.5) > 0.8


@pytest.fixture(scope="module")
def walk() -> tuple[FittedLstm, LabelledRows]:
    """A network that learnt from labels of coins, half of its numbers masked, and rows to judge on."""
    learn, validate, judge = parts(series(6_000, strength=0.0, seed=3, masked=0.5))
    return replace(SMALL, epochs=2).fit(learn, validate), judge


def test_where_nothing_can_be_known_nothing_is_claimed(walk: tuple[FittedLstm, LabelledRows]) -> None:
    model, judge = walk
    probability = model.predict(judge)
    # 1,200 coins: a standard error of 1.4 %.
    assert abs(scores_of(probability, judge.label).accuracy - 0.5) < 0.045
    assert np.abs(probability - 0.5).max() < 0.1


def test_the_graph_answers_as_keras_does_also_where_all_is_masked(walk: tuple[FittedLstm, LabelledRows]) -> None:
    model, judge = walk
    judge.bars[judge.last[0] - WINDOW + 1 : judge.last[0] + 1] = np.nan
    exported = Predictor(model.graph(), ModelDescription("lstm", "1", SCHEMA, SCHEMA.digest))
    answers = exported.predict(judge.windows())
    np.testing.assert_allclose(answers, model.predict(judge), atol=1e-6)
    assert np.isfinite(answers).all()
    # One row at a time, as it is served.
    assert exported.predict(judge.windows()[:1]) == pytest.approx(answers[:1], abs=1e-6)


def test_the_calibration_is_in_the_graph(walk: tuple[FittedLstm, LabelledRows]) -> None:
    model, judge = walk
    turned = replace(model, calibration=replace(model.calibration, slope=3.0, intercept=0.7))
    exported = Predictor(turned.graph(), ModelDescription("lstm", "1", SCHEMA, SCHEMA.digest))
    np.testing.assert_allclose(exported.predict(judge.windows()), turned.predict(judge), atol=1e-6)
    assert np.abs(turned.predict(judge) - model.predict(judge)).max() > 0.1


def test_the_same_rows_and_seed_give_the_same_model_and_another_seed_another() -> None:
    learn, validate, _ = parts(series(500, strength=2.0, seed=4))
    once = replace(SMALL, epochs=1)
    graphs = [estimator.fit(learn, validate).graph() for estimator in (once, once, replace(once, seed=2))]
    assert graphs[0] == graphs[1]
    assert graphs[0] != graphs[2]


def test_learning_ends_when_later_rows_gain_nothing_and_the_best_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    learn, validate, _ = parts(series(1_000, strength=0.0, seed=9))
    caplog.set_level(logging.INFO, "tickwire.model")
    model = replace(SMALL, epochs=40, patience=2, learning_rate=0.02).fit(learn, validate)
    told = [record.args for record in caplog.records if "of later rows" in record.message]
    losses = [arguments[4] for arguments in told]  # type: ignore[index]
    assert len(losses) == model.epochs + 2 < 40
    assert model.epochs == np.argmin(losses) + 1
    assert model.history["val_loss"] == min(losses)
    raw = model.logit.predict(validate.windows(), verbose=0)[:, 0].astype(np.float64)
    assert scores_of(expit(raw), validate.label).log_loss == pytest.approx(min(losses), abs=1e-5)


def test_a_stride_takes_other_rows_in_each_epoch() -> None:
    from tickwire.model.network import _batches, load_keras

    rows = series(100, strength=0.0, seed=1)
    batches = _batches(rows, load_keras(), batch=8, stride=3)
    seen = []
    for _ in range(3):
        seen.append(np.concatenate([batches[number][0][:, -len(SCHEMA.names)] for number in range(len(batches))]))
        batches.on_epoch_end()
    assert [len(part) for part in seen] == [34, 33, 33]
    assert sorted(np.concatenate(seen)) == sorted(rows.newest()[:, 0])


def test_without_tensorflow_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    rows = series(10, strength=0.0, seed=1)
    with pytest.raises(MissingTensorFlow, match=r"pip install 'tickwire\[train\]'"):
        SMALL.fit(rows, rows)


def test_weights_of_another_network_make_no_graph(walk: tuple[FittedLstm, LabelledRows]) -> None:
    model, _ = walk
    with pytest.raises(ValueError, match="9 arrays"):
        lstm_graph(model.weights()[1:], model.calibration, schema=SCHEMA)
