"""Metrics of what only logs tell."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.constructs.alarm import new_alarm

_NAMESPACE = "Tickwire"
# What a stage logs as the reason why a partition stands still (``lambdas/delivery/stream_stage.py``), where
# the same record would stop it again: everything else passes, or is tried anew until it does.
_FINAL = ("CounterJump", "DamagedRecord", "RecordTooLarge", "UnknownRecordVersion", "UnreadableState")


def alarm_on_stopped_partitions(scope: Construct, log_group: logs.ILogGroup, *, service: str) -> cloudwatch.Alarm:
    """Watch for a partition that does not go on by itself: it may not skip the record that it stopped at."""
    final = " || ".join(f'$.error = "{name}"' for name in _FINAL)
    metric = count_lines(
        scope,
        "StoppedPartitions",
        log_group,
        f'{{ $.message = "partition stopped" || $.message = "messages stopped"'
        f' || ($.message = "partition failed" && ({final})) }}',
        dimensions={"service": "$.service"},
        values={"service": service},
    )
    return new_alarm(
        scope,
        "Stopped",
        metric,
        runbook="partition-stopped",
        says=f"A partition stands still in {service}, at a record that it can neither take nor skip",
        threshold=0,
        # Lambda waits longer and longer between its attempts.
        periods=15,
        datapoints=2,
    )


def alarm_on_unhandled_errors(scope: Construct, log_group: logs.ILogGroup, *, service: str) -> cloudwatch.Alarm:
    """Watch a task for errors that it logs with a traceback: those that its code does not know."""
    # Without dimensions: these lines do not say whose they are.
    metric = count_lines(scope, f"UnhandledErrors.{service}", log_group, '{ $.level = "ERROR" && $.exception = "*" }')
    return new_alarm(
        scope,
        "UnhandledError",
        metric,
        runbook="unhandled-errors",
        says=f"The {service} ran into an error that its code does not know",
        threshold=0,
        periods=1,
    )


def count_lines(
    scope: Construct,
    name: str,
    log_group: logs.ILogGroup,
    pattern: str,
    *,
    dimensions: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> cloudwatch.Metric:
    """Count the lines of JSON that match a filter pattern, and give the metric, a sum a minute.

    Parameters
    ----------
    dimensions, values
        Of the metric, by name: which field of a line has its value, and the one to look at.
    """
    logs.MetricFilter(
        scope,
        f"{name}Filter",
        log_group=log_group,
        filter_pattern=logs.FilterPattern.literal(pattern),
        metric_namespace=_NAMESPACE,
        metric_name=name,
        metric_value="1",
        dimensions=None if dimensions is None else dict(dimensions),
    )
    return cloudwatch.Metric(
        namespace=_NAMESPACE,
        metric_name=name,
        dimensions_map=None if values is None else dict(values),
        period=Duration.minutes(1),
        statistic="Sum",
    )
