"""A Lambda function with its log group, its role and its alarms."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.function_code import ARCHITECTURE, RUNTIME, FunctionSource, handler_of
from cdk.constructs.log_retention import new_log_group
from cdk.settings import StageSettings


class ServiceFunction(Construct):
    """One of the folders of ``lambdas/``, deployed.

    Parameters
    ----------
    name
        The folder's name.
    requirements
        The packages that go into a zip. None makes it a container image, for functions whose
        packages exceed the 250 MB of a zip.
    vpc
        Where the function runs; None keeps it outside, with access to AWS alone.
    given_up
        Where a call goes that nobody waits for, once Lambda has tried it three times; None drops it.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        settings: StageSettings,
        source: FunctionSource,
        log_key: kms.IKey,
        environment: Mapping[str, str],
        requirements: Sequence[str] | None = None,
        vpc: ec2.IVpc | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        given_up: sqs.IQueue | None = None,
    ) -> None:
        super().__init__(scope, id_)
        self.name = name
        self.log_group = new_log_group(
            self,
            "Logs",
            settings=settings,
            key=log_key,
        )
        size = settings.functions[name]
        self.role = self._new_role(in_vpc=vpc is not None)
        variables = {
            "POWERTOOLS_SERVICE_NAME": name,
            "POWERTOOLS_METRICS_NAMESPACE": "Tickwire",
            "TICKWIRE_PARTITIONS": str(settings.partitions),
            **environment,
        }
        shared: dict[str, Any] = {
            "architecture": ARCHITECTURE,
            "memory_size": size.memory,
            "timeout": Duration.seconds(size.timeout_seconds),
            "reserved_concurrent_executions": size.reserved,
            "environment": variables,
            "log_group": self.log_group,
            "logging_format": lambda_.LoggingFormat.JSON,
            "role": self.role,
            "tracing": lambda_.Tracing.ACTIVE,
            "vpc": vpc,
            "vpc_subnets": None if vpc is None else ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            "security_groups": None if security_groups is None else list(security_groups),
            "dead_letter_queue": given_up,
        }
        if requirements is not None:
            acknowledge(
                self, {"AwsSolutions-L1": "The runtime is the one that the lock and the images are tested with"}
            )
        self.function: lambda_.Function = (
            lambda_.DockerImageFunction(self, "Function", code=source.image(name), **shared)
            if requirements is None
            else lambda_.Function(
                self,
                "Function",
                runtime=RUNTIME,
                handler=handler_of(name),
                code=source.zip(requirements),
                **shared,
            )
        )
        self._alarm_on_errors()

    def _new_role(self, *, in_vpc: bool) -> iam.Role:
        """Make the role by hand: the managed policy for logs would open every log group."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log_group.grant_write(role)
        acknowledge(
            role, {"AwsSolutions-IAM5[Resource::*]": "X-Ray's segments and network interfaces to be made have no ARN"}
        )
        if in_vpc:
            # Lambda checks these for the function's network interfaces, which have no name yet.
            role.add_to_policy(
                iam.PolicyStatement(
                    sid="NetworkInterfaces",
                    actions=[
                        "ec2:CreateNetworkInterface",
                        "ec2:DeleteNetworkInterface",
                        "ec2:DescribeNetworkInterfaces",
                        "ec2:DescribeSubnets",
                        "ec2:AssignPrivateIpAddresses",
                        "ec2:UnassignPrivateIpAddresses",
                    ],
                    resources=["*"],
                )
            )
        return role

    def _alarm_on_errors(self) -> None:
        self.errors = new_alarm(
            self,
            "Errors",
            self.function.metric_errors(period=Duration.minutes(1), statistic="Sum"),
            runbook="function-errors",
            says=f"{self.name} fails again and again",
            threshold=0,
            periods=5,
            datapoints=3,
        )
        new_alarm(
            self,
            "Throttles",
            self.function.metric_throttles(period=Duration.minutes(1), statistic="Sum"),
            runbook="function-throttled",
            says=f"{self.name} is not allowed to run as often as it should",
            threshold=0,
            periods=5,
            datapoints=3,
        )
