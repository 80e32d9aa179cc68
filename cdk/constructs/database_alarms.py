"""What is watched of the database cluster."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_rds as rds
from constructs import Construct

from cdk.constructs.alarm import Comparison, new_alarm
from cdk.settings import DatabaseSettings

_CAPACITY_UNIT_BYTES = 2 * 1024**3
# Aurora's default for max_connections, "Maximum connections for Aurora Serverless v2": by the memory of
# the largest capacity, at most 5,000, and 2,000 where the smallest is below one unit.
_BYTES_A_CONNECTION = 9_531_392
_MOST_CONNECTIONS = 5_000
_MOST_CONNECTIONS_OF_A_SMALL_ONE = 2_000
# PostgreSQL stops at two thousand million; vacuum has long to catch up from here.
_TRANSACTION_IDS = 1_000_000_000


def max_connections(settings: DatabaseSettings) -> int:
    """Give how many connections the cluster takes."""
    most = _MOST_CONNECTIONS if settings.min_capacity >= 1 else _MOST_CONNECTIONS_OF_A_SMALL_ONE
    return min(most, int(settings.max_capacity * _CAPACITY_UNIT_BYTES / _BYTES_A_CONNECTION))


def add_database_alarms(scope: Construct, cluster: rds.DatabaseCluster, settings: DatabaseSettings) -> None:
    """Watch what stops the writers before it does."""

    def metric(name: str, *, statistic: str = "Maximum", minutes: int = 5) -> cloudwatch.Metric:
        return cluster.metric(name, statistic=statistic, period=Duration.minutes(minutes))

    new_alarm(
        scope,
        "Capacity",
        metric("ACUUtilization"),
        runbook="database-capacity",
        says=f"The database has needed over 90 % of its {settings.max_capacity:g} capacity units for 15 minutes",
        threshold=90,
    )
    new_alarm(
        scope,
        "Connections",
        metric("DatabaseConnections"),
        runbook="database-connections",
        says="Over 80 % of the connections that the database takes are in use",
        threshold=int(0.8 * max_connections(settings)),
        periods=2,
    )
    # Every writer locks its rows in one order, so one deadlock is one too many.
    new_alarm(
        scope,
        "Deadlocks",
        metric("Deadlocks", statistic="Sum"),
        runbook="database-deadlocks",
        says="Two writers waited for each other in the database",
        threshold=0,
        periods=1,
    )
    new_alarm(
        scope,
        "LocalStorage",
        metric("FreeLocalStorage", statistic="Minimum"),
        runbook="database-local-storage",
        says="An instance of the database has less than 2 GiB left for temporary files",
        threshold=2 * 1024**3,
        comparison=Comparison.LESS_THAN_THRESHOLD,
    )
    new_alarm(
        scope,
        "TransactionIds",
        metric("MaximumUsedTransactionIDs"),
        runbook="database-transaction-ids",
        says="The database's oldest transaction id is a thousand million back: vacuum does not keep up",
        threshold=_TRANSACTION_IDS,
        periods=1,
    )
    if settings.readers:
        new_alarm(
            scope,
            "ReplicaLag",
            metric("AuroraReplicaLagMaximum", minutes=1),
            runbook="database-replica-lag",
            says="A reader of the database is more than two seconds behind the writer",
            threshold=2_000,
            periods=5,
        )
