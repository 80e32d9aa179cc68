"""One invocation: its records' trades become files, and one message says which records they are.

Stateless on purpose: a retry may write overlapping files, and the committer makes rows appear
exactly once by the counters that the message and every row carry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from lambdas.delivery.event import BatchResponse, DecodedEvent, failed, records_by_partition
from lambdas.lake_writer.files import DataFile, data_files
from lambdas.lake_writer.message import CounterRange, WrittenBatch, WrittenFile, encode_message
from tickwire.counters import CounterCursor
from tickwire.errors import CounterJump, TickwireError
from tickwire.records import Header, Record, RecordKind

MESSAGE_GROUP = "lake"
"""One group, so that messages come to the committer in the order in which they were sent."""


@dataclass(frozen=True, slots=True)
class DenseRecords:
    """The records of an event, each once, every partition without a hole.

    Attributes
    ----------
    records : partition by partition, in order
    partitions : the range of counters of each
    failures : sequence number of a partition's first record that cannot be taken → why
    """

    records: list[Record]
    partitions: dict[int, CounterRange]
    failures: dict[str, TickwireError]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What an invocation did, and what it reports to Lambda; ``traced`` are headers of records that a trace follows."""

    response: BatchResponse
    trades: int
    files: int
    bytes: int
    failures: dict[str, TickwireError]
    traced: list[Header]


def dense_records(decoded: DecodedEvent) -> DenseRecords:
    """Take each partition's records from its first one on, without the repeats among them."""
    records: list[Record] = []
    partitions: dict[int, CounterRange] = {}
    failures: dict[str, TickwireError] = dict(decoded.undecodable)
    for partition, inputs in decoded.partitions.items():
        first = inputs[0].record.header.counter
        cursor = CounterCursor(partition, first - 1)
        for item in inputs:
            try:
                if cursor.admit(item.record.header.counter):
                    records.append(item.record)
            except CounterJump as jump:
                failures[item.input.sequence_number] = jump
                break
        partitions[partition] = (first, cursor.last)
    return DenseRecords(records, partitions, failures)


def write_event(event: Mapping[str, Any], *, bucket: str, queue_url: str, s3: Any, sqs: Any) -> WriteResult:
    """Write a Kinesis event's trades to the lake's bucket and announce them.

    Files are put before the message is sent. If either raises, the whole batch comes again and
    gives the same files or other ones; both are right.
    """
    dense = dense_records(records_by_partition(event, kind=RecordKind.CLEAN))
    files = list(data_files(dense.records))
    for file in files:
        s3.put_object(Bucket=bucket, Key=file.key, Body=file.body, ContentType="application/vnd.apache.parquet")
    if dense.partitions:
        _announce(files, dense.partitions, bucket=bucket, queue_url=queue_url, sqs=sqs)
    return WriteResult(
        response=failed(dense.failures),
        trades=sum(file.rows for file in files),
        files=len(files),
        bytes=sum(len(file.body) for file in files),
        failures=dense.failures,
        traced=[record.header for record in dense.records if record.header.trace is not None],
    )


def _announce(
    files: list[DataFile], partitions: dict[int, CounterRange], *, bucket: str, queue_url: str, sqs: Any
) -> None:
    written = tuple(WrittenFile(f"s3://{bucket}/{file.key}", file.rows) for file in files)
    body = encode_message(WrittenBatch(written, dict(sorted(partitions.items()))))
    sqs.send_message(
        QueueUrl=queue_url,
        MessageBody=body.decode(),
        MessageGroupId=MESSAGE_GROUP,
        # Never the same twice: the committer knows repeats by their counters, and what was purged from
        # the queue and is announced again within five minutes, as after a restore, must not vanish.
        MessageDeduplicationId=token_hex(16),
    )
