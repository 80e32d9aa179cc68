"""The questions, each a small model of what the state machine sends, and who in the domain answers it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeAlias

import msgspec

from tickwire.errors import TickwireError
from tickwire.model.bars import BarColumns, UnreadableDataset, read_bars
from tickwire.model.evaluation import Evaluation
from tickwire.model.paired_job import PairedReport
from tickwire.model.plan import HOLDOUT, TRAIN, DatasetSpan, RunPlan, ScorePlan, plan_run, plan_score
from tickwire.model.quality import DatasetQuality, judge_dataset
from tickwire.model.rollout import Bake, Decision, Verdict, Watch, judge_candidate, next_step

Days = Annotated[int, msgspec.Meta(ge=1)]


class UnknownQuestion(TickwireError, ValueError):
    """The state machine and this function do not speak of the same things."""


class RolloutSettings(msgspec.Struct, frozen=True):
    """The environment of the function.

    ``instruments`` are ``venue:SYMBOL``, separated by commas; ``lake_table`` is ``"database"."table"``.
    """

    endpoint: str
    model_bucket: str
    lake_table: str
    instruments: str
    train_days: Days
    holdout_days: Days
    bake_seconds: Annotated[int, msgspec.Meta(ge=0)]
    min_invocations: Annotated[int, msgspec.Meta(ge=0)]


class PlanQuestion(msgspec.Struct, frozen=True, tag_field="question", tag="plan"):
    """How is the run that began at ``started``, RFC 3339, to go?"""

    execution: str
    started: str


class DatasetQuestion(msgspec.Struct, frozen=True, tag_field="question", tag="dataset"):
    """May the dataset of a run be learnt from?"""

    plan: RunPlan


class CandidateQuestion(msgspec.Struct, frozen=True, tag_field="question", tag="candidate"):
    """Is the candidate of a run better than what is served?"""

    plan: RunPlan


class StepQuestion(msgspec.Struct, frozen=True, tag_field="question", tag="step"):
    """What becomes of the challenger now? ``report`` is the key of the last comparison at its share, or empty."""

    watch: Watch
    report: str = ""


class ScoreQuestion(msgspec.Struct, frozen=True, tag_field="question", tag="score"):
    """How is the comparison on captured traffic that begins at ``now``, RFC 3339, to go?"""

    plan: RunPlan
    now: str


Question: TypeAlias = PlanQuestion | DatasetQuestion | CandidateQuestion | StepQuestion | ScoreQuestion


class StepEvidence(msgspec.Struct, frozen=True):
    """What is seen of a challenger, and the comparison on captured traffic with the key that it lies at."""

    watch: Watch
    paired: PairedReport | None = None
    report: str = ""


class Answer(msgspec.Struct, frozen=True):
    """A decision with what it rests on, as the audit keeps it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    share: int
    evidence: Evaluation | DatasetQuality | StepEvidence


def answer(event: dict[str, Any], *, settings: RolloutSettings, s3: Any) -> dict[str, Any]:
    """Answer a question: a plan of :mod:`tickwire.model.plan` or an :class:`Answer`, as JSON.

    Raises
    ------
    UnknownQuestion
        If the event is no question.
    UnreadableDataset, msgspec.DecodeError
        If what the run wrote cannot be read.
    """
    try:
        question: Question = msgspec.convert(event, Question)
    except msgspec.ValidationError as error:
        raise UnknownQuestion(str(error)) from error
    answered: dict[str, Any] = msgspec.to_builtins(_answer(question, settings, s3))
    return answered


def _answer(question: Question, settings: RolloutSettings, s3: Any) -> RunPlan | ScorePlan | Answer:
    match question:
        case PlanQuestion(execution, started):
            return plan_run(
                execution,
                started,
                endpoint=settings.endpoint,
                bucket=settings.model_bucket,
                table=settings.lake_table,
                span=DatasetSpan(settings.train_days, settings.holdout_days),
            )
        case DatasetQuestion(plan):
            return _judge_dataset(plan, settings, s3)
        case CandidateQuestion(plan):
            report = s3.get_object(Bucket=settings.model_bucket, Key=plan.report)["Body"].read()
            evaluation = msgspec.json.decode(report, type=Evaluation)
            return _told(judge_candidate(evaluation), evaluation)
        case ScoreQuestion(plan, now):
            return plan_score(
                plan,
                now,
                bucket=settings.model_bucket,
                table=settings.lake_table,
                holdout_days=settings.holdout_days,
            )
        case StepQuestion(watch, key):
            paired = None
            # While the job runs there is nothing to read, and of one that failed there never is.
            if watch.scoring == "Completed":
                written = s3.get_object(Bucket=settings.model_bucket, Key=key)["Body"].read()
                paired = msgspec.json.decode(written, type=PairedReport)
            decision = next_step(watch, Bake(settings.bake_seconds, settings.min_invocations), paired)
            return _told(decision, StepEvidence(watch, paired, key))


def _judge_dataset(plan: RunPlan, settings: RolloutSettings, s3: Any) -> Answer:
    parts = {name: _bars(s3, prefix) for name, prefix in ((TRAIN, plan.train), (HOLDOUT, plan.holdout))}
    expected = settings.instruments.split(",")
    quality = judge_dataset(parts[TRAIN], parts[HOLDOUT], expected=expected, holdout_days=settings.holdout_days)
    verdict = Verdict.REFUSE if quality.faults else Verdict.ACCEPT
    return Answer(verdict, quality.faults or (f"{len(expected)} instruments without a fault",), 0, quality)


def _told(decision: Decision, evidence: Evaluation | StepEvidence) -> Answer:
    return Answer(decision.verdict, decision.reasons, decision.share, evidence)


def _bars(s3: Any, address: str) -> list[BarColumns]:
    """Read the bars below an ``s3://`` prefix; none where there is no file, which the gate then tells."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    with TemporaryDirectory() as name:
        folder = Path(name)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for number, entry in enumerate(page.get("Contents", [])):
                body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                (folder / f"{number}-{Path(entry['Key']).name}").write_bytes(body)
        try:
            return read_bars(folder)
        except UnreadableDataset:
            if any(folder.iterdir()):
                raise
            return []
