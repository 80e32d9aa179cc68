"""Judges a candidate and the champion on a holdout that neither has seen: a SageMaker processing job.

The holdout is the newest days before the run, so it moves forward night by night, and training gets only
what lies before it. A processing job's inputs lie below ``input``; what it writes below ``output`` goes to S3.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from tickwire.errors import TickwireError
from tickwire.features import Float64
from tickwire.model.archive import unpack
from tickwire.model.bars import BarColumns, joined, read_bars
from tickwire.model.baselines.logistic import Logistic
from tickwire.model.baselines.rule import Rule, plain_side
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
from tickwire.model.processing import run_job
from tickwire.model.rows import PURGE, LabelledRows, labelled_rows
from tickwire.model.schema import UnfitModel
from tickwire.model.scores import Advantage, Scores, advantage_of, estimates_of, improvement, said, scores_of
from tickwire.model.significance import Estimate
from tickwire.model.splits import with_validation
from tickwire.model.stored import StoredModel

ARCHIVE = "model.tar.gz"
REPORT = "evaluation.json"
"""SageMaker shows as much of it beside a failed job."""
_VALIDATION_SHARE = 0.15
_LOGGER = logging.getLogger("tickwire.model")


class EvaluationFailed(TickwireError):
    """The holdout is empty, or not later than what the candidate has learnt from."""


class Judged(msgspec.Struct, frozen=True):
    """One model's name, version and scores on the holdout."""

    name: str
    version: str
    scores: Scores


class Rival(msgspec.Struct, frozen=True):
    """A baseline that learnt from what was before the holdout, and the candidate's advantage over it."""

    name: str
    scores: Scores
    advantage: Advantage


class Evaluation(msgspec.Struct, frozen=True):
    """``evaluation.json``: what the decision rests on.

    Attributes
    ----------
    schema : the digest of the rows
    first, last : starts of the first and the last bar of the holdout, ns UTC
    base_rate : scores of the share of rising bars before the holdout, the same for every row
    champion : None where it is for other rows than this code computes, so that it cannot be compared
    over_base_rate, over_champion : the candidate's advantage
    estimates : the candidate's scores between bounds of 95 %, from resampled days, by their names
    rivals : baselines beside; none where too few rows are before the holdout
    over_rule : by how many percent the candidate says the side more often right than the plain rule
    """

    schema: str
    first: int
    last: int
    base_rate: Scores
    candidate: Judged
    over_base_rate: Advantage
    champion: Judged | None = None
    over_champion: Advantage | None = None
    estimates: dict[str, Estimate] = {}
    rivals: tuple[Rival, ...] = ()
    over_rule: Estimate | None = None


def run(root: Path = Path("/opt/ml")) -> int:
    """Do an evaluation job below ``root``; gives the exit status."""
    return run_job(root, "evaluation", REPORT, _evaluate_inputs)


def _evaluate_inputs(inputs: Path) -> Evaluation:
    candidate = load_archive(inputs / "candidate" / ARCHIVE)
    try:
        champion = load_archive(inputs / "champion" / ARCHIVE)
    except UnfitModel as error:
        _LOGGER.warning("the champion cannot be compared: %s", error)
        champion = None
    return evaluate(read_bars(inputs / "train"), read_bars(inputs / "holdout"), candidate=candidate, champion=champion)


def evaluate(
    before: list[BarColumns], holdout: list[BarColumns], *, candidate: Predictor, champion: Predictor | None
) -> Evaluation:
    """Judge on the bars of the holdout; ``before`` has those that a candidate may have learnt from.

    Raises
    ------
    EvaluationFailed
        If no row of the holdout can be judged, or the candidate has learnt from bars of its rows.
    """
    # Together, so that the first rows of the holdout have the bars before them.
    every = labelled_rows(joined(before, holdout))
    border = min((int(bars.start[0]) for bars in holdout if len(bars)), default=0)
    trained = candidate.description.trained
    if trained is None or trained.last >= border:
        raise EvaluationFailed("the candidate does not say that it learnt only from bars before the holdout")
    rows, known = every.take(every.start >= trained.last + PURGE), every.take(every.start < border)
    if not len(rows) or not len(known):
        raise EvaluationFailed(f"{len(rows)} rows in the holdout and {len(known)} before it")
    first = int(rows.start.min())
    base_rate = np.full(len(rows), known.label.mean())
    probability = _probabilities(candidate, rows)
    report = Evaluation(
        schema=SCHEMA.digest,
        first=first,
        last=int(rows.start.max()),
        base_rate=scores_of(base_rate, rows.label),
        candidate=_judged(candidate, probability, rows),
        over_base_rate=advantage_of(probability, base_rate, label=rows.label, start=rows.start),
        estimates=estimates_of(probability, rows.label, start=rows.start),
        rivals=_rivals(known.take(known.start < first - PURGE), rows, probability),
        over_rule=improvement(said(probability), plain_side(rows), label=rows.label, start=rows.start),
    )
    if champion is None:
        return report
    standing = _probabilities(champion, rows)
    return msgspec.structs.replace(
        report,
        champion=_judged(champion, standing, rows),
        over_champion=advantage_of(probability, standing, label=rows.label, start=rows.start),
    )


def load_archive(archive: Path) -> Predictor:
    """Load a model from its archive.

    Raises
    ------
    UnfitModel
        If it is damaged, or for other rows.
    """
    with TemporaryDirectory() as folder:
        return Predictor.load(unpack(archive, Path(folder)), expected=SCHEMA)


def _probabilities(model: Predictor, rows: LabelledRows) -> Float64:
    return StoredModel(model).predict(rows)


def _rivals(known: LabelledRows, rows: LabelledRows, probability: Float64) -> tuple[Rival, ...]:
    try:
        places = with_validation(known.start, np.arange(len(known)), share=_VALIDATION_SHARE, purge=PURGE)
    except ValueError as error:
        _LOGGER.warning("no baselines beside: %s", error)
        return ()
    learn, validate = (known.take(part) for part in places)
    rivals = []
    for estimator in (Rule(), Logistic()):
        theirs = estimator.fit(learn, validate).predict(rows)
        advantage = advantage_of(probability, theirs, label=rows.label, start=rows.start)
        rivals.append(Rival(estimator.name, scores_of(theirs, rows.label), advantage))
    return tuple(rivals)


def _judged(model: Predictor, probability: Float64, rows: LabelledRows) -> Judged:
    return Judged(model.description.name, model.description.version, scores_of(probability, rows.label))
