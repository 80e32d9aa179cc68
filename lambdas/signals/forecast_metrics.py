"""What became of predictions, as CloudWatch metrics: how many there were and why not, how fast, and how good."""

from collections import Counter
from dataclasses import dataclass, field
from math import log

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from lambdas.delivery.stage_metrics import NAMESPACE
from tickwire.conclusions import Outcome
from tickwire.forecast.endpoint import EndpointForecaster
from tickwire.records import Record

_SURE = 1e-6
"""A probability of 0 that was wrong would weigh infinitely much."""


@dataclass(slots=True)
class ForecastCounts:
    """Of one invocation, what was put and whose state was saved.

    ``losses`` are the log-losses of scored predictions, by (model, version).
    """

    made: int = 0
    absent: Counter[str] = field(default_factory=Counter)
    losses: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Count what a record tells."""
        for prediction in record.predictions:
            if prediction.probability is None:
                self.absent[prediction.absent] += 1
            else:
                self.made += 1
        for outcome in record.outcomes:
            if outcome.rose is not None:
                self.losses.setdefault((outcome.model, outcome.version), []).append(log_loss(outcome, outcome.rose))

    def take(self) -> "ForecastCounts":
        """Give what was counted, and begin anew."""
        taken = ForecastCounts(self.made, self.absent, self.losses)
        self.made, self.absent, self.losses = 0, Counter(), {}
        return taken


def log_loss(outcome: Outcome, rose: bool) -> float:
    """Give the negative natural logarithm of the probability that was given to what happened."""
    happened = outcome.probability if rose else 1 - outcome.probability
    return -log(max(happened, _SURE))


def publish_forecasts(metrics: Metrics, counts: ForecastCounts, forecaster: EndpointForecaster) -> None:
    """Add the counts to ``metrics``; those by reason, and by model and version, go out at once, a line each.

    What an invocation did not do is left out, which keeps the log short; ``BreakerOpen`` is told while it is.
    """
    if counts.made:
        metrics.add_metric(name="PredictionsMade", unit=MetricUnit.Count, value=counts.made)
    if counts.absent:
        metrics.add_metric(name="PredictionsAbsent", unit=MetricUnit.Count, value=counts.absent.total())
    for latency in forecaster.take_latencies():
        metrics.add_metric(name="EndpointLatency", unit=MetricUnit.Milliseconds, value=1e3 * latency)
    if forecaster.is_open:
        metrics.add_metric(name="BreakerOpen", unit=MetricUnit.Count, value=1)
    for reason, number in counts.absent.items():
        line = EphemeralMetrics(namespace=NAMESPACE)
        line.add_dimension(name="reason", value=reason)
        line.add_metric(name="PredictionsAbsent", unit=MetricUnit.Count, value=number)
        line.flush_metrics()
    for (model, version), losses in counts.losses.items():
        line = EphemeralMetrics(namespace=NAMESPACE)
        line.add_dimension(name="model", value=model)
        line.add_dimension(name="version", value=version)
        for loss in losses:
            # A hundred values fill a line, which then goes out by itself.
            line.add_metric(name="ModelLogLoss", unit="None", value=loss)
        line.add_metric(name="PredictionsScored", unit=MetricUnit.Count, value=len(losses))
        line.flush_metrics()
