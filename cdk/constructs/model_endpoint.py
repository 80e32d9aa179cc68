"""The endpoint: made once by a function, then scaled and watched by what is here."""

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import new_alarm, runbook_link, send
from cdk.constructs.function_code import FunctionSource
from cdk.constructs.log_retention import new_log_group
from cdk.constructs.model_roles import grant_volumes, pass_to_sagemaker
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.constructs.service_function import ServiceFunction
from cdk.settings import StageSettings

VARIANTS = ("champion", "challenger")
CAPTURE = "capture"
SEED_ARCHIVE = "seed/model.tar.gz"

_REQUIREMENTS = ("aws-lambda-powertools[tracer]", "boto3", "msgspec", "numpy", "onnx")
# A minute. A server of one thread answers some thousands a second, and half an hour's traffic may come in a minute.
_INVOCATIONS_PER_INSTANCE = 30_000
_P99_MICROSECONDS = 100_000


def endpoint_name(settings: StageSettings) -> str:
    """Give the endpoint's name, by which those ask it that know nothing of the stack it is in."""
    return f"tickwire-{settings.stage}"


class ModelEndpoint(Construct):
    """A SageMaker endpoint with the variants ``champion`` and ``challenger``, encrypted, isolated, and captured.

    CloudFormation makes it once, by the function ``model_seed``, and never touches it again: the nightly state
    machine owns which models it serves. What hangs on it here (scaling, alarms) goes by the names of the endpoint and
    its variants, which stay.

    Parameters
    ----------
    serving_role, serving_image
        Of the seed; the state machine gives later models the same.
    needs
        What must be there before the endpoint.
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
        key: kms.IKey,
        bucket: PrivateBucket,
        serving_role: iam.IRole,
        serving_image: str,
        subnets: list[str],
        security_group: ec2.ISecurityGroup,
        package_group: str,
        needs: list[IDependable],
    ) -> None:
        super().__init__(scope, id_)
        self.name = name
        self._settings = settings
        log_group = new_log_group(
            self,
            "Logs",
            # SageMaker writes to this name, and would make the group itself, without a key and for ever.
            name=f"/aws/sagemaker/Endpoints/{name}",
            settings=settings,
            key=log_key,
        )
        self.seed = ServiceFunction(
            self,
            "Seed",
            name="model_seed",
            settings=settings,
            source=source,
            log_key=log_key,
            environment={
                "TICKWIRE_ENDPOINT": name,
                "TICKWIRE_IMAGE": serving_image,
                "TICKWIRE_SERVING_ROLE": serving_role.role_arn,
                "TICKWIRE_MODEL_BUCKET": bucket.bucket_name,
                "TICKWIRE_ARCHIVE": SEED_ARCHIVE,
                "TICKWIRE_KEY": key.key_arn,
                "TICKWIRE_INSTANCE_TYPE": settings.model.instance_type,
                "TICKWIRE_INSTANCES": str(settings.model.instances),
                "TICKWIRE_SUBNETS": ",".join(subnets),
                "TICKWIRE_SECURITY_GROUPS": security_group.security_group_id,
                "TICKWIRE_CAPTURE_PERCENT": str(settings.model.capture_percent),
                "TICKWIRE_CAPTURE_PREFIX": CAPTURE,
                "TICKWIRE_PACKAGE_GROUP": package_group,
            },
            requirements=_REQUIREMENTS,
        )
        self._allow_seeding(self.seed, bucket, key, serving_role, package_group)
        endpoint = CustomResource(
            self,
            "Endpoint",
            service_token=self.seed.function.function_arn,
            resource_type="Custom::ModelEndpoint",
            # Nothing that a deployment may change: what the seed is made of is told to the function alone.
            properties={"Endpoint": name},
            removal_policy=removal_of(settings),
        )
        endpoint.node.add_dependency(log_group, self.seed.role, serving_role, *needs)
        if settings.model.max_instances > settings.model.instances:
            for variant in VARIANTS:
                self._scale(variant, endpoint)
        self.health = self._watch()

    def metric(self, name: str, variant: str, *, statistic: str) -> cloudwatch.Metric:
        """Give a metric of one variant, by the minute."""
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={"EndpointName": self.name, "VariantName": variant},
            period=Duration.minutes(1),
            statistic=statistic,
        )

    def _allow_seeding(
        self, seed: ServiceFunction, bucket: PrivateBucket, key: kms.IKey, serving_role: iam.IRole, package_group: str
    ) -> None:
        stack = Stack.of(self)

        def arns(resource: str, *names: str) -> list[str]:
            return [stack.format_arn(service="sagemaker", resource=resource, resource_name=name) for name in names]

        endpoint = arns("endpoint", self.name)
        configurations, models = arns("endpoint-config", f"{self.name}-*"), arns("model", f"{self.name}-*")
        packages = arns("model-package-group", package_group) + arns("model-package", f"{package_group}/*")
        for sid, actions, resources in (
            ("SeedArchive", ["s3:PutObject"], [bucket.arn_for_objects(SEED_ARCHIVE)]),
            ("UseKey", ["kms:GenerateDataKey", "kms:DescribeKey"], [key.key_arn]),
            (
                "Endpoint",
                ["sagemaker:CreateEndpoint", "sagemaker:DescribeEndpoint", "sagemaker:DeleteEndpoint"],
                endpoint + configurations,
            ),
            (
                "Configuration",
                [
                    "sagemaker:CreateEndpointConfig",
                    "sagemaker:DescribeEndpointConfig",
                    "sagemaker:DeleteEndpointConfig",
                ],
                configurations,
            ),
            ("Model", ["sagemaker:CreateModel", "sagemaker:DeleteModel"], models),
            ("Packages", ["sagemaker:DeleteModelPackage"], packages),
        ):
            seed.role.add_to_policy(iam.PolicyStatement(sid=sid, actions=actions, resources=resources))
        # SageMaker's lists know no resources.
        seed.role.add_to_policy(
            iam.PolicyStatement(sid="ListPackages", actions=["sagemaker:ListModelPackages"], resources=["*"])
        )
        grant_volumes(seed.role, key)
        pass_to_sagemaker(seed.role, serving_role)
        acknowledge(
            seed.role,
            {
                "AwsSolutions-IAM5[Resource::…-*]": "Configurations and models carry the name of their run",
                "AwsSolutions-IAM5[Resource::…/*]": "Versions of one package group",
            },
        )

    def _scale(self, variant: str, endpoint: CustomResource) -> None:
        # Without a role, Application Auto Scaling takes its own for SageMaker.
        target = scaling.CfnScalableTarget(
            self,
            f"{variant.capitalize()}Instances",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{self.name}/variant/{variant}",
            min_capacity=self._settings.model.instances,
            max_capacity=self._settings.model.max_instances,
        )
        target.node.add_dependency(endpoint)
        scaling.CfnScalingPolicy(
            self,
            f"{variant.capitalize()}Scaling",
            policy_name=f"{self.name}-{variant}-invocations",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=_INVOCATIONS_PER_INSTANCE,
                predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                    predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                ),
                scale_out_cooldown=60,
                scale_in_cooldown=600,
            ),
        )

    def _watch(self) -> cloudwatch.CompositeAlarm:
        """Watch both variants, and put all of it into the one alarm that takes a challenger back."""
        alarms = []
        for variant in VARIANTS:
            alarms += [
                new_alarm(
                    self,
                    f"{variant.capitalize()}Errors",
                    self.metric("Invocation5XXErrors", variant, statistic="Sum"),
                    runbook="model-endpoint-errors",
                    says=f"The model's {variant} answers with errors",
                    threshold=0,
                    periods=3,
                    datapoints=2,
                    urgent=variant == "champion",
                ),
                new_alarm(
                    self,
                    f"{variant.capitalize()}Latency",
                    self.metric("ModelLatency", variant, statistic="p99"),
                    runbook="model-endpoint-latency",
                    says=f"One in a hundred answers of the model's {variant} takes longer than 100 ms",
                    threshold=_P99_MICROSECONDS,
                ),
            ]
        health = cloudwatch.CompositeAlarm(
            self,
            "Health",
            composite_alarm_name=f"{self.name}-health",
            alarm_description=f"Takes a challenger back. Runbook: {runbook_link(self, 'model-challenger-taken-back')}",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM) for alarm in alarms)
            ),
        )
        send(health, urgent=False)
        return health
