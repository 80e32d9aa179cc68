"""What every other stack stands on: the key of the logs, the alarms' topics, the permission boundary."""

from typing import Any

from aws_cdk import ArnFormat, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.alarm_topics import AlarmTopics
from cdk.constructs.permission_boundary import PermissionBoundary
from cdk.settings import StageSettings


class FoundationStack(Stack):
    """Stateful: without the key of the logs nobody reads what is in them."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, **stack: Any) -> None:
        super().__init__(scope, id_, **stack)
        self.log_key = self._new_log_key(RemovalPolicy.RETAIN if settings.protected else RemovalPolicy.DESTROY)
        topics = AlarmTopics(self, "AlarmTopics", settings=settings)
        self.alarm_topic = topics.alarms
        self.page_topic = topics.pages
        self.boundary = PermissionBoundary(self, "Boundary", settings=settings)

        CfnOutput(self, "AlarmTopicArn", value=topics.alarms.topic_arn)
        CfnOutput(self, "PageTopicArn", value=topics.pages.topic_arn)

    def _new_log_key(self, removal: RemovalPolicy) -> kms.Key:
        key = kms.Key(self, "LogKey", description="Tickwire logs", enable_key_rotation=True, removal_policy=removal)
        log_groups = self.format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogGroupsOfThisAccount",
                principals=[iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                # In a key's policy "*" means this key; the condition narrows it to this account's groups.
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            )
        )
        return key
