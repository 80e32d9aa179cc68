"""The platform of the drill: the project's own stages and sinks over the emulator's streams, moved step by step."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import psycopg

from lambdas.dead_letters.letter import read_letter
from lambdas.dead_letters.store import store as store_letters
from lambdas.delivery.dead_letters import DeadLetterQueue
from lambdas.delivery.output import OutputStream
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_writer.message import decode_message
from lambdas.lake_writer.writer import write_event
from lambdas.migrations.runner import apply
from lambdas.postgres.database import Database
from lambdas.store_writer import rows as store_rows
from lambdas.store_writer.writer import StoreWriter
from local.restore_drill.consumer import Consumer, Function, Stopped
from local.restore_drill.market import PARTITIONS
from tickwire.envelope import encode
from tickwire.partitions import explicit_hash_key
from tickwire.records import Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.stage import Stage
from tickwire.stages.validator import ValidatorSettings, ValidatorStage

_SHARDS = 2
_SECONDS = 60.0
STAGES = ("validator", "signals")
SINKS = ("lake_writer", "store_writer")


class DrillPlatform:
    """Streams, queues and bucket of its own on the emulator; the databases' addresses may change."""

    def __init__(self, *, database_url: str, state_url: str) -> None:
        name = f"drill-{uuid4().hex[:8]}"
        self.bucket, self.glue_database = name, name.replace("-", "_")
        self.state_url = state_url
        self._kinesis, self._sqs = boto3.client("kinesis"), boto3.client("sqs")
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=name)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        self._streams = {stream: f"{name}-{stream}" for stream in ("raw", "clean", "events")}
        for stream in self._streams.values():
            self._kinesis.create_stream(StreamName=stream, ShardCount=_SHARDS)
            self._kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        self.commits: str = self._sqs.create_queue(
            QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"}
        )["QueueUrl"]
        self._letters: str = self._sqs.create_queue(QueueName=f"{name}-letters")["QueueUrl"]
        self.consumers = {
            name: Consumer(self._kinesis, name=name, stream=self._streams[stream], function=function)
            for name, stream, function in (
                ("validator", "raw", self._new_stage(ValidatorStage(ValidatorSettings()), RecordKind.RAW, "clean")),
                ("signals", "clean", self._new_stage(SignalsStage(SignalsSettings()), RecordKind.CLEAN, "events")),
                ("lake_writer", "clean", self._write_lake),
                ("store_writer", "events", self._write_store),
            )
        }
        self._database: Database | None = None
        self.attach_database(database_url)
        with psycopg.connect(database_url) as connection:
            apply(connection)

    def attach_database(self, url: str) -> None:
        """Let the sinks write to another server, as a restored cluster is one."""
        if self._database is not None:
            self._database.close()
        self.database_url = url
        self._database = Database(lambda: psycopg.connect(url), prepare=store_rows.prepare)
        self._store = StoreWriter(self._database)

    def receive(self, records: Iterable[Record]) -> None:
        """Put records on trades-raw, as an ingestor does."""
        for record in records:
            partition = record.header.partition
            self._kinesis.put_record(
                StreamName=self._streams["raw"],
                Data=encode(record),
                PartitionKey=str(partition),
                ExplicitHashKey=explicit_hash_key(partition, PARTITIONS),
            )

    def run(self, *names: str) -> None:
        """Let the named functions, or all of them in the order of the data, work off their streams.

        Raises
        ------
        Stopped
            With the first that cannot go on; those after it have run by then.
        """
        stopped: Stopped | None = None
        for name in names or (*STAGES, *SINKS):
            try:
                self.consumers[name].run()
                if name == "lake_writer":
                    self._commit()
                elif name == "validator":
                    self._store_letters()
            except Stopped as reason:
                stopped = stopped or reason
        if stopped is not None:
            raise stopped

    def stops(self) -> dict[str, str]:
        """Let all functions run; gives those that cannot go on, with their reasons."""
        found = {}
        for name in (*STAGES, *SINKS):
            try:
                self.run(name)
            except Stopped as reason:
                found[name] = str(reason).removeprefix(f"{name}: ")
        return found

    def rewind(self, moment: datetime, *names: str) -> None:
        """Let functions read their streams again from a moment on."""
        for name in names:
            self.consumers[name].rewind(moment)

    def purge_commits(self) -> None:
        """Throw away the announcements that wait for the committer."""
        self._sqs.purge_queue(QueueUrl=self.commits)

    @property
    def events_stream(self) -> str:
        """The stream that the store writer reads."""
        return self._streams["events"]

    def open_lake(self) -> LakeTable:
        """Open the table as it is now."""
        return LakeTable.open(glue_catalog(), database=self.glue_database, bucket=self.bucket)

    def close(self) -> None:
        """Close what is open."""
        if self._database is not None:
            self._database.close()

    def _new_stage(self, stage: Stage[Any], kind: RecordKind, output: str) -> Function:
        runner = StreamStage(
            stage,
            input_kind=kind,
            states=PartitionStates(connect(self.state_url), stage),
            output=OutputStream(self._kinesis, stream=self._streams[output], partitions=PARTITIONS),
            dead_letters=DeadLetterQueue(self._sqs, queue_url=self._letters),
        )

        def run(event: Mapping[str, Any]) -> Mapping[str, str]:
            response, _ = runner.run(event, remaining=lambda: _SECONDS)
            return {failure["itemIdentifier"]: "its log says why" for failure in response["batchItemFailures"]}

        return run

    def _write_store(self, event: Mapping[str, Any]) -> Mapping[str, str]:
        result = self._store.write_event(event)
        return {number: str(reason) for number, reason in result.failures.items()}

    def _write_lake(self, event: Mapping[str, Any]) -> Mapping[str, str]:
        result = write_event(event, bucket=self.bucket, queue_url=self.commits, s3=self.s3, sqs=self._sqs)
        return {number: str(reason) for number, reason in result.failures.items()}

    def _commit(self) -> None:
        """Commit what waits, ten messages at a time as SQS hands them over."""
        while messages := self._sqs.receive_message(QueueUrl=self.commits, MaxNumberOfMessages=10).get("Messages"):
            batches = [decode_message(message["Body"]) for message in messages]
            result = commit_batches(batches, self.open_lake, wait=lambda _: None)
            for message in messages[: result.plan.messages]:
                self._sqs.delete_message(QueueUrl=self.commits, ReceiptHandle=message["ReceiptHandle"])
            if result.jump is not None:
                raise Stopped(f"lake_writer: {result.jump}")

    def _store_letters(self) -> None:
        database = self._database
        if database is None:
            raise RuntimeError("no database is attached")
        while messages := self._sqs.receive_message(QueueUrl=self._letters, MaxNumberOfMessages=10).get("Messages"):
            letters = [
                read_letter(
                    {
                        "messageId": message["MessageId"],
                        "body": message["Body"],
                        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:trades-dlq",
                        "attributes": {},
                    }
                )
                for message in messages
            ]
            store_letters(database, letters)
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._letters, ReceiptHandle=message["ReceiptHandle"])


def now() -> datetime:
    """Give the moment."""
    return datetime.now(UTC)
