"""Judges a challenger and the champion on the rows that the endpoint was asked for: a SageMaker processing job.

Both models answer every captured row whose outcome is known by now, and which came after all that either has learnt
from. The challenger was fixed before the first of them, so the test holds although its holdout lies among them, and
although it is repeated at each step of the ramp.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from tickwire.features import Float64
from tickwire.model.bars import BarColumns, read_bars
from tickwire.model.capture import CapturedRows, read_captures
from tickwire.model.evaluation import ARCHIVE, load_archive
from tickwire.model.features import SCHEMA, labels_of
from tickwire.model.paired import BLOCK_NS, PairedScore, block_advantages, compare
from tickwire.model.predictor import Float32, Predictor
from tickwire.model.processing import run_job
from tickwire.model.rows import PURGE
from tickwire.model.schema import UnfitModel

SCORE = "score.json"
_INTERVAL = SCHEMA.interval * 1_000_000_000
_CHUNK = 4_096
_LOGGER = logging.getLogger("tickwire.model")


class PairedReport(msgspec.Struct, frozen=True):
    """``score.json``: what the comparison rests on.

    Attributes
    ----------
    score : None where the champion is for other rows than this code computes, so that nothing can be compared
    champion, challenger : versions; the champion's is empty where it cannot be compared
    first, last : ns UTC at which the first and the last judged row ended; 0 without rows
    rows : judged
    unlabelled : rows without a known outcome, since the next bar is missing or closes level
    lines, damaged, nameless : of the captures, see :class:`~tickwire.model.capture.CapturedRows`
    """

    score: PairedScore | None
    champion: str
    challenger: str
    first: int
    last: int
    rows: int
    unlabelled: int
    lines: int
    damaged: int
    nameless: int


def run(root: Path = Path("/opt/ml")) -> int:
    """Do a scoring job below ``root``; gives the exit status."""
    return run_job(root, "scoring", SCORE, _score_inputs)


def _score_inputs(inputs: Path) -> PairedReport:
    challenger = load_archive(inputs / "candidate" / ARCHIVE)
    champion = _champion(inputs / "champion" / ARCHIVE)
    return score(inputs / "captures", read_bars(inputs / "bars"), champion=champion, challenger=challenger)


def _champion(archive: Path) -> Predictor | None:
    if not archive.exists():
        # Only a champion for other rows must not stand in the way, and not one that was lost.
        raise FileNotFoundError(f"the champion's archive {archive} is missing")
    try:
        return load_archive(archive)
    except UnfitModel as error:
        _LOGGER.warning("the champion cannot be compared: %s", error)
        return None


def score(
    captures: Path, bars: Sequence[BarColumns], *, champion: Predictor | None, challenger: Predictor
) -> PairedReport:
    """Compare on the captures below a folder, whose outcomes ``bars`` tell.

    An hour counts once all its outcomes are known: the hour in which the bars end is left for the next time.

    Raises
    ------
    TooManyRows
        If the captures hold more rows than are kept at once.
    """
    ends = max((int(one.start[-1]) + _INTERVAL for one in bars if len(one)), default=0)
    # Outcomes are known one interval after the row; those at the very end belong to an hour that goes on.
    until = max(0, ends // BLOCK_NS * BLOCK_NS - _INTERVAL)
    models = [model for model in (champion, challenger) if model is not None]
    since = max(_learnt_until(model) for model in models)
    found = read_captures(captures, since=since, until=until, schema=SCHEMA)
    label = _labels(found, bars)
    known = np.isfinite(label)
    rows, times = found.rows[known], found.time[known]
    compared = None
    if champion is not None:
        answers, theirs = _answers(champion, rows), _answers(challenger, rows)
        compared = compare(block_advantages(answers, theirs, label[known], times + _INTERVAL))
    return PairedReport(
        score=compared,
        champion="" if champion is None else champion.description.version,
        challenger=challenger.description.version,
        first=int(times.min()) if len(times) else 0,
        last=int(times.max()) if len(times) else 0,
        rows=len(times),
        unlabelled=int(np.count_nonzero(~known)),
        lines=found.lines,
        damaged=found.damaged,
        nameless=found.nameless,
    )


def _learnt_until(model: Predictor) -> int:
    """Give the first end of a row, ns UTC, that shares no bar with what the model has learnt from."""
    trained = model.description.trained
    return 0 if trained is None else trained.last + PURGE + _INTERVAL


def _labels(found: CapturedRows, bars: Sequence[BarColumns]) -> Float64:
    labels = {
        (one.name, start): label
        for one in bars
        for start, label in zip(one.start.tolist(), labels_of(one).tolist(), strict=True)
    }
    keys = zip(found.instrument, (found.time - _INTERVAL).tolist(), strict=True)
    return np.array([labels.get(key, np.nan) for key in keys], np.float64)


def _answers(model: Predictor, rows: Float32) -> Float64:
    parts = [model.predict(rows[first : first + _CHUNK]) for first in range(0, len(rows), _CHUNK)]
    return np.concatenate([np.empty(0), *parts]).astype(np.float64)
