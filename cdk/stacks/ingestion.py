"""The ingestor and the backfiller: the only parts of Tickwire that talk to the exchanges."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cdk.constructs.backfiller_service import BackfillerService
from cdk.constructs.ingestor_service import IngestorService
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.foundation import FoundationStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.streams import StreamsStack


class IngestionStack(Stack):
    """Stateless: the Fargate services, in one cluster."""

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
        shared: dict[str, Any] = {
            "settings": settings,
            "vpc": network.vpc,
            "image_folder": image_folder,
            "streams": streams,
            "data": data,
            "log_key": foundation.log_key,
        }
        ingestor = IngestorService(self, "Ingestor", **shared)
        backfiller = BackfillerService(self, "Backfiller", cluster=ingestor.cluster, **shared)
        CfnOutput(self, "IngestorCluster", value=ingestor.cluster.cluster_name)
        CfnOutput(self, "IngestorService", value=ingestor.service.service_name)
        CfnOutput(self, "BackfillerService", value=backfiller.service.service_name)
