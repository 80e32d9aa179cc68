"""What watches the account: its trail, its configuration, threats, backups, and what it costs."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_guardduty as guardduty
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.audit_trail import AuditTrail
from cdk.constructs.backups import Backups
from cdk.constructs.configuration_rules import ConfigurationRules
from cdk.constructs.findings import Findings
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.streams import StreamsStack

# What GuardDuty looks at beside the trail, names and flows, which it always does.
_PROTECTIONS = ("S3_DATA_EVENTS", "LAMBDA_NETWORK_LOGS", "RDS_LOGIN_EVENTS")


class GovernanceStack(Stack):
    """Stateful: its bucket is the account's memory of who did what.

    ``audit`` takes the trail, and what an application writes down of who did what: add objects to it by
    ``grant_put_object``. Nobody is granted more.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        foundation: FoundationStack,
        streams: StreamsStack,
        data: DataStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        removal = removal_of(settings)
        governance = settings.governance
        # Not the stores' key: who may decrypt the stores need not read who did, and the other way round.
        self.key = kms.Key(
            self, "Key", description="Tickwire audit and backups", enable_key_rotation=True, removal_policy=removal
        )
        self.audit = PrivateBucket(
            self,
            "Audit",
            key=self.key,
            removal_policy=removal,
            expire_after=Duration.days(governance.audit_days),
            lock=_lock_of(settings),
        )
        if governance.trail:
            AuditTrail(
                self,
                "Trail",
                settings=settings,
                bucket=self.audit,
                key=self.key,
                log_key=foundation.log_key,
                # Not the audit's own: what is delivered there would be recorded, and delivered there.
                buckets=[data.lake, streams.dead_letters, streams.failures],
            )
        if governance.config:
            ConfigurationRules(self, "Configuration", settings=settings, key=self.key)
        if governance.threats:
            guardduty.CfnDetector(
                self,
                "Threats",
                enable=True,
                finding_publishing_frequency="FIFTEEN_MINUTES",
                features=[
                    guardduty.CfnDetector.CFNFeatureConfigurationProperty(name=name, status="ENABLED")
                    for name in _PROTECTIONS
                ],
            )
        if governance.backups:
            Backups(self, "Backups", settings=settings, key=self.key, data=data, streams=streams)
        if governance.budget is not None:
            self._add_budget(settings, governance.budget, foundation)
        sources = {
            "Noncompliant": governance.config,
            "Threats": governance.threats,
            "BackupsFailed": governance.backups,
        }
        kinds = [kind for kind, there in sources.items() if there]
        Findings(self, "Findings", topic=foundation.alarm_topic, kinds=kinds)
        CfnOutput(self, "AuditBucket", value=self.audit.bucket_name)

    def _add_budget(self, settings: StageSettings, dollars: int, foundation: FoundationStack) -> None:
        """Tell when four fifths are spent, and when the month is going to cost more than all of it."""
        topic = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=foundation.alarm_topic.topic_arn)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=f"tickwire-{settings.stage}",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=threshold,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[topic],
                )
                for kind, threshold in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )


def _lock_of(settings: StageSettings) -> s3.ObjectLockRetention | None:
    duration = Duration.days(settings.governance.audit_days)
    locks = {"governance": s3.ObjectLockRetention.governance, "compliance": s3.ObjectLockRetention.compliance}
    lock = locks.get(settings.governance.audit_lock)
    return None if lock is None else lock(duration)
