"""The model's endpoint, and the training that changes what it serves."""

from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.constructs.model_endpoint import VARIANTS
from cdk.dashboards.metrics import HOUR, MINUTE
from cdk.dashboards.widgets import Page, graph
from cdk.stacks.model import ModelStack

# SageMaker counts in microseconds.
_MICROSECONDS = 1_000


def model(stack: ModelStack) -> Page:
    """Show champion beside challenger, and what the nights came to.

    How good the models are is not here: each night's evaluation, with its figures, is in the audit of the
    model's bucket, and what becomes of a challenger follows from that.
    """
    endpoint, machine = stack.endpoint, stack.nightly.machine

    def of_each(name: str, statistic: str) -> list[cloudwatch.IMetric]:
        return [endpoint.metric(name, variant, statistic=statistic).with_(label=variant) for variant in VARIANTS]

    def milliseconds(name: str, statistic: str) -> list[cloudwatch.IMetric]:
        return [
            cloudwatch.MathExpression(
                expression=f"{variant} / {_MICROSECONDS}",
                using_metrics={variant: metric},
                label=f"{variant}, {statistic}",
                period=MINUTE,
            )
            for variant, metric in zip(VARIANTS, of_each(name, statistic), strict=True)
        ]

    return [
        [
            graph("Invocations", *of_each("Invocations", "Sum"), unit="a minute", stacked=True),
            graph("Time in the model", *milliseconds("ModelLatency", "p99"), unit="ms", limit=100),
            graph("Time around it", *milliseconds("OverheadLatency", "p99"), unit="ms"),
        ],
        [
            graph("Requests that are wrong", *of_each("Invocation4XXErrors", "Sum"), unit="a minute"),
            graph("Errors of the endpoint", *of_each("Invocation5XXErrors", "Sum"), unit="a minute"),
            graph("Invocations an instance", *of_each("InvocationsPerInstance", "Sum"), unit="a minute"),
        ],
        [
            graph(
                "Nightly trainings",
                machine.metric_succeeded(statistic="Sum", period=HOUR, label="succeeded"),
                machine.metric_failed(statistic="Sum", period=HOUR, label="failed, or a challenger taken back"),
                unit="an hour",
            ),
            graph(
                "How long they took",
                machine.metric_time(statistic="Maximum", period=HOUR, label="ms"),
                unit="ms",
            ),
        ],
    ]
