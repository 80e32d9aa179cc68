"""A stage invocation's counts as CloudWatch metrics in embedded metric format."""

from typing import TYPE_CHECKING

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

if TYPE_CHECKING:
    # The broadcaster, which reports here too, must not load the state store's client for a name.
    from lambdas.delivery.partition_work import StageCounts

NAMESPACE = "Tickwire"


def publish(metrics: Metrics, counts: "StageCounts") -> None:
    """Add the counts to ``metrics``; ``Quarantined`` goes out at once, one a rule.

    Counts that are usually 0 are left out when they are, which keeps the log line short; alarms on
    them treat missing data as good.
    """
    for name, value in (("Records", counts.records), ("Trades", counts.trades), ("Outputs", counts.outputs)):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.add_metric(name="IteratorAge", unit=MetricUnit.Milliseconds, value=counts.iterator_age_ms)
    for name, value in (
        ("RepeatsSkipped", counts.repeats),
        ("Duplicates", counts.duplicates),
        ("DamagedRecords", counts.damaged),
        ("FailedPartitions", counts.failed_partitions),
        ("StateConflicts", counts.state_conflicts),
        ("QuarantinedRows", counts.quarantined.total()),
    ):
        if value:
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    for rule, rows in counts.quarantined.items():
        with single_metric(name="Quarantined", unit=MetricUnit.Count, value=rows, namespace=NAMESPACE) as quarantined:
            quarantined.add_dimension(name="rule", value=rule)
