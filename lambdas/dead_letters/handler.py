"""Lambda on frames-dlq and trades-dlq."""

from collections import Counter
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.dead_letters.letter import read_letter
from lambdas.dead_letters.store import store
from lambdas.delivery.event import BatchResponse
from lambdas.delivery.settings import read_settings
from lambdas.postgres.database import Database, DatabaseSettings, connect

logger = Logger(service="dead_letters")
metrics = Metrics(namespace="Tickwire", service="dead_letters")

_settings = read_settings(DatabaseSettings)
_database = Database(lambda: connect(_settings))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Store a batch of dead letters.

    No message fails by itself: one that cannot be read is stored as it is. If the database fails the
    function raises, and SQS gives all of them again.
    """
    letters = [read_letter(message) for message in event["Records"]]
    store(_database, letters)
    metrics.add_metric(name="DeadLetters", unit=MetricUnit.Count, value=len(letters))
    for (kind, reason), count in Counter((letter.kind, letter.reason) for letter in letters).items():
        logger.warning("dead letters", kind=kind, reason=reason, count=count)
    return {"batchItemFailures": []}
