"""The comparison of two archives on captured rows, from files to the report."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.unit.model.markets import BARS_A_DAY, END, INTERVAL, bars_of, captured, market, written
from tickwire.model.base_rate import base_rate_archive
from tickwire.model.features import SCHEMA
from tickwire.model.paired import Comparison
from tickwire.model.paired_job import PairedReport, run, score
from tickwire.model.predictor import Predictor
from tickwire.model.schema import ModelDescription, TrainedSpan

BARS = market(12, skill=0.5, seed=3)
SINCE = END - 8 * BARS_A_DAY * INTERVAL


class Constant(Predictor):
    """Answers the same to every row."""

    def __init__(self, probability: float, trained: TrainedSpan | None = None, version: str = "1") -> None:
        self.description = ModelDescription("constant", version, SCHEMA, SCHEMA.digest, trained)
        self.reference = None
        self.probability = probability

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), self.probability, np.float32)


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    folder = tmp_path / "captures"
    folder.mkdir()
    (folder / "1.jsonl").write_bytes(captured(BARS, since=SINCE))
    return folder


def outcomes(first: int, last: int) -> np.ndarray:
    """Whether each bar's successor closes higher, of the bars that start in [first, last)."""
    close, start = BARS["close"].to_numpy(), BARS["start"].to_numpy()
    rises = np.append(close[1:] > close[:-1], False)
    return rises[(start >= first) & (start < last)]


def test_the_advantage_is_that_of_the_hours_worked_by_hand(captures: Path) -> None:
    report = score(captures, [bars_of(BARS)], champion=Constant(0.5), challenger=Constant(0.55, version="2"))
    # Outcomes from the second interval after SINCE on, to the last whole hour.
    rises = outcomes(SINCE, END - 2 * INTERVAL)
    ends = SINCE + INTERVAL * (np.arange(len(rises)) + 2)
    difference = np.log(np.where(rises, 0.55, 0.45) / 0.5)
    hours = [difference[ends // (4 * INTERVAL) == hour].mean() for hour in np.unique(ends // (4 * INTERVAL))]
    assert report.score is not None
    assert report.rows == len(rises)
    assert report.score.blocks == len(hours)
    assert report.score.advantage == pytest.approx(np.mean(hours), abs=1e-7)
    assert (report.champion, report.challenger) == ("1", "2")
    assert (report.first, report.last) == (SINCE + INTERVAL, END - 2 * INTERVAL)
    assert (report.damaged, report.nameless, report.unlabelled) == (0, 0, 0)


def test_rows_that_share_bars_with_what_either_has_learnt_from_are_left_out(captures: Path) -> None:
    learnt = TrainedSpan(0, SINCE + INTERVAL)
    for champion, challenger in ((Constant(0.5), Constant(0.6, learnt)), (Constant(0.5, learnt), Constant(0.6))):
        report = score(captures, [bars_of(BARS)], champion=champion, challenger=challenger)
        # The 60 bars of a window, the 36 before that its features look back on, and the one that is predicted.
        assert report.first > learnt.last + 96 * INTERVAL
        assert report.rows > 500


def test_a_row_whose_next_bar_is_missing_has_no_outcome(captures: Path) -> None:
    gap = len(BARS) - 4 * BARS_A_DAY
    kept = np.delete(np.arange(len(BARS)), gap)
    report = score(captures, [bars_of(BARS.take(kept))], champion=Constant(0.5), challenger=Constant(0.6))
    # The row before the gap, and that whose own bar is missing.
    assert report.unlabelled == 2


def test_without_captures_nothing_is_decided(tmp_path: Path) -> None:
    report = score(tmp_path, [bars_of(BARS)], champion=Constant(0.5), challenger=Constant(0.6))
    assert report.score is not None
    assert (report.score.comparison, report.rows) == (Comparison.UNDECIDED, 0)


def test_a_champion_for_other_rows_is_told_and_not_compared(captures: Path) -> None:
    assert score(captures, [bars_of(BARS)], champion=None, challenger=Constant(0.6)).score is None


@pytest.fixture
def root(tmp_path: Path, captures: Path) -> Path:
    inputs = tmp_path / "ml/processing/input"
    written(BARS, inputs / "bars")
    captures.rename(inputs / "captures")
    for name in ("champion", "candidate"):
        (inputs / name).mkdir()
        (inputs / name / "model.tar.gz").write_bytes(base_rate_archive(SCHEMA))
    return tmp_path / "ml"


def test_the_job_writes_its_report(root: Path) -> None:
    assert run(root) == 0
    report = msgspec.json.decode((root / "processing/output/score.json").read_bytes(), type=PairedReport)
    assert report.rows > 700
    assert report.score is not None
    # The model compared with itself.
    assert (report.score.advantage, report.score.comparison) == (0.0, Comparison.UNDECIDED)


def test_a_champion_that_was_lost_fails_the_job(root: Path) -> None:
    (root / "processing/input/champion/model.tar.gz").unlink()
    assert run(root) == 1
    assert "is missing" in (root / "output/message").read_text()
