"""The hourly look for drift: its function, what it may do, its schedule, its alarm."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as states
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm
from cdk.constructs.database import READER
from cdk.constructs.grants import grant
from cdk.constructs.nightly_run import instruments_of
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.service_function import ServiceFunction
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.network import NetworkStack
from tickwire.model.drift import MAX_PSI
from tickwire.model.drift_check import CHECKS_IN_A_ROW

# As lambdas/model_drift names it.
_STATE = "drift/state.json"


class ModelDrift(Construct):
    """Compares every hour what the champion sees with what it learnt from, and starts ``machine`` where that differs.

    Parameters
    ----------
    machine
        The nightly training.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        endpoint: str,
        machine: states.StateMachine,
        foundation: FoundationStack,
        network: NetworkStack,
        data: DataStack,
        bucket: PrivateBucket,
        key: kms.IKey,
        **functions: Any,
    ) -> None:
        super().__init__(scope, id_)
        group = ec2.SecurityGroup(
            self, "Group", vpc=network.vpc, description="Function that looks for drift", allow_all_outbound=False
        )
        # The gateway endpoint is a route and not an address; the subnets have no other way out.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS APIs, and S3 by the gateway endpoint")
        network.open_endpoints_to(group, "Drift")
        self.check = ServiceFunction(
            self,
            "Check",
            name="model_drift",
            settings=settings,
            log_key=foundation.log_key,
            environment={
                "TICKWIRE_DATABASE_URL": data.database.proxy_url(READER),
                "TICKWIRE_DATABASE_IAM": "true",
                "TICKWIRE_ENDPOINT": endpoint,
                "TICKWIRE_INSTRUMENTS": ",".join(instruments_of(settings)),
                "TICKWIRE_MODEL_BUCKET": bucket.bucket_name,
                "TICKWIRE_STATE_MACHINE": machine.state_machine_arn,
            },
            vpc=network.vpc,
            security_groups=[group],
            **functions,
        )
        data.database.open_proxy_to(group, "Drift")
        data.database.grant_proxy_login(self.check.role, READER)
        machine.grant_start_execution(self.check.role)
        self._allow(endpoint, bucket, key)
        self._look_every_hour(key)
        self._alarm()

    def _allow(self, endpoint: str, bucket: PrivateBucket, key: kms.IKey) -> None:
        stack, role = Stack.of(self), self.check.role

        def arn(resource: str, name: str) -> str:
            return stack.format_arn(service="sagemaker", resource=resource, resource_name=name)

        archives = [bucket.arn_for_objects(f"{prefix}/*") for prefix in ("candidates", "seed")]
        state = bucket.arn_for_objects(_STATE)
        audit = bucket.arn_for_objects("audit/drift-*")
        for sid, actions, resources in (
            ("FindEndpoint", ["sagemaker:DescribeEndpoint"], [arn("endpoint", endpoint)]),
            ("FindVariants", ["sagemaker:DescribeEndpointConfig"], [arn("endpoint-config", f"{endpoint}-*")]),
            ("FindArchive", ["sagemaker:DescribeModel"], [arn("model", f"{endpoint}-*")]),
            ("ReadModels", ["s3:GetObject"], [*archives, state]),
            ("SeeWhetherThereIsState", ["s3:ListBucket"], [bucket.bucket_arn]),
            ("KeepChecks", ["s3:PutObject"], [state, audit]),
            ("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], [key.key_arn]),
        ):
            role.add_to_policy(iam.PolicyStatement(sid=sid, actions=actions, resources=resources))
        acknowledge(
            role,
            {
                "AwsSolutions-IAM5[Resource::…-*]": "Configurations, models and audits carry the name of their run",
                "AwsSolutions-IAM5[Resource::…/*]": "Archives carry the name of their run",
            },
        )

    def _look_every_hour(self, key: kms.IKey) -> None:
        caller = iam.Role(
            self,
            "Caller",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
            ),
        )
        grant(caller, "lambda:InvokeFunction", on=self.check.function.function_arn)
        key.grant_decrypt(caller)
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Tickwire: look for drift",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            schedule_expression="cron(10 * * * ? *)",
            schedule_expression_timezone="UTC",
            kms_key_arn=key.key_arn,
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.check.function.function_arn, role_arn=caller.role_arn, input="{}"
            ),
        )
        # Scheduler tries the role when it makes the schedule.
        schedule.node.add_dependency(caller)

    def _alarm(self) -> None:
        hour = Duration.hours(1)
        metrics = {
            name: cloudwatch.Metric(
                namespace="Tickwire",
                metric_name=metric,
                dimensions_map={"service": self.check.name},
                period=hour,
                statistic="Maximum",
            )
            for name, metric in (("features", "FeatureDrift"), ("score", "ScoreDrift"), ("loss", "LossDrift"))
        }
        new_alarm(
            self,
            "Drift",
            cloudwatch.MathExpression(
                expression=f"IF(features > {MAX_PSI} OR score > {MAX_PSI} OR loss > 0, 1, 0)",
                using_metrics=metrics,
                period=hour,
            ),
            runbook="model-drift",
            says="What the model sees, answers, or earns has moved away from what it learnt",
            threshold=0,
            periods=CHECKS_IN_A_ROW,
        )
