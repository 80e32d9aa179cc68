"""The rules of cdk-nag, less what is acknowledged beside the constructs that break them."""

from aws_cdk import (
    IPolicyValidationContext,
    PolicyValidationPluginReport,
    PolicyViolation,
)
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from cdk.constructs.acknowledge import reason_for


class Rules(AwsSolutionsChecks):
    """AWS Solutions' rules as a validation plugin: synthesis ends with an error where one is broken.

    cdk-nag compares the id of a finding with what is acknowledged letter by letter. The ids of IAM5
    hold logical ids and names of exports, which change with every move of a construct; so what is
    acknowledged is compared here, where an id may leave a part open.

    ``used`` is what was acknowledged and found, by path and id, after synthesis.
    """

    def __init__(self, scope: IConstruct) -> None:
        super().__init__(scope)
        self.used: set[tuple[str, str]] = set()

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Judge the synthesised templates."""
        report = super().validate(context)
        standing = [found for violation in report.violations if (found := self._standing(violation)) is not None]
        return PolicyValidationPluginReport(success=not standing, violations=standing)

    def _standing(self, violation: PolicyViolation) -> PolicyViolation | None:
        resources = []
        for resource in violation.violating_resources:
            reason = reason_for(resource.construct_path or "", violation.rule_name)
            if reason is None:
                resources.append(resource)
            else:
                self.used.add(reason)
        if not resources:
            return None
        return PolicyViolation(
            rule_name=violation.rule_name,
            description=violation.description,
            severity=violation.severity,
            fix=violation.fix,
            violating_resources=resources,
        )
