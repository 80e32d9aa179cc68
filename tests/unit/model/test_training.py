"""Training and evaluation by SageMaker's contracts for their containers."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tests.unit.model.markets import END, INTERVAL, market, split, written
from tickwire.model import evaluation, training
from tickwire.model.archive import pack
from tickwire.model.bars import BarColumns
from tickwire.model.base_rate import base_rate_archive
from tickwire.model.evaluation import Evaluation, EvaluationFailed, evaluate
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
from tickwire.model.rows import labelled_rows
from tickwire.model.schema import FeatureSchema, ModelDescription, TrainedSpan
from tickwire.model.training import Hyperparameters, TrainingFailed, train


def job(root: Path, bars: pa.Table, **parameters: str) -> Path:
    written(bars, root / "input/data/train")
    (root / "input/config").mkdir()
    (root / "input/config/hyperparameters.json").write_text(json.dumps({"version": "run-1", **parameters}))
    return root


def test_a_training_job_leaves_a_model_that_can_be_served(tmp_path: Path) -> None:
    bars = market(40, skill=0.5, seed=7)
    assert training.run(job(tmp_path, bars, ridge="0.5", folds="4")) == 0
    model = Predictor.load(tmp_path / "model", expected=SCHEMA)
    assert (model.description.name, model.description.version) == ("logistic-regression", "run-1")
    trained = model.description.trained
    assert trained is not None
    assert END - 40 * 96 * INTERVAL < trained.first < trained.last == END - 2 * INTERVAL
    assert not (tmp_path / "output/failure").exists()


def test_skill_that_is_there_is_found_and_stated_beside_the_base_rate(trained: Any) -> None:
    _, description = trained
    assert description.metrics["log_loss"] < description.metrics["base_rate_log_loss"] - 0.01
    assert description.metrics["accuracy"] > description.metrics["base_rate_accuracy"] + 0.05


def test_skill_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    from tickwire.model.bars import read_bars

    bars = read_bars(written(market(60, skill=0.0, seed=11), tmp_path / "bars"))
    _, description = train(labelled_rows(bars), Hyperparameters(version="test"))
    assert description.metrics["log_loss"] > description.metrics["base_rate_log_loss"] - 0.001
    assert abs(description.metrics["accuracy"] - 0.5) < 0.03


def test_a_column_that_looks_ahead_would_show_in_the_metrics(parts: dict[str, list[BarColumns]]) -> None:
    rows = labelled_rows(parts["train"])
    leaking = rows.features.copy()
    leaking[:, 0] += 0.3 * (2 * rows.label - 1)
    _, honest = train(rows, Hyperparameters(version="test"))
    _, told = train(type(rows)(rows.start, leaking, rows.label), Hyperparameters(version="test"))
    assert told.metrics["accuracy"] > honest.metrics["accuracy"] + 0.02


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [({"ridge": "-1"}, "ValidationError"), ({"depth": "3"}, "unknown field `depth`"), ({"version": ""}, "version")],
)
def test_a_wrong_hyperparameter_fails_the_job_with_the_reason(
    tmp_path: Path, parameters: dict[str, str], reason: str
) -> None:
    assert training.run(job(tmp_path, market(1, skill=0, seed=1), **parameters)) == 1
    assert reason in (tmp_path / "output/failure").read_text()
    assert not (tmp_path / "model").exists()


def test_too_little_to_learn_from_fails_the_job(tmp_path: Path) -> None:
    assert training.run(job(tmp_path, market(5, skill=0, seed=1))) == 1
    assert (tmp_path / "output/failure").read_text() == (
        "TrainingFailed: 464 rows to learn from, and at least 1000 are needed"
    )


def test_no_dataset_fails_the_job(tmp_path: Path) -> None:
    (tmp_path / "input/config").mkdir(parents=True)
    (tmp_path / "input/config/hyperparameters.json").write_text('{"version": "run-1"}')
    assert training.run(tmp_path) == 1
    assert "holds no bars" in (tmp_path / "output/failure").read_text()


def test_a_graph_that_is_not_the_model_is_not_given_out(
    parts: dict[str, list[BarColumns]], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = training.logistic_graph

    def skewed(weights: list[float], bias: float, *, schema: FeatureSchema) -> bytes:
        return honest(weights, bias + 1e-4, schema=schema)

    monkeypatch.setattr(training, "logistic_graph", skewed)
    with pytest.raises(TrainingFailed, match="the exported graph deviates"):
        train(labelled_rows(parts["train"]), Hyperparameters(version="test"))


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
    assert report.first == END - 20 * 96 * INTERVAL + 15 * INTERVAL
    assert report.last == END - 2 * INTERVAL
    assert report.champion is not None
    assert report.champion.name == "base-rate"
    assert report.champion.scores.log_loss == pytest.approx(np.log(2))
    assert report.over_champion is not None
    assert report.over_champion.days == 20
    assert report.over_champion.z > 5
    assert report.candidate.scores.log_loss == pytest.approx(
        report.champion.scores.log_loss - report.over_champion.mean, abs=1e-3
    )


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
    with pytest.raises(EvaluationFailed, match="0 rows in the holdout"):
        evaluate(parts["train"], [], candidate=Predictor(graph, description), champion=None)


def test_a_description_is_read_back_as_it_was_written(trained: Any) -> None:
    _, description = trained
    assert msgspec.json.decode(msgspec.json.encode(description), type=ModelDescription) == description
