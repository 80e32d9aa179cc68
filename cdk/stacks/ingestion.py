"""The ingestor: the only part of Tickwire that talks to the exchanges."""

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from cdk.constructs.ingestor_service import IngestorService
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.streams import StreamsStack


class IngestionStack(Stack):
    """Stateless: the Fargate service."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        image_folder: str,
        network: NetworkStack,
        streams: StreamsStack,
        data: DataStack,
        **stack: Any,
    ) -> None:
        super().__init__(scope, id_, **stack)
        ingestor = IngestorService(
            self,
            "Ingestor",
            settings=settings,
            vpc=network.vpc,
            image_folder=image_folder,
            stream=streams.trades_raw,
            frames_dlq=streams.frames_dlq,
            log_key=data.log_key,
        )
        CfnOutput(self, "IngestorCluster", value=ingestor.service.cluster.cluster_name)
        CfnOutput(self, "IngestorService", value=ingestor.service.service_name)
