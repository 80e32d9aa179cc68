"""Lambda on frames-dlq and trades-dlq."""

from collections import Counter
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.dead_letters.letter import read_letter
from lambdas.dead_letters.store import store
from lambdas.delivery.aws import aws_client
from lambdas.delivery.event import BatchResponse
from lambdas.delivery.letter_bodies import LetterBodies
from lambdas.delivery.retrying import CLIENT_CONFIG
from lambdas.delivery.settings import read_settings
from lambdas.postgres.database import Database, DatabaseSettings, connect

logger = Logger(service="dead_letters")
metrics = Metrics(namespace="Tickwire", service="dead_letters")


class FunctionSettings(msgspec.Struct, frozen=True):
    """``dead_letter_bucket`` takes large messages; without it they are kept in the table."""

    dead_letter_bucket: str = ""


def _new_bodies(bucket: str) -> LetterBodies | None:
    return LetterBodies(aws_client("s3", config=CLIENT_CONFIG), bucket=bucket) if bucket else None


_settings = read_settings(DatabaseSettings)
_database = Database(lambda: connect(_settings))
_bodies = _new_bodies(read_settings(FunctionSettings).dead_letter_bucket)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Store a batch of dead letters.

    No message fails by itself: one that cannot be read is stored as it is. If the database or S3 fails
    the function raises, and SQS gives all of them again.
    """
    letters = [read_letter(message) for message in event["Records"]]
    store(_database, letters, bodies=_bodies.store if _bodies is not None else None)
    metrics.add_metric(name="DeadLetters", unit=MetricUnit.Count, value=len(letters))
    for (kind, reason), count in Counter((letter.kind, letter.reason) for letter in letters).items():
        logger.warning("dead letters", kind=kind, reason=reason, count=count)
    return {"batchItemFailures": []}
