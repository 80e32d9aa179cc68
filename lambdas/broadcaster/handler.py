"""market-events → the WebSocket clients and the last values. Never fails a batch: see broadcast.py."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from botocore.config import Config

from lambdas.broadcaster.broadcast import Broadcast, BroadcastCounts
from lambdas.broadcaster.last_values_table import LastValuesTable
from lambdas.broadcaster.latency import LatencyReport
from lambdas.broadcaster.outbox import CONCURRENCY, Outbox
from lambdas.broadcaster.pacing import Pacing
from lambdas.broadcaster.posts import new_posts
from lambdas.broadcaster.replay_log import ReplayLog
from lambdas.broadcaster.screens import Screens
from lambdas.broadcaster.subscribers import Subscribers
from lambdas.delivery.aws import aws_client, aws_session
from lambdas.delivery.event import BatchResponse, failed
from lambdas.delivery.settings import read_settings
from lambdas.delivery.stage_metrics import NAMESPACE
from lambdas.websocket.connections import Connections

THREADS = 16


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment."""

    connections_table: str
    subscriptions_table: str
    last_values_table: str
    replay_table: str
    websocket_endpoint: str
    posts_per_second: float


logger = Logger()
metrics = Metrics(namespace=NAMESPACE)
tracer = Tracer(patch_modules=["botocore"])


def new_broadcast(settings: FunctionSettings) -> Broadcast:
    """Put the broadcast between its tables and the clients."""
    pool = ThreadPoolExecutor(THREADS)
    dynamodb = aws_client(
        "dynamodb", config=Config(connect_timeout=1, read_timeout=2, max_pool_connections=THREADS + 1)
    )
    subscribers = Subscribers(dynamodb, settings.subscriptions_table, pool=pool)
    connections = Connections(
        dynamodb,
        connections_table=settings.connections_table,
        subscriptions_table=settings.subscriptions_table,
        pool=pool,
    )
    posts = new_posts(aws_session(), settings.websocket_endpoint, connections=CONCURRENCY)
    pacing = Pacing(settings.posts_per_second)
    return Broadcast(
        Screens(subscribers, Outbox(posts, subscribers, connections, pacing=pacing), pace=pacing),
        ReplayLog(dynamodb, settings.replay_table, pool=pool),
        LastValuesTable(dynamodb, settings.last_values_table, pool=pool),
    )


broadcast = new_broadcast(read_settings(FunctionSettings))


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> BatchResponse:
    """Broadcast the records of a market-events event."""
    try:
        _publish(broadcast.run(event))
    except Exception:
        # Retrying would hold up every screen behind what one record does to this code.
        logger.exception("broadcast failed")
        metrics.add_metric(name="BroadcastsFailed", unit=MetricUnit.Count, value=1)
    return failed([])


def _publish(counts: BroadcastCounts) -> None:
    # First: as many values as a line takes are written at once, and a line without metrics would be left.
    if counts.latency is not None:
        _publish_latency(counts.latency)
    for name, value in (
        ("Records", counts.records),
        ("Values", counts.values),
        ("MessagesPosted", counts.messages),
        ("RowsStored", counts.rows_stored),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.add_metric(name="IteratorAge", unit=MetricUnit.Milliseconds, value=counts.iterator_age_ms)
    for name, value in (
        ("RepeatsSkipped", counts.repeats),
        ("DamagedRecords", counts.damaged),
        ("MessagesDropped", counts.dropped),
        ("ConnectionsGone", counts.gone),
        ("PostsThrottled", counts.throttled),
        ("ReplayNotLogged", counts.not_logged),
        ("NumbersJumped", counts.jumps),
    ):
        if value:
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def _publish_latency(latency: LatencyReport) -> None:
    """Add how long records took from their receipt to here, and the median of each stage beside it."""
    for milliseconds in latency.totals:
        metrics.add_metric(name="EndToEndLatency", unit=MetricUnit.Milliseconds, value=milliseconds)
    for stage, milliseconds in latency.data.stage.items():
        with single_metric(
            name="StageLatency", unit=MetricUnit.Milliseconds, value=milliseconds, namespace=NAMESPACE
        ) as median:
            median.add_dimension(name="stage", value=stage)
