"""Questions to the logs that somebody who was woken asks first, saved in CloudWatch Logs Insights."""

from collections.abc import Sequence

from aws_cdk import aws_logs as logs
from constructs import Construct

# By name: what is asked of the functions' logs …
_OF_FUNCTIONS = {
    "errors": logs.QueryString(
        fields=["@timestamp", "service", "message", "error", "reason", "exception"],
        filter_statements=['level in ["ERROR", "CRITICAL"]'],
        sort="@timestamp desc",
        limit=200,
    ),
    "partitions that stand still": logs.QueryString(
        filter_statements=['message in ["partition stopped", "partition failed", "messages stopped"]'],
        stats_statements=["count(*) as attempts, latest(reason) as why by service, partition, sequence_number, error"],
        sort="attempts desc",
        limit=100,
    ),
    "dead letters by reason": logs.QueryString(
        filter_statements=['message = "dead letters"'],
        stats_statements=["sum(count) as letters by kind, reason, bin(5m)"],
        sort="letters desc",
        limit=200,
    ),
    "slowest invocations": logs.QueryString(
        fields=["@timestamp", "@log", "record.metrics.durationMs", "record.metrics.initDurationMs"],
        filter_statements=['type = "platform.report"'],
        sort="record.metrics.durationMs desc",
        limit=50,
    ),
}
# … and of the tasks'.
_OF_TASKS = {
    "task errors": logs.QueryString(
        fields=["@timestamp", "logger", "level", "message", "error", "exception"],
        filter_statements=['level in ["WARNING", "ERROR", "CRITICAL"]'],
        sort="@timestamp desc",
        limit=200,
    ),
}


def save_queries(
    scope: Construct, folder: str, *, functions: Sequence[logs.ILogGroup], tasks: Sequence[logs.ILogGroup]
) -> None:
    """Save the queries in a folder of the console, each with the log groups that it is for."""
    for queries, groups in ((_OF_FUNCTIONS, functions), (_OF_TASKS, tasks)):
        for name, query in queries.items():
            logs.QueryDefinition(
                scope,
                f"Query-{name.replace(' ', '-')}",
                query_definition_name=f"{folder}/{name}",
                query_string=query,
                log_groups=list(groups),
            )
