"""The lake's copy in a second region: every object there within a quarter of an hour, under a key of that region."""

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import Missing, new_alarm
from cdk.settings import StageSettings

_RULE = "everything"
# What S3 promises of replication time control, and the only value that it takes.
_MINUTES = 15


def replica_bucket_name(stack: Stack, settings: StageSettings) -> str:
    """Give the name of the copy's bucket, which both regions must know."""
    return f"tickwire-{settings.stage}-lake-replica-{stack.account}"


def replica_key_alias(settings: StageSettings) -> str:
    """Give the alias of the copy's key."""
    return f"alias/tickwire-{settings.stage}-replica"


class LakeReplication(Construct):
    """Copies what is put and hides what is deleted; both regions keep old versions for a month.

    The copy of a deletion is only a marker, as the deletion itself is: who empties the lake has not
    emptied the copy.
    """

    def __init__(self, scope: Construct, id_: str, *, lake: s3.Bucket, key: kms.IKey, settings: StageSettings) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        region = str(settings.lake.replica_region)
        replica = stack.format_arn(
            service="s3", region="", account="", resource=replica_bucket_name(stack, settings),
            arn_format=ArnFormat.NO_RESOURCE_NAME,
        )  # fmt: skip
        alias = replica_key_alias(settings)
        role = self._new_role(lake, key, replica=replica, region=region, alias=alias)
        bucket = lake.node.default_child
        if not isinstance(bucket, s3.CfnBucket):
            raise TypeError("the lake is no bucket of CloudFormation")
        bucket.replication_configuration = s3.CfnBucket.ReplicationConfigurationProperty(
            role=role.role_arn,
            rules=[
                s3.CfnBucket.ReplicationRuleProperty(
                    id=_RULE,
                    status="Enabled",
                    priority=1,
                    filter=s3.CfnBucket.ReplicationRuleFilterProperty(prefix=""),
                    delete_marker_replication=s3.CfnBucket.DeleteMarkerReplicationProperty(status="Enabled"),
                    source_selection_criteria=s3.CfnBucket.SourceSelectionCriteriaProperty(
                        sse_kms_encrypted_objects=s3.CfnBucket.SseKmsEncryptedObjectsProperty(status="Enabled")
                    ),
                    destination=s3.CfnBucket.ReplicationDestinationProperty(
                        bucket=replica,
                        encryption_configuration=s3.CfnBucket.EncryptionConfigurationProperty(
                            replica_kms_key_id=f"arn:{stack.partition}:kms:{region}:{stack.account}:{alias}"
                        ),
                        replication_time=s3.CfnBucket.ReplicationTimeProperty(
                            status="Enabled", time=s3.CfnBucket.ReplicationTimeValueProperty(minutes=_MINUTES)
                        ),
                        metrics=s3.CfnBucket.MetricsProperty(
                            status="Enabled",
                            event_threshold=s3.CfnBucket.ReplicationTimeValueProperty(minutes=_MINUTES),
                        ),
                    ),
                )
            ],
        )
        self._add_alarms(lake, replica_bucket_name(stack, settings))

    def _new_role(self, lake: s3.Bucket, key: kms.IKey, *, replica: str, region: str, alias: str) -> iam.Role:
        stack = Stack.of(self)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("s3.amazonaws.com"))
        statements = (
            iam.PolicyStatement(
                actions=["s3:GetReplicationConfiguration", "s3:ListBucket"], resources=[lake.bucket_arn]
            ),
            iam.PolicyStatement(
                actions=[
                    "s3:GetObjectVersionForReplication",
                    "s3:GetObjectVersionAcl",
                    "s3:GetObjectVersionTagging",
                ],
                resources=[lake.arn_for_objects("*")],
            ),
            iam.PolicyStatement(
                actions=["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], resources=[f"{replica}/*"]
            ),
            iam.PolicyStatement(actions=["kms:Decrypt"], resources=[key.key_arn]),
            iam.PolicyStatement(
                actions=["kms:Encrypt"],
                # The key's own name is known to the other region alone; the alias narrows it to that one.
                resources=[f"arn:{stack.partition}:kms:{region}:{stack.account}:key/*"],
                conditions={"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}},
            ),
        )
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge(
            role,
            {
                "AwsSolutions-IAM5[Resource::…Lake…/*]": "Every object of the lake is copied",
                "AwsSolutions-IAM5[Resource::…lake-replica…/*]": "Every object of the lake is copied",
                "AwsSolutions-IAM5[Resource::…key/*]": "Narrowed to the copy's key by its alias",
            },
        )
        return role

    def _add_alarms(self, lake: s3.Bucket, replica: str) -> None:
        def metric(name: str, statistic: str) -> cloudwatch.Metric:
            return cloudwatch.Metric(
                namespace="AWS/S3",
                metric_name=name,
                dimensions_map={"SourceBucket": lake.bucket_name, "DestinationBucket": replica, "RuleId": _RULE},
                period=Duration.minutes(5),
                statistic=statistic,
            )

        new_alarm(
            self,
            "Late",
            metric("ReplicationLatency", "Maximum"),
            runbook="lake-replication",
            says="The lake's copy in the other region is more than a quarter of an hour behind",
            threshold=60 * _MINUTES,
            missing=Missing.NOT_BREACHING,
        )
        new_alarm(
            self,
            "Failed",
            metric("OperationsFailedReplication", "Sum"),
            runbook="lake-replication",
            says="Objects of the lake could not be copied to the other region",
            threshold=0,
            periods=1,
        )
