"""Is it healthy? One screen."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.dashboards.metrics import (
    BACKFILLER,
    BROADCASTER,
    CANARY,
    INGESTOR,
    STAGES,
    completeness,
    own_metric,
)
from cdk.dashboards.widgets import Page, alarms, graph, numbers

# What AWS takes for one widget.
_MOST_ALARMS = 100


def overview(
    venues: tuple[str, ...],
    *,
    pages: Sequence[cloudwatch.IAlarm],
    others: Sequence[cloudwatch.IAlarm],
    latency_milliseconds: float,
) -> Page:
    """Show what pages somebody, how fast and how complete the data is, and every alarm."""
    latency = [
        own_metric("EndToEndLatency", BROADCASTER, statistic=statistic, label=f"{statistic}, ms")
        for statistic in ("p50", "p99")
    ]
    success = own_metric("CanarySuccess", CANARY, statistic="Average", label="Visits that succeed")
    return [
        [alarms("Somebody is paged", pages, height=3)],
        [
            numbers("Socket to broadcast", *latency, width=8),
            numbers("As a client sees it", success, _canary_latency(), width=8),
            numbers("What is stored", completeness(venues), *_missing(venues), width=8),
        ],
        [
            graph("Socket to broadcast", *latency, unit="ms", limit=latency_milliseconds),
            graph("Trades received", *_trades(venues), unit="trades a minute", stacked=True),
            graph("Trade ids missing", *_missing(venues), unit="ids", stacked=True),
        ],
        [
            graph("Median of each stage", *_stages(), unit="ms", stacked=True),
            graph("A client's visit every minute", _canary_latency(), right=[success], unit="ms", right_unit="success"),
            graph("Completeness by hour", completeness(venues), unit="%"),
        ],
        *[
            [alarms("Every alarm", others[start : start + _MOST_ALARMS], height=10)]
            for start in range(0, len(others), _MOST_ALARMS)
        ],
    ]


def _trades(venues: tuple[str, ...]) -> list[cloudwatch.IMetric]:
    return [own_metric("Trades", INGESTOR, label=venue, venue=venue) for venue in venues]


def _missing(venues: tuple[str, ...]) -> list[cloudwatch.IMetric]:
    return [
        own_metric("MissingIds", BACKFILLER, statistic="Maximum", label=f"{venue} missing", venue=venue)
        for venue in venues
    ]


def _stages() -> list[cloudwatch.IMetric]:
    return [own_metric("StageLatency", BROADCASTER, statistic="Average", label=stage, stage=stage) for stage in STAGES]


def _canary_latency() -> cloudwatch.Metric:
    return own_metric("CanaryLatency", CANARY, statistic="Maximum", label="Socket to client, ms")
