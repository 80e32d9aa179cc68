"""The functions between the streams and the stores."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.constructs.service_function import ServiceFunction
from cdk.constructs.stream_function import StreamFunction
from cdk.dashboards.metrics import BROADCASTER, MINUTE, STAGES, VALIDATOR, each, own_metric
from cdk.dashboards.widgets import Page, graph


def stages(consumers: Sequence[StreamFunction], functions: Sequence[ServiceFunction]) -> Page:
    """Show how far the stages are, how fast, and what they had to repeat, refuse or leave.

    Parameters
    ----------
    consumers
        The functions that read streams.
    functions
        All of them.
    """
    return [
        [
            graph("Behind the stream", *(_named(one.iterator_age(), one) for one in consumers), unit="ms"),
            graph("Median of each stage", *_latencies(), unit="ms", stacked=True),
            graph("Duration, p99", *_of_all(functions, "Duration", "p99"), unit="ms"),
        ],
        [
            graph("Errors", *_of_all(functions, "Errors", "Sum"), unit="a minute"),
            graph("Throttles", *_of_all(functions, "Throttles", "Sum"), unit="a minute"),
            graph("Concurrent executions", *_of_all(functions, "ConcurrentExecutions", "Maximum"), unit="executions"),
        ],
        [
            graph("Trades", *_counts("Trades"), unit="a minute"),
            graph("Records", *_counts("Records"), unit="a minute"),
            graph("Duplicates taken out", own_metric("Duplicates", VALIDATOR, label="trades"), unit="a minute"),
        ],
        [
            graph("Rows quarantined, by rule", each("Tickwire,rule,service", "Quarantined"), unit="a minute"),
            graph("Records that cannot be read", *_counts("DamagedRecords"), unit="a minute"),
            graph("Repeats skipped", *_counts("RepeatsSkipped"), unit="records a minute"),
        ],
        [
            graph("State conflicts", *_counts("StateConflicts"), unit="a minute"),
            graph("Partitions that failed", *_counts("FailedPartitions"), unit="a minute"),
            graph(
                "Partitions that stand still",
                each("Tickwire,service", "StoppedPartitions"),
                unit="attempts a minute",
            ),
        ],
    ]


def _counts(name: str) -> list[cloudwatch.IMetric]:
    """Give a count of both stages that keep state."""
    return [own_metric(name, stage, label=stage) for stage in STAGES[1:3]]


def _latencies() -> list[cloudwatch.IMetric]:
    return [own_metric("StageLatency", BROADCASTER, statistic="Average", label=stage, stage=stage) for stage in STAGES]


def _of_all(functions: Sequence[ServiceFunction], name: str, statistic: str) -> list[cloudwatch.IMetric]:
    return [
        _named(function.function.metric(name, statistic=statistic, period=MINUTE), function) for function in functions
    ]


def _named(metric: cloudwatch.Metric, function: ServiceFunction) -> cloudwatch.Metric:
    return metric.with_(label=function.name)
