"""CloudTrail: who did what in the account, in every region, and who read or wrote which object."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.log_retention import new_log_group
from cdk.settings import StageSettings


class AuditTrail(Construct):
    """A trail of all regions into a bucket, each file with a digest that shows whether it was changed.

    Calls of KMS are among what it records for all services; objects it records of ``buckets`` alone.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        bucket: s3.IBucket,
        key: kms.Key,
        log_key: kms.IKey,
        buckets: Sequence[s3.IBucket],
    ) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        name = f"tickwire-{settings.stage}"
        arn = stack.format_arn(service="cloudtrail", resource="trail", resource_name=name)
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="TrailEncrypts",
                principals=[iam.ServicePrincipal("cloudtrail.amazonaws.com")],
                actions=["kms:GenerateDataKey*", "kms:DescribeKey"],
                # In a key's policy "*" means this key.
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceArn": arn}},
            )
        )
        trail = cloudtrail.Trail(
            self,
            "Trail",
            trail_name=name,
            bucket=bucket,
            encryption_key=key,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_file_validation=True,
            send_to_cloud_watch_logs=True,
            cloud_watch_log_group=new_log_group(
                self,
                "Logs",
                settings=settings,
                key=log_key,
            ),
        )
        trail.add_s3_event_selector(
            [cloudtrail.S3EventSelector(bucket=watched) for watched in buckets],
            include_management_events=True,
            read_write_type=cloudtrail.ReadWriteType.ALL,
        )
