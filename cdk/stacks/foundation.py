"""What every other stack stands on: the key of the logs, the alarms' topics, the permission boundary."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cdk.constructs.alarm_topics import AlarmTopics
from cdk.constructs.log_key import LogKey
from cdk.constructs.permission_boundary import PermissionBoundary
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings


class FoundationStack(Stack):
    """Stateful: without the key of the logs nobody reads what is in them."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, **stack: Any) -> None:
        super().__init__(scope, id_, **stack)
        removal = removal_of(settings)
        self.log_key = LogKey(self, "LogKey", removal_policy=removal)
        topics = AlarmTopics(self, "AlarmTopics", settings=settings)
        self.alarm_topic = topics.alarms
        self.page_topic = topics.pages
        self.boundary = PermissionBoundary(self, "Boundary", settings=settings)

        CfnOutput(self, "AlarmTopicArn", value=topics.alarms.topic_arn)
        CfnOutput(self, "PageTopicArn", value=topics.pages.topic_arn)
