"""Lambda on the FIFO queue of written files, one at a time: see committer.py."""

from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.delivery.event import BatchResponse
from lambdas.delivery.settings import read_settings
from lambdas.lake_committer.invocation import Received, commit_received
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_writer.message import decode_message

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
    milliseconds = context.get_remaining_time_in_millis()
    messages = event["Records"]
    received: list[Received] = []
    for message in messages:
        try:
            batch = decode_message(message["body"])
        except msgspec.MsgspecError as error:
            logger.error("unreadable message", message_id=message["messageId"], reason=str(error))
            break
        received.append(Received(batch, int(message["attributes"]["ApproximateReceiveCount"])))
    outcome = commit_received(
        received,
        lambda: LakeTable.open(_catalog, database=_settings.lake_database, bucket=_settings.lake_bucket),
        # One that is cut off comes again after the lake has waited for it; one that is left out does not.
        in_time=lambda: 2 * context.get_remaining_time_in_millis() > milliseconds,
    )
    if outcome.jump is not None:
        logger.error("messages stopped", reason=str(outcome.jump))
    for refusal in outcome.refusals:
        logger.warning("compaction left out", reason=refusal)
    for name, value in {
        "TradesCommitted": outcome.rows,
        "RepeatedMessages": outcome.repeats,
        "CommitConflicts": outcome.conflicts,
        "StoppedMessages": len(messages) - outcome.messages,
        "RowsCompacted": outcome.rows_compacted,
        "CompactionsLeftOut": len(outcome.refusals),
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return {"batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in messages[outcome.messages :]]}
