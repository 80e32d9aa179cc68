"""The Fargate service that holds the exchanges' sockets."""

import json

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.alarm import Comparison, Missing, new_alarm
from cdk.constructs.grants import grant_put_records, grant_send_messages
from cdk.constructs.task_service import TaskService
from cdk.settings import StageSettings
from cdk.stacks.data import DataStack
from cdk.stacks.streams import StreamsStack

# Every venue but binance.com, which has always served its streams on 9443, listens on 443.
_VENUE_PORTS = (443, 9443)


class IngestorService(TaskService):
    """Tasks that read the stage's feeds and write ``trades-raw``.

    They share the feeds by leases in the coordination table.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        settings: StageSettings,
        vpc: ec2.IVpc,
        image_folder: str,
        streams: StreamsStack,
        data: DataStack,
        log_key: kms.IKey,
    ) -> None:
        feeds = [{"feed": feed.feed, "symbols": list(feed.symbols)} for feed in settings.feeds]
        super().__init__(
            scope,
            id_,
            name="ingestor",
            size=settings.ingestor,
            settings=settings,
            vpc=vpc,
            image_folder=image_folder,
            log_key=log_key,
            egress_ports=_VENUE_PORTS,
            environment={
                "TICKWIRE_FEEDS": json.dumps(feeds, separators=(",", ":")),
                "TICKWIRE_RAW_STREAM": streams.trades_raw.stream_name,
                "TICKWIRE_FRAMES_DLQ_URL": streams.frames_dlq.queue_url,
                "TICKWIRE_DEAD_LETTER_BUCKET": streams.dead_letters.bucket_name,
                "TICKWIRE_FLUSH_MILLISECONDS": str(settings.ingestor.flush_milliseconds),
                "TICKWIRE_COORDINATION_TABLE": data.coordination.table_name,
                "TICKWIRE_HOLDERS": str(settings.ingestor.holders),
                "TICKWIRE_MAX_GROUPS": str(settings.ingestor.max_groups),
            },
        )
        grant_put_records(self.role, streams.trades_raw)
        grant_send_messages(self.role, streams.frames_dlq)
        streams.dead_letters.grant_put_object(self.role)
        data.grant_coordination(self.role)
        new_alarm(
            self,
            "Silent",
            cloudwatch.Metric(
                namespace="AWS/Kinesis",
                metric_name="IncomingRecords",
                dimensions_map={"StreamName": streams.trades_raw.stream_name},
                period=Duration.minutes(1),
                statistic="Sum",
            ),
            runbook="ingestion-silent",
            says="No task has written a record for three minutes",
            threshold=1,
            comparison=Comparison.LESS_THAN_THRESHOLD,
            missing=Missing.BREACHING,
            urgent=True,
        )
