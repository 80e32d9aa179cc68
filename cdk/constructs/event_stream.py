"""A Kinesis stream, encrypted, with an alarm for writes that it turns away."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.settings import StreamSettings


class EventStream(Construct):
    """One of the streams between two stages, named by CloudFormation."""

    def __init__(
        self, scope: Construct, id_: str, *, settings: StreamSettings, key: kms.IKey, removal_policy: RemovalPolicy
    ) -> None:
        super().__init__(scope, id_)
        provisioned = settings.shards is not None
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=kinesis.StreamMode.PROVISIONED if provisioned else kinesis.StreamMode.ON_DEMAND,
            shard_count=settings.shards,
            retention_period=Duration.hours(settings.retention_hours),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=key,
            removal_policy=removal_policy,
        )
        # Writers retry what a full shard turns away, so a few are harmless and a steady count is not.
        self.stream.metric_write_provisioned_throughput_exceeded(
            period=Duration.minutes(1), statistic="Sum"
        ).create_alarm(
            self,
            "WritesThrottled",
            alarm_description="The shards are too few for what is written",
            threshold=10,
            evaluation_periods=3,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
