"""The way of a change: tests, the stage ``dev``, a visit to it, somebody's yes, the stage ``prod``."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import ArnFormat, CfnOutput, Duration, RemovalPolicy, Stack, Stage, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk.app_factory import add_platform, platform_name
from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import topic_name
from cdk.constructs.log_key import LogKey
from cdk.constructs.log_retention import retention_of
from cdk.constructs.private_bucket import PrivateBucket
from cdk.settings import InvalidSettings, StageSettings
from cdk.settings.pipeline import PipelineSettings

_SYNTHESIS = "npx cdk synth --app '.venv/bin/python -m cdk.pipeline_app' --quiet"
_RUNTIMES = {"phases": {"install": {"runtime-versions": {"python": "3.13", "nodejs": "22"}}}}
# Trades of a new deployment come within a minute or two; a visit that waits for one takes 20 s.
_VISITS = 10
_UNLOGGED = {"AwsSolutions-S1": "What is in it is made of the repository, by the pipeline alone"}


class PlatformStage(Stage):
    """All stacks of a stage, as the pipeline deploys them: the same, under the same names, as without it.

    Only rules between security groups, permissions and mappings of streams have other logical ids, which the CDK
    makes of whole paths, and AWS refuses the same rule or mapping twice. So a stage that the command line has
    deployed stays with the command line, and a pipeline begins with new ones.
    """

    def __init__(self, scope: Construct, *, settings: StageSettings) -> None:
        super().__init__(scope, platform_name(settings))
        observability = add_platform(self, settings, prefix="")
        if observability is None:
            raise InvalidSettings(f"the stage {settings.stage!r} is not for AWS, and so not for a pipeline")
        self.canary: CfnOutput = observability.canary_output


class PipelineStack(Stack):
    """Stands where its first stage does, and changes itself when the code says so.

    Whatever is pushed goes to the first stage once the tests pass, and to the others once the canary has
    seen a live trade there and somebody has said yes. A run that fails is told to the first stage's alarms.

    Parameters
    ----------
    stages
        In the order in which they are deployed; the first one without being asked.

    Raises
    ------
    InvalidSettings
        If a stage names no account: each has stacks in two regions, and across regions a pipeline must know.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: PipelineSettings,
        stages: Sequence[StageSettings],
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        for stage in stages:
            if stage.account is None:
                raise InvalidSettings(f'a pipeline must know where it deploys: write account = "…" in [{stage.stage}]')
        first, *others = stages
        self._logs = logs.LogGroup(
            self,
            "Logs",
            retention=retention_of(first.log_retention_days),
            encryption_key=LogKey(self, "LogKey", removal_policy=RemovalPolicy.DESTROY),
            removal_policy=RemovalPolicy.DESTROY,
        )
        source = pipelines.CodePipelineSource.connection(
            settings.repository, settings.branch, connection_arn=settings.connection_arn
        )
        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=id_,
            synth=self._step("Synth", [_SYNTHESIS], source, install=["npm ci"], output="cdk.out"),
            artifact_bucket=self._new_bucket(),
            # In the other regions the CDK makes the buckets, and these give them keys.
            cross_account_keys=True,
            enable_key_rotation=True,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=_machine(),
                logging=self._logging,
                timeout=Duration.hours(1),
            ),
            # Images for ARM, made on ARM: under emulation one takes half an hour.
            asset_publishing_code_build_defaults=pipelines.CodeBuildOptions(build_environment=_machine(docker=True)),
            publish_assets_in_parallel=False,
        )
        tests = self._step("Test", ["make check", "make test"], source)
        platform = PlatformStage(self, settings=first)
        pipeline.add_stage(platform, pre=[tests], post=[self._smoke(platform)])
        for stage in others:
            said_yes = pipelines.ManualApprovalStep(
                f"Promote-{stage.stage}",
                comment=f"{first.stage} is well: look at its overview, then let this version into {stage.stage}",
            )
            pipeline.add_stage(PlatformStage(self, settings=stage), pre=[said_yes])
        pipeline.build_pipeline()
        self._tell_of_failures(pipeline)
        self._acknowledge(pipeline)

    @property
    def _logging(self) -> codebuild.LoggingOptions:
        return codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=self._logs))

    def _new_bucket(self) -> PrivateBucket:
        key = kms.Key(
            self,
            "Key",
            description="Tickwire pipeline",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        bucket = PrivateBucket(
            self, "Artifacts", key=key, removal_policy=RemovalPolicy.DESTROY, expire_after=Duration.days(30)
        )
        acknowledge(bucket, _UNLOGGED)
        return bucket

    def _step(
        self,
        name: str,
        commands: list[str],
        source: pipelines.IFileSetProducer | None,
        *,
        install: Sequence[str] = (),
        output: str | None = None,
    ) -> pipelines.CodeBuildStep:
        return pipelines.CodeBuildStep(
            name,
            input=source,
            install_commands=[*install, "make setup"],
            commands=commands,
            primary_output_directory=output,
            partial_build_spec=codebuild.BuildSpec.from_object(_RUNTIMES),
        )

    def _smoke(self, platform: PlatformStage) -> pipelines.CodeBuildStep:
        """Let the canary of a stage visit it until it sees a live trade, or has tried often enough."""
        functions = self.format_arn(
            service="lambda",
            resource="function",
            resource_name=f"{platform.stage_name}-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        seen = """grep '"succeeded": true' visit.json"""
        visit = f'aws lambda invoke --function-name "$CANARY" visit.json && cat visit.json && {seen}'
        return pipelines.CodeBuildStep(
            "Smoke",
            env_from_cfn_outputs={"CANARY": platform.canary},
            commands=[f"for number in $(seq {_VISITS}); do {visit} && break; done", seen],
            role_policy_statements=[
                # Its name is CloudFormation's, and known only once it is there.
                iam.PolicyStatement(sid="Visit", actions=["lambda:InvokeFunction"], resources=[functions])
            ],
        )

    def _tell_of_failures(self, pipeline: pipelines.CodePipeline) -> None:
        """Notify the first stage's topic, by its name: that stage is deployed by this pipeline, hence after it."""
        name = topic_name(self, urgent=False)
        arn = self.format_arn(service="sns", resource=name, arn_format=ArnFormat.NO_RESOURCE_NAME)
        rule = pipeline.pipeline.on_state_change(
            "Failed",
            description="Tickwire: a run of the pipeline failed",
            target=targets.SnsTopic(sns.Topic.from_topic_arn(self, "Topic", arn)),
        )
        rule.add_event_pattern(detail={"state": ["FAILED"]})

    def _acknowledge(self, pipeline: pipelines.CodePipeline) -> None:
        for support in pipeline.pipeline.cross_region_support.values():
            acknowledge(support.stack, _UNLOGGED)
        acknowledge(
            pipeline,
            {
                "AwsSolutions-IAM5…": "The grants of CDK Pipelines: artefacts of one bucket, logs and reports of"
                " one project, and the roles of the CDK's own bootstrap, which know their stacks",
                "AwsSolutions-CB3": "Images are built in it",
                "AwsSolutions-CB4": "CodeBuild encrypts with the key of the artefacts' bucket",
            },
        )


def _machine(*, docker: bool = False) -> codebuild.BuildEnvironment:
    return codebuild.BuildEnvironment(
        build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0,
        compute_type=codebuild.ComputeType.LARGE,
        privileged=docker,
    )
