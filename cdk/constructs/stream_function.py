"""A function that reads a Kinesis stream, with the event-source mapping that Tickwire's order needs."""

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.failure_destination import WriteOnlyBucket
from cdk.constructs.log_metric import alarm_on_stopped_partitions
from cdk.constructs.service_function import ServiceFunction
from cdk.settings import ConsumerSettings, StageSettings


class StreamFunction(ServiceFunction):
    """A service function fed by a stream.

    The mapping starts at the oldest record, retries for as long as the record may live, halves a
    failing batch, honours partial failures, and hands what it gave up to ``failures``, whole. One
    batch a shard at a time: a partition's records stay in order.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stream: kinesis.IStream,
        failures: s3.IBucket,
        settings: StageSettings,
        name: str,
        **function: Any,
    ) -> None:
        super().__init__(scope, id_, settings=settings, name=name, **function)
        consumer = settings.consumers[name]
        mapping: dict[str, Any] = {
            "starting_position": lambda_.StartingPosition.TRIM_HORIZON,
            "batch_size": consumer.batch_size,
            "max_batching_window": Duration.seconds(consumer.window_seconds),
            "parallelization_factor": 1,
            "bisect_batch_on_error": True,
            "report_batch_item_failures": True,
            "retry_attempts": -1,
            "max_record_age": Duration.seconds(settings.max_record_age(name)),
            "on_failure": WriteOnlyBucket(failures),
            "metrics_config": lambda_.MetricsConfig(metrics=[lambda_.MetricType.EVENT_COUNT]),
        }
        acknowledge(
            self, {"AwsSolutions-IAM5[Resource::…Failures…/*]": "Lambda names the objects that it leaves there"}
        )
        source: sources.KinesisConsumerEventSource | sources.KinesisEventSource
        if consumer.fan_out:
            self.consumer = kinesis.StreamConsumer(
                self, "Consumer", stream=stream, stream_consumer_name=f"{settings.stage}-{name.replace('_', '-')}"
            )
            source = sources.KinesisConsumerEventSource(self.consumer, **mapping)
        else:
            source = sources.KinesisEventSource(stream, **mapping)
        self.function.add_event_source(source)
        self._alarm_on_lag(settings, consumer)
        # A consumer with an age of its own gives up what is too old for it on purpose.
        if consumer.max_record_age_seconds is None:
            self._alarm_on_loss(source.event_source_mapping_id, settings.max_record_age(name))
            alarm_on_stopped_partitions(self, self.log_group, service=name)

    def _alarm_on_lag(self, settings: StageSettings, consumer: ConsumerSettings) -> None:
        # Lambda's own figure: how old the newest record of a batch was when the function got it. It
        # may have waited for the window to end.
        new_alarm(
            self,
            "Behind",
            self.iterator_age(),
            runbook="consumer-behind",
            says=f"{self.name} is behind its stream",
            threshold=1000 * (settings.alarm_iterator_age_seconds + consumer.window_seconds),
        )

    def _alarm_on_loss(self, mapping_id: str, max_age_seconds: int) -> None:
        """Watch for records that are about to be given up, and for those that were."""
        new_alarm(
            self,
            "Expiring",
            self.iterator_age(),
            runbook="records-expiring",
            says=f"{self.name} has used up half of the time in which it may still take its records",
            threshold=1000 * max_age_seconds / 2,
        )
        names = {"delivered": "OnFailureDestinationDeliveredEventCount", "dropped": "DroppedEventCount"}
        given_up: dict[str, cloudwatch.IMetric] = {
            id_: cloudwatch.Metric(
                namespace="AWS/Lambda",
                metric_name=name,
                dimensions_map={"EventSourceMappingUUID": mapping_id},
                period=Duration.minutes(1),
                statistic="Sum",
            )
            for id_, name in names.items()
        }
        new_alarm(
            self,
            "GivenUp",
            cloudwatch.MathExpression(
                expression="FILL(delivered, 0) + FILL(dropped, 0)",
                using_metrics=given_up,
                label="Records given up",
                period=Duration.minutes(1),
            ),
            runbook="records-given-up",
            says=f"Lambda has given up records of {self.name}: they are in the failure bucket and nowhere behind it",
            threshold=0,
            periods=1,
        )

    def iterator_age(self) -> cloudwatch.Metric:
        """Give how far the function is behind, in ms: the greatest of a minute."""
        return self.function.metric(
            "IteratorAge", period=Duration.minutes(1), statistic="Maximum", unit=cloudwatch.Unit.MILLISECONDS
        )
