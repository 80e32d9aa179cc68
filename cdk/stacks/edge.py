"""What must stand in us-east-1 for CloudFront: the firewall, the certificate, the alarms on both."""

from typing import Any

from aws_cdk import ArnFormat, CrossStackReferences, Duration, ReferenceStrength, RemovalPolicy, Stack
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from cdk.constructs.alarm import new_alarm
from cdk.constructs.alarm_topics import AlarmTopics
from cdk.constructs.log_key import LogKey
from cdk.constructs.log_retention import new_log_group
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings

REGION = "us-east-1"

# In the order in which they are asked; each is a set of rules that AWS keeps up to date.
_MANAGED_RULES = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
)


class EdgeStack(Stack):
    """In us-east-1, wherever the stage is: CloudFront takes firewalls and certificates from there alone.

    The distribution is not here. It needs the addresses of both APIs; the page's app client needs the
    distribution's address, to send people back to after the login; and the APIs need the client's id, to know its
    tokens. Spread over stacks that is a circle, which CloudFormation refuses; in one stack, resource by resource,
    there is none. So all of it is in :class:`~cdk.stacks.delivery.DeliveryStack`, a distribution being global from
    whichever region it is made, and this stack needs nothing of the others.

    One or two ARNs go from here to there, across regions, by ``Fn::GetStackOutput``. The CDK's other way, by parameters
    and functions that copy them, would bring roles and functions of its own into both stacks.
    """

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, **stack: Any) -> None:
        super().__init__(scope, id_, **stack)
        self._settings = settings
        removal = removal_of(settings)
        if settings.region != REGION:
            # An alarm can only notify a topic of its own region.
            AlarmTopics(self, "AlarmTopics", settings=settings)
        self._firewall = self._new_firewall()
        self._log_firewall(removal)
        self._alarm()
        self.certificate = self._new_certificate()
        for named_elsewhere in (self._firewall, self.certificate):
            if named_elsewhere is not None:
                CrossStackReferences.of(named_elsewhere).produce(ReferenceStrength.WEAK)

    @property
    def firewall_arn(self) -> str:
        """What a distribution names to stand behind the firewall."""
        return self._firewall.attr_arn

    def _new_firewall(self) -> waf.CfnWebACL:
        rules = [
            self._rule(
                name,
                priority,
                statement=waf.CfnWebACL.StatementProperty(
                    managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                        vendor_name="AWS", name=name
                    )
                ),
                override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
            )
            for priority, name in enumerate(_MANAGED_RULES, start=1)
        ]
        # First, since it costs least to ask.
        limit = self._rule(
            "RateLimit",
            0,
            statement=waf.CfnWebACL.StatementProperty(
                rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                    aggregate_key_type="IP", limit=self._settings.access.rate_limit, evaluation_window_sec=300
                )
            ),
            action=waf.CfnWebACL.RuleActionProperty(block={}),
        )
        return waf.CfnWebACL(
            self,
            "Firewall",
            scope="CLOUDFRONT",
            description=f"Tickwire {self._settings.stage}: in front of the page and the APIs",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            rules=[limit, *rules],
            visibility_config=self._visibility(self._metric_name),
        )

    def _rule(self, name: str, priority: int, **properties: Any) -> waf.CfnWebACL.RuleProperty:
        return waf.CfnWebACL.RuleProperty(
            name=name, priority=priority, visibility_config=self._visibility(name), **properties
        )

    @property
    def _metric_name(self) -> str:
        return f"tickwire-{self._settings.stage}"

    def _visibility(self, metric_name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
        return waf.CfnWebACL.VisibilityConfigProperty(
            cloud_watch_metrics_enabled=True, metric_name=metric_name, sampled_requests_enabled=True
        )

    def _log_firewall(self, removal: RemovalPolicy) -> None:
        # WAF takes only groups whose names begin like this.
        name = f"aws-waf-logs-tickwire-{self._settings.stage}"
        group = new_log_group(
            self,
            "FirewallLog",
            name=name,
            settings=self._settings,
            key=LogKey(self, "LogKey", removal_policy=removal),
        )
        # Not the group's own ARN: it ends with ":*", which WAF refuses.
        arn = self.format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        waf.CfnLoggingConfiguration(
            self,
            "FirewallLogging",
            resource_arn=self.firewall_arn,
            log_destination_configs=[arn],
            redacted_fields=[waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": "authorization"})],
        ).node.add_dependency(group)

    def _alarm(self) -> None:
        new_alarm(
            self,
            "Blocks",
            cloudwatch.Metric(
                namespace="AWS/WAFV2",
                metric_name="BlockedRequests",
                # A firewall of CloudFront has no dimension for a region.
                dimensions_map={"WebACL": self._metric_name, "Rule": "ALL"},
                period=Duration.minutes(5),
                statistic="Sum",
            ),
            runbook="firewall-blocks",
            says="The firewall turns away many more requests than usual",
            threshold=self._settings.access.rate_limit,
            periods=1,
        )
        new_alarm(
            self,
            "ServerErrors",
            # By a query and not by the distribution's id, which comes after this stack. An account has one stage.
            cloudwatch.MathExpression(
                expression='SELECT MAX("5xxErrorRate") FROM SCHEMA("AWS/CloudFront", DistributionId, Region)',
                using_metrics={},
                period=Duration.minutes(1),
                label="5xx, % of requests",
            ),
            runbook="edge-errors",
            says="Clients get errors from the page or the APIs",
            threshold=5,
            periods=5,
            datapoints=3,
            urgent=True,
        )

    def _new_certificate(self) -> acm.ICertificate | None:
        access = self._settings.access
        if access.domain is None or access.zone_id is None:
            return None
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=access.zone_id, zone_name=access.domain
        )
        return acm.Certificate(
            self,
            "Certificate",
            domain_name=access.domain,
            validation=acm.CertificateValidation.from_dns(zone),
        )
