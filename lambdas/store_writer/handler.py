"""Lambda on market-events: see writer.py for what it does."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.delivery.event import BatchResponse, answer
from lambdas.delivery.settings import read_settings
from lambdas.delivery.tracing import RecordSegments
from lambdas.postgres.database import Database, DatabaseSettings, connect
from lambdas.store_writer import rows
from lambdas.store_writer.writer import StoreWriter

logger = Logger(service="store_writer")
metrics = Metrics(namespace="Tickwire", service="store_writer")

_settings = read_settings(DatabaseSettings)
_writer = StoreWriter(Database(lambda: connect(_settings), prepare=rows.prepare))
_segments = RecordSegments("store_writer")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Store the bars and events of a batch, each once however often it comes."""
    began = time.time_ns()
    result = _writer.write_event(event)
    _segments.send(result.traced, work=(began, time.time_ns()))
    for name, value in {
        "Records": result.records,
        "RepeatsSkipped": result.repeats,
        "Bars": len(result.changes.bars),
        "Gaps": len(result.changes.gaps),
        "FailedPartitions": len(result.failures),
    }.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    for sequence_number, reason in result.failures.items():
        logger.error("partition stopped", sequence_number=sequence_number, reason=str(reason))
    return answer(event, result.response)
