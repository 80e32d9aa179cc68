"""Lambda on trades-clean: see writer.py for what it does."""

import time
from typing import Any

import boto3
import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.delivery.event import BatchResponse, answer
from lambdas.delivery.settings import read_settings
from lambdas.delivery.tracing import RecordSegments
from lambdas.lake_writer.writer import write_event

logger = Logger(service="lake_writer")
metrics = Metrics(namespace="Tickwire", service="lake_writer")


class Settings(msgspec.Struct, frozen=True):
    """The lake's bucket, and the FIFO queue that the committer reads."""

    lake_bucket: str
    lake_commits_queue_url: str


_settings = read_settings(Settings)
_s3 = boto3.client("s3")
_sqs = boto3.client("sqs")
_segments = RecordSegments("lake_writer")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Write the trades of a batch to the lake's bucket and announce the files to the committer."""
    began = time.time_ns()
    result = write_event(
        event, bucket=_settings.lake_bucket, queue_url=_settings.lake_commits_queue_url, s3=_s3, sqs=_sqs
    )
    _segments.send(result.traced, work=(began, time.time_ns()))
    metrics.add_metric(name="TradesWritten", unit=MetricUnit.Count, value=result.trades)
    metrics.add_metric(name="FilesWritten", unit=MetricUnit.Count, value=result.files)
    metrics.add_metric(name="FileBytes", unit=MetricUnit.Bytes, value=result.bytes)
    for sequence_number, reason in result.failures.items():
        logger.error("partition stopped", sequence_number=sequence_number, reason=str(reason))
    return answer(event, result.response)
