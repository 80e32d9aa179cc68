"""What is on its way: the three streams, the dead letters, the lake's commits, the given-up batches."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.acknowledge import acknowledge
from cdk.constructs.event_stream import EventStream
from cdk.constructs.failed_calls import FailedCalls
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.removal import removal_of
from cdk.constructs.work_queue import WorkQueue
from cdk.settings import StageSettings


class StreamsStack(Stack):
    """Stateful: what is lost here was on its way and nowhere else."""

    def __init__(self, scope: Construct, id_: str, *, settings: StageSettings, **stack: Any) -> None:
        super().__init__(scope, id_, **stack)
        removal = removal_of(settings)
        self.key = kms.Key(
            self, "Key", description="Tickwire streams and queues", enable_key_rotation=True, removal_policy=removal
        )
        self.trades_raw = EventStream(
            self, "TradesRaw", settings=settings.stream, key=self.key, removal_policy=removal
        ).stream
        self.trades_clean = EventStream(
            self, "TradesClean", settings=settings.stream, key=self.key, removal_policy=removal
        ).stream
        self.market_events = EventStream(
            self, "MarketEvents", settings=settings.stream, key=self.key, removal_policy=removal
        ).stream

        dead_letter_visibility = Duration.seconds(
            settings.visibility_factor * settings.functions["dead_letters"].timeout_seconds
        )
        self.frames_dlq = WorkQueue(
            self, "FramesDlq", key=self.key, visibility=dead_letter_visibility, removal_policy=removal, aside=True
        ).queue
        self.trades_dlq = WorkQueue(
            self, "TradesDlq", key=self.key, visibility=dead_letter_visibility, removal_policy=removal, aside=True
        ).queue
        self.lake_commits = WorkQueue(
            self,
            "LakeCommits",
            key=self.key,
            # One group: while a failed message is invisible, nothing behind it is handed out.
            visibility=Duration.seconds(settings.commit_visibility_seconds),
            removal_policy=removal,
            fifo=True,
        ).queue
        self.failed_maintenance = FailedCalls(
            self,
            "FailedMaintenance",
            key=self.key,
            removal_policy=removal,
            runbook="lake-maintenance-failed",
            says="A compaction of the lake, or the removal of its orphans, has failed three times",
        ).queue
        self.failures = PrivateBucket(
            self, "Failures", key=self.key, removal_policy=removal, expire_after=Duration.days(365)
        )
        # What fits no message. Rows of the database name the objects for as long as they live.
        self.dead_letters = PrivateBucket(self, "DeadLetters", key=self.key, removal_policy=removal)
        operators = iam.ManagedPolicy(
            self, "DeadLetterReading", description="Tickwire: read the bodies of dead letters, as to redrive them"
        )
        self.dead_letters.grant_get_object(operators)
        acknowledge(
            operators, {"AwsSolutions-IAM5[Resource::…DeadLetters…/*]": "Any letter of the bucket, and no other"}
        )

        CfnOutput(self, "RawStream", value=self.trades_raw.stream_name)
        CfnOutput(self, "CleanStream", value=self.trades_clean.stream_name)
        CfnOutput(self, "EventsStream", value=self.market_events.stream_name)
        CfnOutput(self, "FramesDlqUrl", value=self.frames_dlq.queue_url)
        CfnOutput(self, "TradesDlqUrl", value=self.trades_dlq.queue_url)
        CfnOutput(self, "LakeCommitsQueueUrl", value=self.lake_commits.queue_url)
        CfnOutput(self, "FailuresBucket", value=self.failures.bucket_name)
        CfnOutput(self, "DeadLetterBucket", value=self.dead_letters.bucket_name)
        CfnOutput(self, "DeadLetterReadingPolicy", value=operators.managed_policy_arn)
