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
from cdk.constructs.service_function import ServiceFunction
from cdk.settings import StageSettings


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
        }
        acknowledge(
            self, {"AwsSolutions-IAM5[Resource::…Failures…/*]": "Lambda names the objects that it leaves there"}
        )
        if consumer.fan_out:
            self.consumer = kinesis.StreamConsumer(
                self, "Consumer", stream=stream, stream_consumer_name=f"{settings.stage}-{name.replace('_', '-')}"
            )
            self.function.add_event_source(sources.KinesisConsumerEventSource(self.consumer, **mapping))
        else:
            self.function.add_event_source(sources.KinesisEventSource(stream, **mapping))
        # Lambda's own figure: how old the newest record of a batch was when the function got it. It
        # may have waited for the window to end.
        new_alarm(
            self,
            "Behind",
            self.function.metric(
                "IteratorAge", period=Duration.minutes(1), statistic="Maximum", unit=cloudwatch.Unit.MILLISECONDS
            ),
            runbook="consumer-behind",
            says=f"{name} is behind its stream",
            threshold=1000 * (settings.alarm_iterator_age_seconds + consumer.window_seconds),
        )
