"""The Fargate service that holds the sockets of one venue."""

import json

from aws_cdk import Duration
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.alarm import Comparison, Missing, new_alarm
from cdk.constructs.grants import grant_put_records, grant_send_messages
from cdk.constructs.task_service import TaskService, task_metric
from cdk.settings import FeedSettings, StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.network import NetworkStack
from cdk.stacks.streams import StreamsStack

# Every venue but binance.com, which has always served its streams on 9443, listens on 443.
_VENUE_PORTS = (443, 9443)
# Of one processor, which is what a task's event loop has: the rest is for a burst.
_CPU_TARGET_PERCENT = 60
_LAG_MILLISECONDS = 5_000
# An odd frame is no reason to look; a venue that changed its format sends nothing else.
_DEAD_FRAMES_A_MINUTE = 30
_SLOW_PERCENT = 50


class IngestorService(TaskService):
    """Tasks that read a venue's feeds and write ``trades-raw``.

    They share the venue's groups of symbols by leases in the coordination table, as a fleet of their own:
    a venue that asks for more tasks, or whose tasks fail, changes nothing for the others.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        venue: str,
        groups: tuple[FeedSettings, ...],
        settings: StageSettings,
        network: NetworkStack,
        cluster: ecs.ICluster,
        image_folder: str,
        streams: StreamsStack,
        data: DataStack,
        log_key: kms.IKey,
    ) -> None:
        # A task beyond that would hold nothing.
        most = min(settings.ingestor.max_tasks, settings.ingestor.holders * len(groups))
        scaled = most > settings.ingestor.tasks
        feeds = [{"feed": group.feed, "symbols": list(group.symbols)} for group in groups]
        super().__init__(
            scope,
            id_,
            name=f"ingestor-{venue}",
            folder="ingestor",
            size=settings.ingestor,
            settings=settings,
            network=network,
            cluster=cluster,
            image_folder=image_folder,
            log_key=log_key,
            scaled=scaled,
            egress_ports=_VENUE_PORTS,
            environment={
                "TICKWIRE_FEEDS": json.dumps(feeds, separators=(",", ":")),
                "TICKWIRE_FLEET": f"ingestor-{venue}",
                "TICKWIRE_RAW_STREAM": streams.trades_raw.stream_name,
                "TICKWIRE_FRAMES_DLQ_URL": streams.frames_dlq.queue_url,
                "TICKWIRE_DEAD_LETTER_BUCKET": streams.dead_letters.bucket_name,
                "TICKWIRE_FLUSH_MILLISECONDS": str(settings.ingestor.flush_milliseconds),
                "TICKWIRE_COORDINATION_TABLE": data.coordination.table_name,
                "TICKWIRE_HOLDERS": str(settings.ingestor.holders),
                "TICKWIRE_MAX_GROUPS": str(settings.ingestor.max_groups),
                "TICKWIRE_TRACE_EVERY": str(settings.trace_every),
            },
        )
        self._venue = venue
        grant_put_records(self.role, streams.trades_raw)
        grant_send_messages(self.role, streams.frames_dlq)
        streams.dead_letters.grant_put_object(self.role)
        data.grant_coordination(self.role)
        if settings.trace_every:
            self._grant_tracing()
        if scaled:
            self._scale(settings.ingestor.tasks, most)
        self._add_alarms()

    def _grant_tracing(self) -> None:
        self.role.add_to_principal_policy(
            iam.PolicyStatement(sid="Traces", actions=["xray:PutTraceSegments"], resources=["*"])
        )
        acknowledge(self.role, {"AwsSolutions-IAM5[Resource::*]": "X-Ray's segments have no ARN"})

    def _scale(self, least: int, most: int) -> None:
        """Add tasks while the processors of those that there are work much, and take them away slowly.

        By processor alone: trades a second cost what they cost by venue and symbol, and a lag that
        comes of full shards only grows with more writers. Each step moves groups from task to task, so
        that one down waits for a quarter of an hour of little work.
        """
        scaling = self.service.auto_scale_task_count(min_capacity=least, max_capacity=most)
        scaling.scale_to_track_custom_metric(
            "Processor",
            metric=task_metric("ingestor", self._venue, "CpuShare", statistic="Average"),
            target_value=_CPU_TARGET_PERCENT,
            scale_out_cooldown=Duration.minutes(2),
            scale_in_cooldown=Duration.minutes(15),
        )

    def _add_alarms(self) -> None:
        venue = self._venue
        new_alarm(
            self,
            "Silent",
            task_metric("ingestor", venue, "Trades", statistic="Sum"),
            runbook="ingestion-silent",
            says=f"No trade of {venue} has come for three minutes",
            threshold=1,
            comparison=Comparison.LESS_THAN_THRESHOLD,
            missing=Missing.BREACHING,
        )
        new_alarm(
            self,
            "Lag",
            task_metric("ingestor", venue, "PublishLagMax", statistic="Maximum"),
            runbook="publish-lag",
            says=f"Trades of {venue} wait for seconds until Kinesis accepts them",
            threshold=_LAG_MILLISECONDS,
        )
        new_alarm(
            self,
            "DeadFrames",
            task_metric("ingestor", venue, "DeadFrames", statistic="Sum"),
            runbook="dead-frames",
            says=f"Frames of {venue} cannot be read, again and again",
            threshold=_DEAD_FRAMES_A_MINUTE,
            periods=5,
            datapoints=3,
        )
        new_alarm(
            self,
            "SlowFrames",
            task_metric("ingestor", venue, "SlowFrameShare", statistic="Average", minutes=5),
            runbook="slow-frames",
            says=f"Most frames of {venue} match no layout: it writes them otherwise than it did",
            threshold=_SLOW_PERCENT,
        )
