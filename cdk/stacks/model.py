"""The model: its endpoint, and the nightly training that keeps the best one there."""

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from cdk.constructs.function_code import FunctionSource
from cdk.constructs.model_drift import ModelDrift
from cdk.constructs.model_endpoint import CAPTURE, ModelEndpoint, endpoint_name
from cdk.constructs.model_images import ModelImages
from cdk.constructs.model_roles import ModelRole
from cdk.constructs.nightly_run import NightlyRun
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.network import NetworkStack

# Days after which what a run has written goes. Candidates, evaluations and the audit stay: they say why the champion
# is the champion.
_EXPIRY = {"datasets/": 30, "queries/": 7, f"{CAPTURE}/": 90}


class ModelStack(Stack):
    """Stateful: the registry and the models say what was served when, and why."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        source: FunctionSource,
        image_folder: str,
        foundation: FoundationStack,
        network: NetworkStack,
        data: DataStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        removal = removal_of(settings)
        name = endpoint_name(settings)
        self.key = kms.Key(self, "Key", description="Tickwire model", enable_key_rotation=True, removal_policy=removal)
        self.bucket = self._new_bucket(removal)
        registry = sagemaker.CfnModelPackageGroup(
            self,
            "Registry",
            model_package_group_name=name,
            model_package_group_description="Tickwire: every candidate, approved or rejected",
        )
        registry.apply_removal_policy(removal)
        images = ModelImages(self, "Images", settings=settings.model, folder=image_folder)
        group = ec2.SecurityGroup(
            self,
            "Containers",
            vpc=network.vpc,
            description="Containers of the model: S3 alone",
            allow_all_outbound=False,
        )
        # From isolated subnets nothing but the gateway to S3 is reached by it.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3, by its gateway endpoint")
        subnets = network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED).subnet_ids

        shared: dict[str, Any] = {"bucket": self.bucket, "key": self.key}
        serving_role = ModelRole(
            self,
            "ServingRole",
            image=images.serving,
            reads=("seed", "candidates"),
            writes=(CAPTURE,),
            logs=(f"/aws/sagemaker/Endpoints/{name}",),
            **shared,
        )
        job_role = ModelRole(
            self,
            "JobRole",
            image=images.training,
            reads=("seed", "candidates", "datasets", CAPTURE),
            writes=("candidates", "evaluations"),
            # The account's, shared by all jobs.
            logs=("/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs"),
            **shared,
        )
        functions: dict[str, Any] = {"settings": settings, "source": source}
        self.endpoint = ModelEndpoint(
            self,
            "Endpoint",
            name=name,
            serving_role=serving_role,
            serving_image=images.serving.image_uri,
            subnets=subnets,
            security_group=group,
            package_group=registry.model_package_group_name,
            log_key=foundation.log_key,
            needs=[self.bucket, registry],
            **functions,
            **shared,
        )
        self.nightly = NightlyRun(
            self,
            "Nightly",
            foundation=foundation,
            data=data,
            roles=(serving_role, job_role),
            machine={
                "endpoint": name,
                "instance_type": settings.model.instance_type,
                "instances": settings.model.instances,
                "scaled": settings.model.max_instances > settings.model.instances,
                "serving_image": images.serving.image_uri,
                "serving_role": serving_role.role_arn,
                "training_image": images.training.image_uri,
                "training_instance_type": settings.model.training_instance_type,
                "job_role": job_role.role_arn,
                "capture_prefix": CAPTURE,
                "capture_percent": settings.model.capture_percent,
                "security_group": group.security_group_id,
                "subnets": tuple(subnets),
                "package_group": registry.model_package_group_name,
                "alarm": self.endpoint.health.alarm_name,
            },
            **functions,
            **shared,
        )
        self.drift = ModelDrift(
            self,
            "Drift",
            endpoint=name,
            machine=self.nightly.machine,
            foundation=foundation,
            network=network,
            data=data,
            **functions,
            **shared,
        )
        CfnOutput(self, "ModelEndpoint", value=name)
        CfnOutput(self, "ModelBucket", value=self.bucket.bucket_name)
        CfnOutput(self, "ModelSeedFunction", value=self.endpoint.seed.function.function_name)
        CfnOutput(self, "ModelRolloutFunction", value=self.nightly.rollout.function.function_name)
        CfnOutput(self, "ModelDriftFunction", value=self.drift.check.function.function_name)
        CfnOutput(self, "NightlyTraining", value=self.nightly.machine.state_machine_arn)

    def _new_bucket(self, removal: RemovalPolicy) -> PrivateBucket:
        bucket = PrivateBucket(self, "Models", key=self.key, removal_policy=removal)
        for prefix, days in _EXPIRY.items():
            bucket.add_lifecycle_rule(prefix=prefix, expiration=Duration.days(days))
        return bucket
