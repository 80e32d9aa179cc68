"""The tasks that talk to the exchanges."""

from collections.abc import Callable

from aws_cdk import aws_cloudwatch as cloudwatch

from cdk.dashboards.metrics import BACKFILLER, INGESTOR, aws_metric, own_metric
from cdk.dashboards.widgets import Page, graph
from cdk.stacks.streams import StreamsStack


def ingestion(venues: tuple[str, ...], *, streams: StreamsStack) -> Page:
    """Show what comes in by venue, how long it waits, and what is fetched afterwards."""
    ingestor, backfiller = _by_venue(INGESTOR, venues), _by_venue(BACKFILLER, venues)
    raw = {"StreamName": streams.trades_raw.stream_name}
    return [
        [
            graph("Trades", *ingestor("Trades"), unit="a minute", stacked=True),
            graph("Frames", *ingestor("Frames"), unit="a minute", stacked=True),
            graph("Quotes", *ingestor("Quotes"), unit="a minute", stacked=True),
        ],
        [
            graph("Receipt to Kinesis, p99", *ingestor("ReceiveToPutP99", "Maximum"), unit="ms"),
            graph("Oldest record that waits for Kinesis", *ingestor("PublishLagMax", "Maximum"), unit="ms"),
            graph("Event loop, longest lag", *ingestor("LoopLagMax", "Maximum"), unit="ms"),
        ],
        [
            graph("Processor of the busiest task", *ingestor("CpuShare", "Maximum"), unit="% of a core", limit=100),
            graph("Groups held", *ingestor("Groups", "Average"), unit="groups a task"),
            graph("Reconnects", *ingestor("Reconnects"), unit="a minute"),
        ],
        [
            graph("Frames that cannot be read", *ingestor("DeadFrames"), unit="a minute"),
            graph("Frames that match no layout", *ingestor("SlowFrameShare", "Average"), unit="%"),
            graph(
                "trades-raw",
                aws_metric("Kinesis", "IncomingBytes", raw, label="bytes"),
                right=[
                    aws_metric("Kinesis", "IncomingRecords", raw, label="records"),
                    aws_metric("Kinesis", "WriteProvisionedThroughputExceeded", raw, label="turned away"),
                ],
                unit="bytes a minute",
                right_unit="records a minute",
            ),
        ],
        [
            graph("Ids missing", *backfiller("MissingIds", "Maximum"), unit="ids", stacked=True),
            graph("Oldest missing id", *backfiller("MissingSeconds", "Maximum"), unit="s"),
            graph("Ids fetched", *backfiller("FilledIds"), unit="a minute", stacked=True),
        ],
        [
            graph("Ids confirmed absent", *backfiller("AbsentIds"), unit="a minute"),
            graph("Requests to histories", *backfiller("Requests"), unit="a minute"),
            graph("Requests that a venue's limit refused", *backfiller("RateLimited"), unit="a minute"),
        ],
    ]


def _by_venue(service: str, venues: tuple[str, ...]) -> Callable[..., list[cloudwatch.IMetric]]:
    def metrics(name: str, statistic: str = "Sum") -> list[cloudwatch.IMetric]:
        return [own_metric(name, service, statistic=statistic, label=venue, venue=venue) for venue in venues]

    return metrics
