"""Lambda on the FIFO queue of written files, one at a time: see committer.py."""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.delivery.event import BatchResponse
from lambdas.delivery.settings import read_settings
from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_writer.message import WrittenBatch, decode_message

logger = Logger(service="lake_committer")
metrics = Metrics(namespace="Tickwire", service="lake_committer")


class Settings(msgspec.Struct, frozen=True):
    """The lake's bucket, and the Glue database of its table."""

    lake_bucket: str
    lake_database: str


_settings = read_settings(Settings)
_catalog = glue_catalog()


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Commit the files of a batch of messages.

    From the first message that cannot be taken on, all are reported as failed: the queue is FIFO,
    and SQS must not give a later one before an earlier.
    """
    messages = event["Records"]
    batches: list[WrittenBatch] = []
    for message in messages:
        try:
            batches.append(decode_message(message["body"]))
        except msgspec.MsgspecError as error:
            logger.error("unreadable message", message_id=message["messageId"], reason=str(error))
            break
    result = commit_batches(
        batches, lambda: LakeTable.open(_catalog, database=_settings.lake_database, bucket=_settings.lake_bucket)
    )
    if result.jump is not None:
        logger.error("messages stopped", reason=str(result.jump))
    metrics.add_metric(name="TradesCommitted", unit=MetricUnit.Count, value=result.rows)
    metrics.add_metric(name="RepeatedMessages", unit=MetricUnit.Count, value=result.plan.repeats)
    metrics.add_metric(name="CommitConflicts", unit=MetricUnit.Count, value=result.conflicts)
    metrics.add_metric(name="StoppedMessages", unit=MetricUnit.Count, value=len(messages) - result.plan.messages)
    return {
        "batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in messages[result.plan.messages :]]
    }
