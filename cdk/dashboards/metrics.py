"""Metrics as the pages and the alarms ask for them."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

NAMESPACE = "Tickwire"
MINUTE = Duration.minutes(1)
HOUR = Duration.hours(1)

BACKFILLER = "backfiller"
BROADCASTER = "broadcaster"
CANARY = "canary"
INGESTOR = "ingestor"
VALIDATOR = "validator"

STAGES = (INGESTOR, VALIDATOR, "signals", BROADCASTER)
"""On the way to the screen, in order: the values of ``stage`` of ``StageLatency``."""


def own_metric(
    name: str,
    service: str,
    *,
    statistic: str = "Sum",
    label: str | None = None,
    period: Duration = MINUTE,
    **dimensions: str,
) -> cloudwatch.Metric:
    """Give a metric that our own code publishes.

    Parameters
    ----------
    service
        The folder of ``lambdas/`` or ``ecs_tasks/`` that publishes it.
    statistic
        ``Sum``, ``Average``, ``p99``, … of each ``period``.
    dimensions
        Beside the service: ``venue`` for tasks, ``stage`` of ``StageLatency``.
    """
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"service": service, **dimensions},
        statistic=statistic,
        label=label,
        period=period,
    )


def aws_metric(
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    *,
    statistic: str = "Sum",
    label: str | None = None,
    period: Duration = MINUTE,
) -> cloudwatch.Metric:
    """Give a metric that a service of AWS publishes; ``namespace`` without its ``AWS/``."""
    return cloudwatch.Metric(
        namespace=f"AWS/{namespace}",
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        label=label,
        period=period,
    )


def each(
    schema: str, name: str, where: str = "", *, statistic: str = "Sum", period: Duration = MINUTE
) -> cloudwatch.SearchExpression:
    """Give every metric of a name, whatever the value of a dimension is: rules, nodes, log groups.

    Parameters
    ----------
    schema
        The namespace and the dimensions, ``Tickwire,rule,service``.
    where
        Further terms of CloudWatch's search, ``service="validator"``.
    """
    terms = f'{{{schema}}} MetricName="{name}" {where}'.rstrip()
    return cloudwatch.SearchExpression(
        expression=f"SEARCH('{terms}', '{statistic}', {period.to_seconds():.0f})",
        # The series are named by what tells them apart.
        label="",
        period=period,
    )


def completeness(venues: tuple[str, ...]) -> cloudwatch.MathExpression:
    """Give the share of an hour's trades, in percent, of which none is missing at its end."""
    trades = {f"t{n}": own_metric("Trades", INGESTOR, period=HOUR, venue=venue) for n, venue in enumerate(venues)}
    missing = {
        f"m{n}": own_metric("MissingIds", BACKFILLER, statistic="Minimum", period=HOUR, venue=venue)
        for n, venue in enumerate(venues)
    }
    all_trades, all_missing = (" + ".join(f"FILL({id_}, 0)" for id_ in part) for part in (trades, missing))
    return cloudwatch.MathExpression(
        expression=f"100 * ({all_trades}) / ({all_trades} + {all_missing})",
        using_metrics={**trades, **missing},
        label="Completeness of the hour, %",
        period=HOUR,
    )
