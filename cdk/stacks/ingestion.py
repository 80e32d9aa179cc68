"""The ingestor and the backfiller: the only parts of Tickwire that talk to the exchanges."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from cdk.constructs.backfiller_service import BackfillerService
from cdk.constructs.ingestor_service import IngestorService
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.streams import StreamsStack


class IngestionStack(Stack):
    """Stateless: the Fargate services in one cluster, an ingestor for each venue."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        image_folder: str,
        foundation: FoundationStack,
        network: NetworkStack,
        streams: StreamsStack,
        data: DataStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        cluster = ecs.Cluster(
            self,
            "Cluster",
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            enable_fargate_capacity_providers=True,
        )
        shared: dict[str, Any] = {
            "settings": settings,
            "network": network,
            "cluster": cluster,
            "image_folder": image_folder,
            "streams": streams,
            "data": data,
            "log_key": foundation.log_key,
        }
        for venue, groups in settings.groups().items():
            name = "".join(part.capitalize() for part in venue.split("-"))
            ingestor = IngestorService(self, f"Ingestor{name}", venue=venue, groups=groups, **shared)
            CfnOutput(self, f"Ingestor{name}Service", value=ingestor.service.service_name)
        backfiller = BackfillerService(self, "Backfiller", **shared)
        CfnOutput(self, "TasksCluster", value=cluster.cluster_name)
        CfnOutput(self, "BackfillerService", value=backfiller.service.service_name)
