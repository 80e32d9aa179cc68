"""The Fargate service that fills gaps from the exchanges' histories and recomputes bars from the lake."""

import json

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.database import BACKFILLER
from cdk.constructs.grants import grant_put_records, grant_send_messages
from cdk.constructs.state_store import READERS
from cdk.constructs.task_service import TaskService
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.streams import StreamsStack


class BackfillerService(TaskService):
    """Tasks that read what is missing from the state store and write ``trades-raw``.

    They share the venues by leases, and the venues' limits, in the coordination table.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        vpc: ec2.IVpc,
        cluster: ecs.ICluster,
        image_folder: str,
        streams: StreamsStack,
        data: DataStack,
        log_key: kms.IKey,
    ) -> None:
        histories = [{"feed": feed} for feed in dict.fromkeys(feed.feed for feed in settings.feeds)]
        super().__init__(
            scope,
            id_,
            name="backfiller",
            size=settings.backfiller,
            settings=settings,
            vpc=vpc,
            cluster=cluster,
            image_folder=image_folder,
            log_key=log_key,
            environment={
                "TICKWIRE_HISTORIES": json.dumps(histories, separators=(",", ":")),
                "TICKWIRE_STATE_URL": data.state.url(READERS),
                "TICKWIRE_RAW_STREAM": streams.trades_raw.stream_name,
                "TICKWIRE_FRAMES_DLQ_URL": streams.frames_dlq.queue_url,
                "TICKWIRE_DEAD_LETTER_BUCKET": streams.dead_letters.bucket_name,
                "TICKWIRE_COORDINATION_TABLE": data.coordination.table_name,
                "TICKWIRE_DATABASE_URL": data.database.url(BACKFILLER),
                "TICKWIRE_DATABASE_IAM": "true",
                "TICKWIRE_LAKE_BUCKET": data.lake.bucket_name,
                "TICKWIRE_LAKE_DATABASE": data.lake_database,
            },
        )
        grant_put_records(self.role, streams.trades_raw)
        grant_send_messages(self.role, streams.frames_dlq)
        streams.dead_letters.grant_put_object(self.role)
        data.grant_coordination(self.role)
        data.grant_lake_reading(self.role)
        data.database.grant_login(self.role, BACKFILLER)
        data.database.open_to(self.security_group, "Backfiller")
        data.state.grant_connect(self.role, READERS)
        data.state.open_to(self.security_group, "Backfiller")
