"""What the account's watchers find, told where the alarms are told."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from constructs import Construct

_RULES: Mapping[str, dict[str, Any]] = {
    "Noncompliant": {
        "source": ["aws.config"],
        "detail_type": ["Config Rules Compliance Change"],
        "detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT"]}},
    },
    # Medium and above: what is below is a port scan from somewhere, all day.
    "Threats": {
        "source": ["aws.guardduty"],
        "detail_type": ["GuardDuty Finding"],
        "detail": {"severity": [{"numeric": [">=", 4]}]},
    },
    "BackupsFailed": {
        "source": ["aws.backup"],
        "detail_type": ["Backup Job State Change", "Copy Job State Change"],
        "detail": {"state": ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"]},
    },
}


class Findings(Construct):
    """Rules of EventBridge that publish to the alarms' topic.

    They add to the policies of the topic and of its key that EventBridge may publish, without naming the
    account: EventBridge tells KMS neither that nor the rule ("Key management" of SNS' developer guide: the
    condition is not supported for encrypted topics), and a role is not advised for them.

    ``kinds`` are those of them that the stage has a source for: ``Noncompliant``, ``Threats``,
    ``BackupsFailed``.
    """

    def __init__(self, scope: Construct, id_: str, *, topic: sns.ITopic, kinds: list[str]) -> None:
        super().__init__(scope, id_)
        for kind in kinds:
            events.Rule(
                self,
                kind,
                event_pattern=events.EventPattern(**_RULES[kind]),
                targets=[targets.SnsTopic(topic)],
            )
