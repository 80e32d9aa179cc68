"""Where a region's alarms go, and from there to people."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.constructs.alarm import topic_name
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings

# Who puts notices on the topics, and whether it names the account for which it does. EventBridge, whose rules
# tell of findings and of failed deployments, names none ("Key management", SNS developer guide).
_SENDERS = {"cloudwatch.amazonaws.com": True, "budgets.amazonaws.com": True, "events.amazonaws.com": False}


class AlarmTopics(Construct):
    """Two topics, encrypted, each with its subscribers by e-mail.

    An alarm can only notify a topic of its own region, so every region with alarms has these.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings) -> None:
        super().__init__(scope, id_)
        self.key = kms.Key(
            self,
            "Key",
            description="Tickwire alarms",
            enable_key_rotation=True,
            removal_policy=removal_of(settings),
        )
        this_account = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        for sender, names_account in _SENDERS.items():
            self.key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal(sender)],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                    # In a key's policy "*" means this key.
                    resources=["*"],
                    conditions=this_account if names_account else None,
                )
            )
        alarms = settings.alarms
        self.alarms = self._new_topic("Alarms", urgent=False, addresses=alarms.addresses)
        self.pages = self._new_topic("Pages", urgent=True, addresses=alarms.pages or alarms.addresses)
        for topic in (self.alarms, self.pages):
            for sender, names_account in _SENDERS.items():
                topic.add_to_resource_policy(
                    iam.PolicyStatement(
                        sid=sender.partition(".")[0].capitalize(),
                        principals=[iam.ServicePrincipal(sender)],
                        actions=["sns:Publish"],
                        resources=[topic.topic_arn],
                        conditions=this_account if names_account else None,
                    )
                )

    def _new_topic(self, id_: str, *, urgent: bool, addresses: tuple[str, ...]) -> sns.Topic:
        topic = sns.Topic(self, id_, topic_name=topic_name(self, urgent=urgent), master_key=self.key, enforce_ssl=True)
        for address in addresses:
            topic.add_subscription(subscriptions.EmailSubscription(address))
        return topic
