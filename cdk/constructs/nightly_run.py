"""The nightly state machine with what it works by: its queries, its function, its role, its schedule, its alarms."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as states
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import Comparison, Missing, new_alarm
from cdk.constructs.function_code import FunctionSource
from cdk.constructs.log_retention import new_log_group
from cdk.constructs.model_roles import grant_volumes, pass_to_sagemaker
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.service_function import ServiceFunction
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.state_machines.nightly_names import Names
from cdk.state_machines.nightly_training import nightly_training
from tickwire.lake import TABLE
from tickwire.venues.registry import new_feed

_LOOK_SECONDS = 60
# Of the lake, a night; a query that reads more is a mistake in the query.
_SCANNED_BYTES = 2 * 1024**4
_SILENT_HOURS = 36


class NightlyRun(Construct):
    """Trains every night, and lets a better model take the champion's place.

    Parameters
    ----------
    machine
        The names of everything but what is made here.
    roles
        That SageMaker takes on for the state machine.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        source: FunctionSource,
        foundation: FoundationStack,
        data: DataStack,
        bucket: PrivateBucket,
        key: kms.IKey,
        roles: tuple[iam.IRole, ...],
        machine: Mapping[str, Any],
    ) -> None:
        super().__init__(scope, id_)
        self._settings = settings
        self._bucket = bucket
        self._key = key
        self._endpoint: str = machine["endpoint"]
        self._package_group: str = machine["package_group"]
        self.workgroup = self._new_workgroup()
        self.rollout = self._new_rollout(source, foundation, data)
        self.name = f"{self._endpoint}-nightly-training"
        log_group = new_log_group(
            self,
            "Logs",
            # Under this name the log's resource policy does not grow with each state machine of the account.
            name=f"/aws/vendedlogs/states/{self.name}",
            settings=settings,
            key=foundation.log_key,
        )
        names = Names(
            **machine,
            bucket=bucket.bucket_name,
            key=key.key_arn,
            workgroup=self.workgroup.name,
            rollout_function=self.rollout.function.function_arn,
            look_seconds=_LOOK_SECONDS,
            topic=foundation.alarm_topic.topic_arn,
        )
        self.machine = states.StateMachine(
            self,
            "Machine",
            # Its own name, since it looks for other runs of itself.
            state_machine_name=self.name,
            definition_body=states.DefinitionBody.from_string(Stack.of(self).to_json_string(nightly_training(names))),
            tracing_enabled=True,
            logs=states.LogOptions(destination=log_group, level=states.LogLevel.ALL, include_execution_data=True),
            encryption_configuration=states.CustomerManagedEncryptionConfiguration(key),
        )
        self._allow(roles, data, foundation)
        self._start_every_night()
        self._alarm()

    def _new_workgroup(self) -> athena.CfnWorkGroup:
        encryption = athena.CfnWorkGroup.EncryptionConfigurationProperty(
            encryption_option="SSE_KMS", kms_key=self._key.key_arn
        )
        return athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=f"{self._endpoint}-model",
            description="Training datasets, from the lake",
            recursive_delete_option=not self._settings.protected,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=_SCANNED_BYTES,
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{self._bucket.bucket_name}/queries/", encryption_configuration=encryption
                ),
            ),
        )

    def _new_rollout(self, source: FunctionSource, foundation: FoundationStack, data: DataStack) -> ServiceFunction:
        model = self._settings.model
        rollout = ServiceFunction(
            self,
            "Rollout",
            name="model_rollout",
            settings=self._settings,
            source=source,
            log_key=foundation.log_key,
            environment={
                "TICKWIRE_ENDPOINT": self._endpoint,
                "TICKWIRE_MODEL_BUCKET": self._bucket.bucket_name,
                "TICKWIRE_LAKE_TABLE": f'"{data.lake_database}"."{TABLE}"',
                "TICKWIRE_INSTRUMENTS": ",".join(instruments_of(self._settings)),
                "TICKWIRE_TRAIN_DAYS": str(model.train_days),
                "TICKWIRE_HOLDOUT_DAYS": str(model.holdout_days),
                "TICKWIRE_BAKE_SECONDS": str(60 * model.bake_minutes),
                "TICKWIRE_MIN_INVOCATIONS": str(model.min_invocations),
            },
        )
        written = [self._bucket.arn_for_objects(f"{prefix}/*") for prefix in ("datasets", "evaluations")]
        for sid, actions, resources in (
            ("ReadWhatARunHasWritten", ["s3:GetObject"], written),
            ("ListDatasets", ["s3:ListBucket"], [self._bucket.bucket_arn]),
            ("UseKey", ["kms:Decrypt"], [self._key.key_arn]),
        ):
            rollout.role.add_to_policy(iam.PolicyStatement(sid=sid, actions=actions, resources=resources))
        acknowledge(
            rollout.role, {"AwsSolutions-IAM5[Resource::…/*]": "Datasets and evaluations carry the name of their run"}
        )
        return rollout

    def _allow(self, roles: tuple[iam.IRole, ...], data: DataStack, foundation: FoundationStack) -> None:
        role = self.machine.role
        for sid, actions, resources in (*self._own_statements(), *self._lake_statements(data)):
            role.add_to_principal_policy(iam.PolicyStatement(sid=sid, actions=actions, resources=resources))
        # Composite alarms are described to whoever may describe all (CloudWatch API reference, DescribeAlarms); metrics
        # have no ARN.
        role.add_to_principal_policy(
            iam.PolicyStatement(
                sid="LookAtChallenger",
                actions=["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricStatistics"],
                resources=["*"],
            )
        )
        pass_to_sagemaker(role, *roles)
        grant_volumes(role, self._key)
        foundation.alarm_topic.grant_publish(role)
        self.rollout.function.grant_invoke(role)
        acknowledge(
            self.machine,
            {
                "AwsSolutions-IAM5[Resource::*]": "Deliveries of logs, traces, alarms and metrics have no ARN",
                "AwsSolutions-IAM5[Resource::…-*]": "Jobs, models and configurations carry the name of their run",
                "AwsSolutions-IAM5[Resource::…/*]": "Objects below its prefixes, the lake's tables, package versions",
                "AwsSolutions-IAM5[Resource::…:*]": "The function's versions: CDK grants them with the function",
                "AwsSolutions-IAM5[Action::kms:…*]": "With and without the plain text, of one key",
            },
        )

    def _own_statements(self) -> list[tuple[str, list[str], list[str]]]:
        stack, name, group = Stack.of(self), self._endpoint, self._package_group

        def arns(service: str, resource: str, *names: str) -> list[str]:
            return [stack.format_arn(service=service, resource=resource, resource_name=name) for name in names]

        endpoint = arns("sagemaker", "endpoint", name)
        configurations = arns("sagemaker", "endpoint-config", f"{name}-*")
        jobs = arns("sagemaker", "training-job", f"{name}-*") + arns("sagemaker", "processing-job", f"{name}-*")
        packages = arns("sagemaker", "model-package-group", group) + arns("sagemaker", "model-package", f"{group}/*")
        rules = arns(
            "events",
            "rule",
            "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
            "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
        )
        written = [self._bucket.arn_for_objects(f"{prefix}/*") for prefix in ("audit", "datasets", "queries")]
        machine = stack.format_arn(service="states", resource=f"stateMachine:{self.name}")
        return [
            ("OtherRuns", ["states:ListExecutions"], [machine]),
            ("LookAtEndpoint", ["sagemaker:DescribeEndpoint"], endpoint),
            (
                "ChangeEndpoint",
                ["sagemaker:UpdateEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities"],
                endpoint + configurations,
            ),
            (
                "Configurations",
                ["sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig"],
                configurations,
            ),
            (
                "Models",
                ["sagemaker:CreateModel", "sagemaker:DescribeModel"],
                arns("sagemaker", "model", f"{name}-*"),
            ),
            (
                "Jobs",
                [
                    *(f"sagemaker:{verb}TrainingJob" for verb in ("Create", "Describe", "Stop")),
                    *(f"sagemaker:{verb}ProcessingJob" for verb in ("Create", "Describe", "Stop")),
                    # Step Functions marks the jobs that it waits for.
                    "sagemaker:AddTags",
                    "sagemaker:ListTags",
                ],
                jobs,
            ),
            ("Packages", ["sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"], packages),
            # How Step Functions hears that a job has ended (its developer guide, "IAM policies for SageMaker").
            ("EndsOfJobs", ["events:DescribeRule", "events:PutRule", "events:PutTargets"], rules),
            ("WriteObjects", ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], written),
            ("ReadResults", ["s3:GetObject"], written[1:]),
            ("LookAtBucket", ["s3:GetBucketLocation", "s3:ListBucket"], [self._bucket.bucket_arn]),
            ("UseKey", ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], [self._key.key_arn]),
            (
                "Query",
                ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:StopQueryExecution"],
                arns("athena", "workgroup", self.workgroup.name),
            ),
            ("Catalogue", ["athena:GetDataCatalog"], arns("athena", "datacatalog", "AwsDataCatalog")),
        ]

    def _lake_statements(self, data: DataStack) -> list[tuple[str, list[str], list[str]]]:
        """Say what Athena reads in the caller's name: the lake's table, and what lies below it."""
        stack, database = Stack.of(self), data.lake_database
        catalogue = [
            stack.format_arn(service="glue", resource="catalog"),
            stack.format_arn(service="glue", resource="database", resource_name=database),
            stack.format_arn(service="glue", resource="table", resource_name=f"{database}/{TABLE}"),
        ]
        return [
            ("LakeTable", ["glue:GetDatabase", "glue:GetTable"], catalogue),
            ("LakeObjects", ["s3:GetObject"], [data.lake.arn_for_objects(f"{TABLE}/*")]),
            ("LakeBucket", ["s3:GetBucketLocation", "s3:ListBucket"], [data.lake.bucket_arn]),
            ("LakeKey", ["kms:Decrypt"], [data.key.key_arn]),
        ]

    def _start_every_night(self) -> None:
        role = iam.Role(self, "ScheduleRole", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"))
        self.machine.grant_start_execution(role)
        scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Tickwire: nightly training",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            schedule_expression=f"cron(30 {self._settings.model.hour} * * ? *)",
            schedule_expression_timezone="UTC",
            kms_key_arn=self._key.key_arn,
            # A start that fails for a day is missed; the alarm on silence tells.
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.machine.state_machine_arn, role_arn=role.role_arn, input="{}"
            ),
        )
        self._key.grant_decrypt(role)

    def _alarm(self) -> None:
        hour = Duration.hours(1)
        ends = {
            "failed": self.machine.metric_failed(period=Duration.minutes(5), statistic="Sum"),
            "timed_out": self.machine.metric_timed_out(period=Duration.minutes(5), statistic="Sum"),
            "aborted": self.machine.metric_aborted(period=Duration.minutes(5), statistic="Sum"),
        }
        new_alarm(
            self,
            "Failures",
            cloudwatch.MathExpression(
                expression="failed + timed_out + aborted", using_metrics=ends, period=Duration.minutes(5)
            ),
            runbook="nightly-training-failed",
            says="The nightly training failed, or took a challenger back; the champion serves on",
            threshold=0,
            periods=1,
        )
        new_alarm(
            self,
            "Silence",
            self.machine.metric_succeeded(period=hour, statistic="Sum"),
            runbook="nightly-training-silent",
            says=f"No nightly training has succeeded for {_SILENT_HOURS} hours",
            threshold=1,
            comparison=Comparison.LESS_THAN_THRESHOLD,
            periods=_SILENT_HOURS,
            missing=Missing.BREACHING,
        )


def instruments_of(settings: StageSettings) -> list[str]:
    """Give ``venue:SYMBOL`` of all that the stage ingests: two feeds of one venue bring the same trades."""
    found = {f"{new_feed(feed.feed).venue}:{symbol}": None for feed in settings.feeds for symbol in feed.symbols}
    return list(found)
