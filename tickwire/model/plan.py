"""What one nightly run does, and what it calls the things that it makes. Pure."""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec

from tickwire.timestamps import parse_rfc3339

TRAIN, HOLDOUT = "train", "holdout"


class DatasetSpan(msgspec.Struct, frozen=True):
    """How much a run looks at: ``train_days`` to learn from, then ``holdout_days`` to judge on, whole days UTC."""

    train_days: int
    holdout_days: int


class RunPlan(msgspec.Struct, frozen=True):
    """The names of a run: everything it makes can be found by ``run``, and none is ever made twice.

    Attributes
    ----------
    run : its start and a part of the execution's digest
    job : name of the training job, the evaluation job, and the model
    challenge, promotion : names of the endpoint's configurations with the candidate as challenger, and as champion
    query : SQL that Athena runs; writes the dataset
    train, holdout : where it lies, ``s3://`` prefixes
    candidates, evaluation : where the jobs write, ``s3://`` prefixes
    report : key of the evaluation's report
    audit : key prefix of the decisions
    """

    run: str
    job: str
    challenge: str
    promotion: str
    query: str
    train: str
    holdout: str
    candidates: str
    evaluation: str
    report: str
    audit: str


def plan_run(execution: str, started: str, *, endpoint: str, bucket: str, table: str, span: DatasetSpan) -> RunPlan:
    """Plan a run that is to end with the last whole day before ``started``.

    Parameters
    ----------
    execution : the execution's ARN, which is unique
    started : RFC 3339
    table : the lake's table as Athena names it, ``"database"."table"``

    Raises
    ------
    UnreadableTime
        If ``started`` is no time.
    """
    moment = datetime.fromtimestamp(parse_rfc3339(started) // 1_000_000_000, UTC)
    run = f"{moment:%Y%m%d-%H%M%S}-{hashlib.sha256(execution.encode()).hexdigest()[:8]}"
    dataset = f"s3://{bucket}/datasets/{run}/"
    select = bars_query(table, end=moment.replace(hour=0, minute=0, second=0), span=span)
    job = f"{endpoint}-{run}"
    return RunPlan(
        run=run,
        job=job,
        challenge=f"{job}-challenge",
        promotion=f"{job}-promotion",
        query=_unload(select, dataset),
        train=f"{dataset}part={TRAIN}/",
        holdout=f"{dataset}part={HOLDOUT}/",
        candidates=f"s3://{bucket}/candidates/",
        evaluation=f"s3://{bucket}/evaluations/{run}/",
        report=f"evaluations/{run}/evaluation.json",
        audit=f"audit/{run}",
    )


class ScorePlan(msgspec.Struct, frozen=True):
    """The names of one comparison on captured traffic.

    Attributes
    ----------
    job : name of the scoring job
    query : SQL that Athena runs; writes the bars that tell the outcomes
    bars : where they lie, an ``s3://`` prefix
    output : where the job writes, an ``s3://`` prefix
    report : key of what it writes
    """

    job: str
    query: str
    bars: str
    output: str
    report: str


def plan_score(plan: RunPlan, now: str, *, bucket: str, table: str, holdout_days: int) -> ScorePlan:
    """Plan a comparison on what was captured since the run's holdout began, up to the last whole hour before ``now``.

    A run ends within a day, so the time of day makes the names unique.

    Raises
    ------
    UnreadableTime
        If ``now``, RFC 3339, is no time.
    """
    moment = datetime.fromtimestamp(parse_rfc3339(now) // 1_000_000_000, UTC)
    end = moment.replace(minute=0, second=0)
    name = f"s{moment:%H%M%S}"
    # The holdout ended with the midnight before the run, which began at most a day ago.
    select = bars_query(table, end=end, span=DatasetSpan(0, holdout_days + 2))
    address = f"s3://{bucket}/datasets/{plan.run}-{name}/"
    return ScorePlan(
        job=f"{plan.job}-{name}",
        query=_unload(select, address),
        bars=f"{address}part={HOLDOUT}/",
        output=f"s3://{bucket}/evaluations/{plan.run}/{name}/",
        report=f"evaluations/{plan.run}/{name}/score.json",
    )


def _unload(select: str, address: str) -> str:
    options = "format = 'PARQUET', compression = 'ZSTD', partitioned_by = ARRAY['part']"
    return f"UNLOAD ({select}) TO '{address}' WITH ({options})"


def bars_query(table: str, *, end: datetime, span: DatasetSpan) -> str:
    """Give the SELECT of the dataset that ends before ``end``, a UTC midnight or a whole hour."""
    holdout = end - timedelta(days=span.holdout_days)
    first = holdout - timedelta(days=span.train_days)
    moments = {"first": first, "holdout": holdout, "end": end}
    return _template().format(
        table=table,
        holdout_ns=int(holdout.timestamp()) * 1_000_000_000,
        **{name: f"{moment:%Y-%m-%d %H:%M:%S} UTC" for name, moment in moments.items()},
    )


@cache
def _template() -> str:
    text = Path(__file__).with_name("dataset.sql").read_text()
    # Comments explain the file, and Athena's history need not repeat them.
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
