"""Lambda of two schedules: ``{"task": "compact"}`` and ``{"task": "sweep"}``; see compaction.py and orphans.py."""

import time
from typing import Annotated, Any, Literal

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pyiceberg.exceptions import NoSuchTableError

from lambdas.delivery.settings import read_settings
from lambdas.lake_committer.lake_table import glue_catalog
from lambdas.lake_maintenance.compaction import compact
from lambdas.lake_maintenance.orphans import sweep
from tickwire.lake import TABLE

logger = Logger(service="lake_maintenance")
metrics = Metrics(namespace="Tickwire", service="lake_maintenance")

_DAY_SECONDS = 86_400
# A day is closed an hour after its end: what comes later than that is late, and waits for company.
_LATENESS_SECONDS = 3_600
# A group of five thousand small files is read, sorted and written in less.
_COMPACTION_MILLISECONDS = 240_000
_DELETION_MILLISECONDS = 30_000


class Settings(msgspec.Struct, frozen=True):
    """The lake, the queue of its committer, and the age from which a data file cannot be announced any more.

    That queue keeps a message for 14 days, so fewer than 15 would endanger files that wait for their commit.
    """

    lake_bucket: str
    lake_database: str
    lake_commits_queue_url: str
    orphan_days: Annotated[int, msgspec.Meta(ge=15)]


class Request(msgspec.Struct, frozen=True):
    """What the schedule asks for."""

    task: Literal["compact", "sweep"]


_settings = read_settings(Settings)
_catalog = glue_catalog()
_s3 = boto3.client("s3")
_sqs = boto3.client("sqs")


@logger.inject_lambda_context
@metrics.log_metrics(raise_on_empty_metrics=False)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Do one task, as far as the time allows; the next call goes on from what it finds."""
    request = msgspec.convert(event, Request)
    try:
        _open_table()
    except NoSuchTableError:
        logger.info("there is no table yet")
        return
    if request.task == "compact":
        _compact(context)
    else:
        _sweep(context)


def _compact(context: LambdaContext) -> None:
    done = compact(
        _open_table(),
        open_from=int((time.time() - _LATENESS_SECONDS) // _DAY_SECONDS),
        bucket=_settings.lake_bucket,
        queue_url=_settings.lake_commits_queue_url,
        s3=_s3,
        sqs=_sqs,
        in_time=lambda: context.get_remaining_time_in_millis() > _COMPACTION_MILLISECONDS,
    )
    metrics.add_metric(name="FilesCompacted", unit=MetricUnit.Count, value=done.files_read)
    metrics.add_metric(name="FilesWritten", unit=MetricUnit.Count, value=done.files_written)
    metrics.add_metric(name="CompactionsWaiting", unit=MetricUnit.Count, value=done.waiting)


def _sweep(context: LambdaContext) -> None:
    swept = sweep(
        _open_table,
        bucket=_settings.lake_bucket,
        s3=_s3,
        now=time.time(),
        data_age_seconds=_settings.orphan_days * _DAY_SECONDS,
        in_time=lambda: context.get_remaining_time_in_millis() > _DELETION_MILLISECONDS,
    )
    metrics.add_metric(name="OrphansDeleted", unit=MetricUnit.Count, value=swept.deleted)
    metrics.add_metric(name="OrphansWaiting", unit=MetricUnit.Count, value=swept.waiting)


def _open_table() -> Any:
    return _catalog.load_table((_settings.lake_database, TABLE))
