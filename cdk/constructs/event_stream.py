"""A Kinesis stream, encrypted, with alarms for writes and reads that it turns away."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.settings import StreamSettings

# Those that tell a hot shard: all of them would cost twice as much and say no more.
_SHARD_METRICS = [
    kinesis.ShardLevelMetrics.INCOMING_BYTES,
    kinesis.ShardLevelMetrics.INCOMING_RECORDS,
    kinesis.ShardLevelMetrics.WRITE_PROVISIONED_THROUGHPUT_EXCEEDED,
]


class EventStream(Construct):
    """One of the streams between two stages, named by CloudFormation."""

    def __init__(
        self, scope: Construct, id_: str, *, settings: StreamSettings, key: kms.IKey, removal_policy: RemovalPolicy
    ) -> None:
        super().__init__(scope, id_)
        provisioned = settings.shards > 0
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=kinesis.StreamMode.PROVISIONED if provisioned else kinesis.StreamMode.ON_DEMAND,
            shard_count=settings.shards or None,
            retention_period=Duration.hours(settings.retention_hours),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=key,
            removal_policy=removal_policy,
            shard_level_metrics=_SHARD_METRICS if settings.shard_metrics else None,
        )
        acknowledge(self.stream, {"AwsSolutions-KDS3": "A key of ours, whose use its policy and CloudTrail can limit"})
        # Writers retry what a full shard turns away, so a few are harmless and a steady count is not.
        new_alarm(
            self,
            "WritesThrottled",
            self.stream.metric_write_provisioned_throughput_exceeded(period=Duration.minutes(1), statistic="Sum"),
            runbook="stream-writes-throttled",
            says="The shards of a stream are too few for what is written",
            threshold=10,
        )
        # Two are content with what a shard gives to all its pollers; the others have a fan-out of their own.
        new_alarm(
            self,
            "ReadsThrottled",
            self.stream.metric_read_provisioned_throughput_exceeded(period=Duration.minutes(1), statistic="Sum"),
            runbook="stream-reads-throttled",
            says="More readers poll a stream than its shards can serve",
            threshold=10,
            periods=5,
        )
