"""The Fargate service that holds the exchanges' sockets."""

import json
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.log_retention import retention_of
from cdk.settings import StageSettings
from cdk.source import stage_source

_HEALTH_PORT = 8080
# The most that Fargate allows between SIGTERM and SIGKILL.
_STOP_SECONDS = 120
# The rest is for closing the sockets and for the log.
_DRAIN_SECONDS = 100
# Every venue but binance.com, which has always served its streams on 9443, listens on 443.
_VENUE_PORTS = (443, 9443)
_HEALTH_CHECK = (
    f"python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:{_HEALTH_PORT}/health', timeout=3)\""
)


class IngestorService(Construct):
    """Tasks on ARM that read the stage's feeds and write ``trades-raw``.

    The tasks stand in public subnets without a single open port: each then has an address, and so
    a venue's connection limit, of its own, which one NAT gateway would make them share.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        vpc: ec2.IVpc,
        image_folder: str,
        stream: kinesis.IStream,
        frames_dlq: sqs.IQueue,
        log_key: kms.IKey,
    ) -> None:
        super().__init__(scope, id_)
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=retention_of(settings.log_retention_days),
            encryption_key=log_key,
            removal_policy=RemovalPolicy.RETAIN if settings.protected else RemovalPolicy.DESTROY,
        )
        cluster = ecs.Cluster(
            self,
            "Cluster",
            vpc=vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            enable_fargate_capacity_providers=True,
        )
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=settings.ingestor.cpu,
            memory_limit_mib=settings.ingestor.memory,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        feeds = [{"feed": feed.feed, "symbols": list(feed.symbols)} for feed in settings.feeds]
        task.add_container(
            "ingestor",
            image=ecs.ContainerImage.from_asset(
                image_folder, file="ecs_tasks/ingestor/Dockerfile", platform=ecr_assets.Platform.LINUX_ARM64
            ),
            environment={
                "TICKWIRE_FEEDS": json.dumps(feeds, separators=(",", ":")),
                "TICKWIRE_RAW_STREAM": stream.stream_name,
                "TICKWIRE_FRAMES_DLQ_URL": frames_dlq.queue_url,
                "TICKWIRE_PARTITIONS": str(settings.partitions),
                "TICKWIRE_FLUSH_MILLISECONDS": str(settings.ingestor.flush_milliseconds),
                "TICKWIRE_HEALTH_PORT": str(_HEALTH_PORT),
                "TICKWIRE_DRAIN_SECONDS": str(_DRAIN_SECONDS),
            },
            logging=ecs.LogDrivers.aws_logs(stream_prefix="ingestor", log_group=log_group),
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
        stream.grant_write(task.task_role)
        frames_dlq.grant_send_messages(task.task_role)
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="Ingestor: no way in", allow_all_outbound=False
        )
        for port in _VENUE_PORTS:
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "Exchanges and AWS, by TLS")
        self.service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=task,
            desired_count=settings.ingestor.tasks,
            # A new task reads beside the old one before that goes: a double is removed, a gap is not.
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            assign_public_ip=True,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            security_groups=[group],
        )
        cloudwatch.Metric(
            namespace="AWS/Kinesis",
            metric_name="IncomingRecords",
            dimensions_map={"StreamName": stream.stream_name},
            period=Duration.minutes(1),
            statistic="Sum",
        ).create_alarm(
            self,
            "Silent",
            alarm_description="No task has written a record for three minutes",
            threshold=1,
            evaluation_periods=3,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )


def stage_ingestor_image(target: Path) -> str:
    """Copy what the ingestor's image is built from into ``target`` and give it back."""
    return str(
        stage_source(
            target,
            packages=("tickwire", "ecs_tasks"),
            files=("ecs_tasks/ingestor/Dockerfile", "requirements.txt"),
        )
    )
