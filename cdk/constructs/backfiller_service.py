"""The Fargate service that fills gaps from the exchanges' histories and recomputes bars from the lake."""

import json

from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import Comparison, Missing, new_alarm
from cdk.constructs.database import BACKFILLER
from cdk.constructs.grants import grant_put_records, grant_send_messages
from cdk.constructs.state_store import FILLERS, READERS
from cdk.constructs.task_service import TaskService, task_metric
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.network import NetworkStack
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
        network: NetworkStack,
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
            folder="backfiller",
            size=settings.backfiller,
            settings=settings,
            network=network,
            cluster=cluster,
            image_folder=image_folder,
            log_key=log_key,
            environment={
                "TICKWIRE_HISTORIES": json.dumps(histories, separators=(",", ":")),
                "TICKWIRE_STATE_URL": data.state.url(READERS),
                "TICKWIRE_MINUTES_URL": data.state.url(FILLERS),
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
        acknowledge(
            self.role,
            {
                "AwsSolutions-IAM5[Resource::…Lake…/*]": "Files of the lake, whose names are their digests",
                "AwsSolutions-IAM5[Resource::…:table/…/*]": "Tables of the lake's own database",
            },
        )
        data.database.grant_login(self.role, BACKFILLER)
        data.database.open_to(self.security_group, "Backfiller")
        for user in (READERS, FILLERS):
            data.state.grant_connect(self.role, user)
        data.state.open_to(self.security_group, "Backfiller")
        for venue in settings.groups():
            self._alarm_on_missing_ids(venue, settings.alarm_missing_minutes)

    def _alarm_on_missing_ids(self, venue: str, minutes: int) -> None:
        """Watch for ids that stay missing, and for nobody telling whether any do."""
        new_alarm(
            self,
            f"Missing{venue.capitalize()}",
            task_metric("backfiller", venue, "MissingSeconds", statistic="Maximum"),
            runbook="ids-missing",
            says=f"A trade of {venue} is missing for {minutes} minutes, or nobody can tell",
            threshold=60 * minutes,
            comparison=Comparison.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # A task that starts anew says nothing for a minute or two.
            periods=5,
            missing=Missing.BREACHING,
        )
