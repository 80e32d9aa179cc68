"""A Fargate service of one container: its log group, its task, its way out, and its alarm."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import Comparison, Missing, new_alarm
from cdk.constructs.log_metric import alarm_on_unhandled_errors
from cdk.constructs.log_retention import new_log_group
from cdk.settings import StageSettings, TaskSettings
from cdk.source import stage_source
from cdk.stacks.network import NetworkStack

_HEALTH_PORT = 8080
# The most that Fargate allows between SIGTERM and SIGKILL.
_STOP_SECONDS = 120
# The rest is for closing connections and for the log.
_DRAIN_SECONDS = 100
_HEALTH_CHECK = (
    f"python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:{_HEALTH_PORT}/health', timeout=3)\""
)


class TaskService(Construct):
    """One of the folders of ``ecs_tasks/``, deployed: tasks on ARM that talk to the exchanges.

    The tasks stand in public subnets without a single open port: each then has an address, and so
    a venue's limits, of its own, which one NAT gateway would make them share.

    Parameters
    ----------
    name
        What the service is called.
    folder
        Of ``ecs_tasks/``.
    size
        Of one task, how many there are, and on which capacity.
    scaled
        Whether more tasks than ``size`` says may be added: CloudFormation then leaves their number alone,
        where each deployment would set it back.
    egress_ports
        Open to everywhere, for TLS with exchanges and AWS.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        folder: str,
        size: TaskSettings,
        settings: StageSettings,
        network: NetworkStack,
        cluster: ecs.ICluster,
        image_folder: str,
        log_key: kms.IKey,
        environment: Mapping[str, str],
        scaled: bool = False,
        egress_ports: tuple[int, ...] = (443,),
    ) -> None:
        super().__init__(scope, id_)
        log_group = new_log_group(
            self,
            "Logs",
            settings=settings,
            key=log_key,
        )
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=size.cpu,
            memory_limit_mib=size.memory,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        task.add_container(
            name,
            image=ecs.ContainerImage.from_asset(
                image_folder, file=f"ecs_tasks/{folder}/Dockerfile", platform=ecr_assets.Platform.LINUX_ARM64
            ),
            environment={
                # ECS sets AWS_REGION, which boto3 does not read.
                "AWS_DEFAULT_REGION": Stack.of(self).region,
                "TICKWIRE_PARTITIONS": str(settings.partitions),
                "TICKWIRE_ADDRESS": settings.address,
                "TICKWIRE_HEALTH_PORT": str(_HEALTH_PORT),
                "TICKWIRE_DRAIN_SECONDS": str(_DRAIN_SECONDS),
                "TICKWIRE_METRICS_SECONDS": str(settings.metrics_seconds),
                **environment,
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix=name, log_group=log_group),
            health_check=ecs.HealthCheck(
                command=["CMD-SHELL", _HEALTH_CHECK],
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                retries=3,
                start_period=Duration.seconds(30),
            ),
            readonly_root_filesystem=True,
            stop_timeout=Duration.seconds(_STOP_SECONDS),
        )
        acknowledge(
            task,
            {
                "AwsSolutions-ECS2": "Names of what the stage consists of; there is no secret among them",
                "AwsSolutions-IAM5[Resource::…DeadLetters…/*]": "Bodies of one bucket; their names say what is in them",
            },
        )
        acknowledge(
            task.obtain_execution_role(),
            {"AwsSolutions-IAM5[Resource::*]": "A token for the registry, which has no ARN"},
        )
        self.role: iam.IRole = task.task_role
        self.security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=network.vpc,
            description=f"{name.capitalize()}: no way in",
            allow_all_outbound=False,
        )
        for port in egress_ports:
            self.security_group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "Exchanges and AWS, by TLS")
        network.open_endpoints_to(self.security_group, name.capitalize())
        self.service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=task,
            desired_count=None if scaled else size.tasks,
            capacity_provider_strategies=_strategy(size),
            # ECS spreads tasks over the zones as it starts them; this brings back those that a failed zone moved.
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.ENABLED,
            # A new task works beside the old one before that goes: a double is removed, a gap is not.
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            assign_public_ip=True,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            security_groups=[self.security_group],
        )
        alarm_on_unhandled_errors(self, log_group, service=name)
        self._alarm_on_restarts(name, cluster, size.tasks)

    def _alarm_on_restarts(self, name: str, cluster: ecs.ICluster, tasks: int) -> None:
        """Watch for tasks that end: until another has started there are fewer than there should be."""
        new_alarm(
            self,
            "Restarts",
            cloudwatch.Metric(
                namespace="ECS/ContainerInsights",
                metric_name="RunningTaskCount",
                dimensions_map={"ClusterName": cluster.cluster_name, "ServiceName": self.service.service_name},
                period=Duration.minutes(1),
                statistic="Minimum",
            ),
            runbook="tasks-restarting",
            says=f"Tasks of the {name} are missing, or end again and again",
            threshold=tasks,
            comparison=Comparison.LESS_THAN_THRESHOLD,
            periods=15,
            datapoints=3,
            missing=Missing.BREACHING,
        )


def task_metric(service: str, venue: str, name: str, *, statistic: str, minutes: int = 1) -> cloudwatch.Metric:
    """Give a metric that the tasks write themselves (``ecs_tasks/shared/metrics.py``)."""
    return cloudwatch.Metric(
        namespace="Tickwire",
        metric_name=name,
        dimensions_map={"service": service, "venue": venue},
        period=Duration.minutes(minutes),
        statistic=statistic,
    )


def _strategy(size: TaskSettings) -> list[ecs.CapacityProviderStrategy]:
    """Give on which capacity tasks start; a provider of weight 0 would take none, not even as the base."""
    spot = [ecs.CapacityProviderStrategy(capacity_provider="FARGATE_SPOT", weight=size.spot)] if size.spot else []
    if spot and not size.on_demand:
        return spot
    return [ecs.CapacityProviderStrategy(capacity_provider="FARGATE", base=size.on_demand, weight=1), *spot]


def stage_task_images(target: Path) -> str:
    """Copy what the images of the tasks are built from into ``target`` and give it back."""
    return str(
        stage_source(
            target,
            packages=("tickwire", "lambdas", "ecs_tasks"),
            files=("ecs_tasks/ingestor/Dockerfile", "ecs_tasks/backfiller/Dockerfile", "requirements.txt"),
        )
    )
