"""Training and evaluation by SageMaker's contracts for their containers."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace as replaced

from tests.unit.model.markets import END, INTERVAL, market, split, written
from tickwire.model import evaluation, newest_bar, training
from tickwire.model.archive import pack
from tickwire.model.bars import BarColumns, read_bars
from tickwire.model.base_rate import base_rate_archive
from tickwire.model.evaluation import Evaluation, EvaluationFailed, evaluate
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
from tickwire.model.reference import REFERENCE_FILE, read_reference
from tickwire.model.rows import labelled_rows
from tickwire.model.schema import FeatureSchema, ModelDescription, TrainedSpan
from tickwire.model.trained import TrainedModel
from tickwire.model.training import Hyperparameters, TrainingFailed, train

LOGISTIC = Hyperparameters(version="test", model="logistic")
TINY = {"units_1": "8", "units_2": "4", "dense": "4", "epochs": "1", "folds": "1"}


def job(root: Path, bars: pa.Table, **parameters: str) -> Path:
    written(bars, root / "input/data/train")
    (root / "input/config").mkdir()
    (root / "input/config/hyperparameters.json").write_text(json.dumps({"version": "run-1", **parameters}))
    return root


def trained_on(bars: list[BarColumns], parameters: Hyperparameters = LOGISTIC) -> TrainedModel:
    return train(labelled_rows(bars), parameters, bars=bars)


def test_a_training_job_leaves_a_network_that_can_be_served_with_its_card(tmp_path: Path) -> None:
    # As from a source that does not tell who the aggressor was.
    bars = market(14, skill=0.5, seed=7)
    bars = bars.set_column(bars.column_names.index("buy_volume"), "buy_volume", [[np.nan] * len(bars)])
    assert training.run(job(tmp_path, bars, **TINY)) == 0
    folder = tmp_path / "model"
    model = Predictor.load(folder, expected=SCHEMA)
    assert (model.description.name, model.description.version) == ("lstm", "run-1")
    trained = model.description.trained
    assert trained is not None
    assert END - 14 * 96 * INTERVAL < trained.first < trained.last == END - 2 * INTERVAL
    reference = read_reference((folder / REFERENCE_FILE).read_bytes(), schema=SCHEMA)
    assert 0 < reference.probability.quantiles[0] < reference.probability.quantiles[-1] < 1
    assert reference.features["imbalance"].absent == 1.0
    assert reference.background[SCHEMA.names.index("imbalance")] is None
    answers = model.predict(labelled_rows(read_bars(tmp_path / "input/data/train")).windows()[:100])
    assert ((answers > 0) & (answers < 1)).all()
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "model.json", "reference.json", "card.md", "reliability.svg", "roc.svg", "equity.svg",
    }  # fmt: skip
    assert "| model | logistic regression | base rate |" in (folder / "card.md").read_text()
    assert not (tmp_path / "output/failure").exists()


def test_a_training_job_may_ask_for_the_regression(tmp_path: Path) -> None:
    assert training.run(job(tmp_path, market(20, skill=0.5, seed=7), model="logistic", ridge="0.5", folds="4")) == 0
    assert Predictor.load(tmp_path / "model", expected=SCHEMA).description.name == "logistic-regression"


def test_skill_that_is_there_is_found_and_stated_beside_the_base_rate(trained: Any) -> None:
    _, description = trained
    assert description.metrics["log_loss"] < description.metrics["base_rate_log_loss"] - 0.01
    assert description.metrics["accuracy"] > description.metrics["base_rate_accuracy"] + 0.05
    assert description.metrics["advantage"] > 3 * description.metrics["advantage_error"]


def test_skill_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    description = trained_on(read_bars(written(market(60, skill=0.0, seed=11), tmp_path / "bars"))).description
    assert description.metrics["log_loss"] > description.metrics["base_rate_log_loss"] - 0.001
    assert abs(description.metrics["accuracy"] - 0.5) < 0.03


def test_a_column_that_looks_ahead_would_show_in_the_metrics(parts: dict[str, list[BarColumns]]) -> None:
    rows = labelled_rows(parts["train"])
    leaking = rows.bars.copy()
    leaking[rows.last, 0] += 0.3 * (2 * rows.label - 1)
    told = train(replace(rows, bars=leaking), LOGISTIC, bars=parts["train"]).description
    honest = trained_on(parts["train"]).description
    assert told.metrics["accuracy"] > honest.metrics["accuracy"] + 0.02


def test_what_is_left_untouched_is_not_learnt_from(parts: dict[str, list[BarColumns]]) -> None:
    parameters = replaced(LOGISTIC, untouched=0.25)
    whole = trained_on(parts["train"], parameters)
    rows = labelled_rows(parts["train"])
    first, last = rows.start.min(), rows.start.max()
    border = last - (last - first) // 4
    trained = whole.description.trained
    assert trained is not None
    # 97 bars are what a row is made of and what it predicts; a day more lets what lingers fade.
    assert border - (97 + 96 + 1) * INTERVAL <= trained.last < border - (97 + 96) * INTERVAL
    assert whole.description.metrics["untouched_rows"] == (rows.start >= border).sum()
    # Whatever happens there changes what is said of it, and not the model.
    changed = replace(rows, label=np.where(rows.start >= border, 1 - rows.label, rows.label))
    other = train(changed, parameters, bars=parts["train"])
    assert other.graph == whole.graph
    assert other.description.metrics["log_loss"] == whole.description.metrics["log_loss"]
    assert other.description.metrics["untouched_accuracy"] < 0.5 < whole.description.metrics["untouched_accuracy"]


def test_lineage_tells_the_rows_the_code_and_all_that_was_set(parts: dict[str, list[BarColumns]]) -> None:
    description = trained_on(parts["train"]).description
    again = trained_on(parts["train"]).description
    assert description == again
    lineage = description.lineage
    assert lineage is not None
    assert (lineage.instruments, lineage.seed) == (("kraken:BTC-USD",), 1)
    assert lineage.parameters == msgspec.to_builtins(LOGISTIC)
    (bars,) = parts["train"]
    price = bars.close.copy()
    price[500] *= 1.001
    other = trained_on([replace(bars, close=price)]).description.lineage
    assert other is not None
    assert other.dataset != lineage.dataset
    assert other.code == lineage.code


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"ridge": "-1"}, "ValidationError"),
        ({"depth": "3"}, "unknown field `depth`"),
        ({"version": ""}, "version"),
        ({"model": "oracle"}, "Invalid enum value 'oracle'"),
        ({"epochs": "0"}, "epochs"),
        ({"untouched": "0.9"}, "untouched"),
    ],
)
def test_a_wrong_hyperparameter_fails_the_job_with_the_reason(
    tmp_path: Path, parameters: dict[str, str], reason: str
) -> None:
    assert training.run(job(tmp_path, market(1, skill=0, seed=1), **parameters)) == 1
    assert reason in (tmp_path / "output/failure").read_text()
    assert not (tmp_path / "model").exists()


def test_too_little_to_learn_from_fails_the_job(tmp_path: Path) -> None:
    assert training.run(job(tmp_path, market(5, skill=0, seed=1))) == 1
    # Of 480 bars 36 have no features, 47 more lie in windows with too few, and the last has no label.
    assert (tmp_path / "output/failure").read_text() == (
        "TrainingFailed: 396 rows to learn from, and at least 1000 are needed"
    )


def test_more_folds_than_rows_can_bear_fail_with_the_numbers(parts: dict[str, list[BarColumns]]) -> None:
    few = [parts["train"][0].between(0, int(parts["train"][0].start[1_200]))]
    with pytest.raises(TrainingFailed, match="1116 rows for 20 folds: fold 1 of 20 has 0 rows to learn from"):
        trained_on(few, replaced(LOGISTIC, folds=20))


def test_no_dataset_fails_the_job(tmp_path: Path) -> None:
    (tmp_path / "input/config").mkdir(parents=True)
    (tmp_path / "input/config/hyperparameters.json").write_text('{"version": "run-1"}')
    assert training.run(tmp_path) == 1
    assert "holds no bars" in (tmp_path / "output/failure").read_text()


def test_a_graph_that_is_not_the_model_is_not_given_out(
    parts: dict[str, list[BarColumns]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = newest_bar.logistic_graph

    def skewed(weights: list[float], bias: float, *, schema: FeatureSchema) -> bytes:
        return honest(weights, bias + 1e-4, schema=schema)

    monkeypatch.setattr(newest_bar, "logistic_graph", skewed)
    with pytest.raises(TrainingFailed, match="the exported graph deviates"):
        trained_on(parts["train"])


def test_without_tensorflow_a_job_fails_with_a_sentence_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert training.run(job(tmp_path, market(20, skill=0, seed=1))) == 1
    assert (tmp_path / "output/failure").read_text() == (
        "MissingTensorFlow: the network needs Keras and TensorFlow: pip install 'tickwire[train]' (or make setup-dev)"
    )


# Evaluation


def inputs(root: Path, candidate: bytes, champion: bytes, bars: pa.Table) -> Path:
    folder = root / "processing/input"
    for name, table in split(bars, holdout_days=20).items():
        written(table, folder / name)
    for name, archive in (("candidate", candidate), ("champion", champion)):
        (folder / name).mkdir()
        (folder / name / "model.tar.gz").write_bytes(archive)
    return root


def test_an_evaluation_compares_the_candidate_with_the_champion_and_the_base_rate(tmp_path: Path, trained: Any) -> None:
    root = inputs(tmp_path, pack(*trained), base_rate_archive(SCHEMA), market(60, skill=0.5, seed=7))
    assert evaluation.run(root) == 0
    report = msgspec.json.decode((root / "processing/output/evaluation.json").read_bytes(), type=Evaluation)
    assert report.first == END - 20 * 96 * INTERVAL + 95 * INTERVAL
    assert report.last == END - 2 * INTERVAL
    assert report.champion is not None
    assert report.champion.name == "base-rate"
    assert report.champion.scores.log_loss == pytest.approx(np.log(2))
    assert report.over_champion is not None
    assert report.over_champion.days == 20
    assert report.over_champion.z > 2
    assert report.candidate.scores.log_loss < report.champion.scores.log_loss - 0.01


def test_a_champion_for_other_rows_is_left_out_and_told(
    tmp_path: Path, trained: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other = FeatureSchema(("a",), 1, 900)
    root = inputs(tmp_path, pack(*trained), base_rate_archive(other), market(60, skill=0.5, seed=7))
    assert evaluation.run(root) == 0
    report = msgspec.json.decode((root / "processing/output/evaluation.json").read_bytes(), type=Evaluation)
    assert (report.champion, report.over_champion) == (None, None)
    assert "the champion cannot be compared" in caplog.text


def test_a_candidate_that_cannot_be_loaded_fails_the_job_with_the_reason(tmp_path: Path) -> None:
    root = inputs(tmp_path, b"broken", base_rate_archive(SCHEMA), market(60, skill=0.5, seed=7))
    assert evaluation.run(root) == 1
    assert (root / "output/message").read_text().startswith("UnfitModel: model.tar.gz")


@pytest.mark.parametrize("later", [0, 16])
def test_a_candidate_that_has_seen_the_holdout_is_not_judged(
    parts: dict[str, list[BarColumns]], trained: Any, later: int
) -> None:
    graph, description = trained
    first = int(labelled_rows(parts["holdout"]).start.min())
    span = TrainedSpan(0, first - later * INTERVAL)
    candidate = Predictor(graph, msgspec.structs.replace(description, trained=span))
    with pytest.raises(EvaluationFailed, match="only from bars before the holdout"):
        evaluate(parts["train"], parts["holdout"], candidate=candidate, champion=None)


def test_a_candidate_that_does_not_say_what_it_learnt_from_is_not_judged(
    parts: dict[str, list[BarColumns]], seed: Predictor
) -> None:
    with pytest.raises(EvaluationFailed):
        evaluate(parts["train"], parts["holdout"], candidate=seed, champion=None)


def test_an_empty_holdout_is_not_judged(parts: dict[str, list[BarColumns]], trained: Any) -> None:
    graph, description = trained
    with pytest.raises(EvaluationFailed):
        evaluate(parts["train"], [], candidate=Predictor(graph, description), champion=None)


def test_a_description_is_read_back_as_it_was_written(trained: Any) -> None:
    _, description = trained
    assert msgspec.json.decode(msgspec.json.encode(description), type=ModelDescription) == description
