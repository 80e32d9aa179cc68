"""The database, the state store, the lake, the tables and the queues."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb

from cdk.dashboards.metrics import aws_metric, each, own_metric
from cdk.dashboards.widgets import Page, Row, graph
from cdk.stacks.data import DataStack
from cdk.stacks.streams import StreamsStack

_DAY = Duration.days(1)


def stores(*, streams: StreamsStack, data: DataStack) -> Page:
    """Show how much the stores hold, how hard they work and what waits for them."""
    return [_database(data), _state(data), _lake(data), _tables(data), _queues(streams)]


def _database(data: DataStack) -> Row:
    cluster = {"DBClusterIdentifier": data.database.cluster.cluster_identifier}

    def metric(name: str, statistic: str = "Average", label: str | None = None) -> cloudwatch.Metric:
        return aws_metric("RDS", name, cluster, statistic=statistic, label=label)

    return [
        graph(
            "Aurora, capacity",
            metric("ServerlessDatabaseCapacity", "Maximum", "ACU"),
            right=[metric("ACUUtilization", "Maximum", "% of the maximum")],
            unit="ACU",
            right_unit="%",
        ),
        graph("Aurora, commits", metric("CommitLatency", "Average", "ms"), unit="ms"),
        graph(
            "Aurora, connections and deadlocks",
            metric("DatabaseConnections", "Maximum", "connections"),
            right=[metric("Deadlocks", "Average", "deadlocks a second")],
            unit="connections",
            right_unit="a second",
        ),
    ]


def _state(data: DataStack) -> Row:
    cluster = f'ClusterName="{data.state.cluster.ref}"'

    def by_node(name: str, statistic: str) -> cloudwatch.SearchExpression:
        return each("AWS/MemoryDB,ClusterName,NodeName", name, cluster, statistic=statistic)

    return [
        graph("MemoryDB, engine", by_node("EngineCPUUtilization", "Average"), unit="% of its core", limit=90),
        graph("MemoryDB, memory", by_node("DatabaseMemoryUsagePercentage", "Maximum"), unit="%", limit=100),
        # A key that is evicted is a partition's state: there must be none.
        graph("MemoryDB, evictions", by_node("Evictions", "Sum"), unit="keys a minute"),
    ]


def _lake(data: DataStack) -> Row:
    return [
        graph(
            "Lake, trades",
            own_metric("TradesWritten", "lake_writer", label="written"),
            own_metric("TradesCommitted", "lake_committer", label="committed"),
            unit="a minute",
        ),
        graph(
            "Lake, commits",
            own_metric("CommitConflicts", "lake_committer", label="conflicts"),
            own_metric("RepeatedMessages", "lake_committer", label="repeats"),
            own_metric("StoppedMessages", "lake_committer", label="stopped"),
            unit="a minute",
        ),
        graph(
            "Lake, size",
            aws_metric(
                "S3",
                "BucketSizeBytes",
                {"BucketName": data.lake.bucket_name, "StorageType": "StandardStorage"},
                statistic="Average",
                label="standard storage",
                period=_DAY,
            ),
            right=[own_metric("FileBytes", "lake_writer", label="written a day", period=_DAY)],
            unit="bytes",
            right_unit="bytes a day",
        ),
    ]


def _tables(data: DataStack) -> Row:
    tables = {
        "connections": data.connections,
        "subscriptions": data.subscriptions,
        "last values": data.last_values,
        "replay log": data.replay,
        "coordination": data.coordination,
    }

    def of_each(name: str) -> list[cloudwatch.IMetric]:
        return [_of_table(table, name, label) for label, table in tables.items()]

    return [
        graph("DynamoDB, reads", *of_each("ConsumedReadCapacityUnits"), unit="units a minute"),
        graph("DynamoDB, writes", *of_each("ConsumedWriteCapacityUnits"), unit="units a minute"),
        graph(
            "DynamoDB, throttled",
            *of_each("ReadThrottleEvents"),
            right=of_each("WriteThrottleEvents"),
            unit="reads a minute",
            right_unit="writes a minute",
        ),
    ]


def _of_table(table: dynamodb.ITable, name: str, label: str) -> cloudwatch.Metric:
    return aws_metric("DynamoDB", name, {"TableName": table.table_name}, label=label)


def _queues(streams: StreamsStack) -> Row:
    queues = {"frames-dlq": streams.frames_dlq, "trades-dlq": streams.trades_dlq, "lake-commits": streams.lake_commits}

    def of_each(name: str) -> list[cloudwatch.IMetric]:
        return [
            aws_metric("SQS", name, {"QueueName": queue.queue_name}, statistic="Maximum", label=label)
            for label, queue in queues.items()
        ]

    return [
        graph("Queues, oldest message", *of_each("ApproximateAgeOfOldestMessage"), unit="s", limit=600),
        graph("Queues, messages that wait", *of_each("ApproximateNumberOfMessagesVisible"), unit="messages"),
        graph("Dead letters stored", own_metric("DeadLetters", "dead_letters", label="letters"), unit="a minute"),
    ]
