"""What it costs, and what makes it cost that."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.constructs.service_function import ServiceFunction
from cdk.dashboards.metrics import HOUR, aws_metric, each
from cdk.dashboards.widgets import COLUMNS, Page, graph, note
from cdk.stacks.data import DataStack
from cdk.stacks.delivery import DeliveryStack
from cdk.stacks.streams import StreamsStack

# AWS adds up what the month has cost so far a few times a day, and tells it in this region alone.
_BILLING_REGION = "us-east-1"
_BILLING_PERIOD = Duration.hours(6)


def cost(
    functions: Sequence[ServiceFunction], *, streams: StreamsStack, data: DataStack, delivery: DeliveryStack
) -> Page:
    """Show the month's charges by service, and the quantities that drive them."""
    charges = cloudwatch.SearchExpression(
        expression=(
            "SEARCH('{AWS/Billing,Currency,ServiceName} MetricName=\"EstimatedCharges\"', 'Maximum',"
            f" {_BILLING_PERIOD.to_seconds():.0f})"
        ),
        label="",
        period=_BILLING_PERIOD,
        search_region=_BILLING_REGION,
    )
    flows = {"trades-raw": streams.trades_raw, "trades-clean": streams.trades_clean, "events": streams.market_events}
    cluster = {"DBClusterIdentifier": data.database.cluster.cluster_identifier}
    api = {"ApiId": delivery.screens.api.api_id}
    return [
        [
            note(
                "**The charges are those of the whole account**, month to date, and are there only if *Receive"
                " CloudWatch billing alerts* is switched on in its billing preferences. The budget of the"
                " stage counts by the tag `stage`."
            )
        ],
        [graph("Charges of the month so far, by service", charges, unit="USD", stacked=True, width=COLUMNS)],
        [
            graph("Lambda, time that is paid", *_durations(functions), unit="ms an hour", stacked=True),
            graph(
                "Kinesis",
                *(
                    aws_metric("Kinesis", "IncomingBytes", {"StreamName": flow.stream_name}, label=name, period=HOUR)
                    for name, flow in flows.items()
                ),
                unit="bytes an hour",
                stacked=True,
            ),
            graph(
                "Aurora",
                aws_metric("RDS", "ServerlessDatabaseCapacity", cluster, statistic="Average", label="ACU", period=HOUR),
                unit="ACU",
            ),
        ],
        [
            graph(
                "Logs",
                each("AWS/Logs,LogGroupName", "IncomingBytes", period=HOUR),
                unit="bytes an hour",
                stacked=True,
            ),
            graph(
                "WebSocket messages",
                aws_metric("ApiGateway", "MessageCount", api, label="messages", period=HOUR),
                unit="an hour",
            ),
            graph(
                "DynamoDB, writes",
                each("AWS/DynamoDB,TableName", "ConsumedWriteCapacityUnits", period=HOUR),
                unit="units an hour",
                stacked=True,
            ),
        ],
    ]


def _durations(functions: Sequence[ServiceFunction]) -> list[cloudwatch.IMetric]:
    return [
        function.function.metric_duration(statistic="Sum", period=HOUR, label=function.name) for function in functions
    ]
