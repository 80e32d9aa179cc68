"""The Kinesis event as Lambda hands it over, read into inputs grouped by logical partition."""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from tickwire.envelope import decode, split
from tickwire.errors import DamagedRecord, TickwireError, UnknownRecordVersion
from tickwire.records import Record, RecordKind

FOREIGN_PARTITION = -1
"""The partition of a stream record whose key is not a partition number: nothing of ours wrote it."""


class NothingDone(TickwireError):
    """An invocation got nowhere with a batch, so that a smaller one should be tried."""


class ItemFailure(TypedDict):
    """One entry of ``batchItemFailures``."""

    itemIdentifier: str


class BatchResponse(TypedDict):
    """What a stream function returns: Lambda retries from the lowest sequence number named."""

    batchItemFailures: list[ItemFailure]


@dataclass(frozen=True, slots=True)
class StreamInput:
    """One record of the stream, or one envelope of it, not yet decoded.

    Attributes
    ----------
    sequence_number : Kinesis' own, as text: what a failure is reported by
    source : the sequence number as an integer, which orders the inputs of a shard
    partition : logical partition read off the partition key, or ``FOREIGN_PARTITION``
    data : the bytes that were put
    arrival : ns UTC when Kinesis took the record (it gives milliseconds)
    """

    sequence_number: str
    source: int
    partition: int
    data: bytes
    arrival: int


@dataclass(frozen=True, slots=True)
class DecodedInput:
    """A stream record and what it says."""

    input: StreamInput
    record: Record


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """An event's records by partition, each partition in stream order.

    ``undecodable`` maps the sequence number of a partition's first unreadable record to the reason;
    that partition's records from there on are left out, since none may be skipped.
    """

    partitions: dict[int, list[DecodedInput]] = field(default_factory=dict)
    undecodable: dict[str, DamagedRecord | UnknownRecordVersion] = field(default_factory=dict)


def decode_event(event: Mapping[str, Any]) -> list[StreamInput]:
    """Give the inputs of a Kinesis event in stream order."""
    return [_stream_input(item["kinesis"]) for item in event["Records"]]


def unbundled(inputs: Iterable[StreamInput]) -> list[StreamInput]:
    """Give one input for each envelope of the stream records, which may hold several.

    They share their stream record's sequence number: Lambda can only retry all of it, and their
    counters tell which were done. A record that cannot be cut stays whole, for decoding to refuse.
    Not for trades-raw, where the sequence number is what tells inputs apart.
    """
    envelopes: list[StreamInput] = []
    for item in inputs:
        try:
            # An empty record holds no envelope, and must not vanish for that.
            envelopes += [replace(item, data=data) for data in split(item.data)] or [item]
        except DamagedRecord:
            envelopes.append(item)
    return envelopes


def inputs_by_partition(inputs: Iterable[StreamInput]) -> dict[int, list[StreamInput]]:
    """Group inputs by logical partition, keeping the order within each."""
    groups: dict[int, list[StreamInput]] = {}
    for item in inputs:
        groups.setdefault(item.partition, []).append(item)
    return groups


def decode_input(item: StreamInput, *, kind: RecordKind) -> Record:
    """Decode one input and check that it is of the kind and partition that its place says.

    Raises
    ------
    UnknownRecordVersion
        If the envelope's version is not this code's.
    DamagedRecord
        If it is no whole record, or belongs to another stream or partition.
    """
    record = decode(item.data)
    if record.header.kind != kind or record.header.partition != item.partition:
        raise DamagedRecord(
            f"a {record.header.kind.value} record of partition {record.header.partition}"
            f" where a {kind.value} record of partition {item.partition} belongs"
        )
    return record


def records_by_partition(event: Mapping[str, Any], *, kind: RecordKind) -> DecodedEvent:
    """Decode a whole event for a sink, which stops a partition at its first unreadable record."""
    decoded = DecodedEvent()
    for partition, inputs in inputs_by_partition(unbundled(decode_event(event))).items():
        records: list[DecodedInput] = []
        for item in inputs:
            try:
                records.append(DecodedInput(item, decode_input(item, kind=kind)))
            except (DamagedRecord, UnknownRecordVersion) as error:
                decoded.undecodable[item.sequence_number] = error
                break
        if records:
            decoded.partitions[partition] = records
    return decoded


def failed(sequence_numbers: Iterable[str]) -> BatchResponse:
    """Give the response that makes Lambda retry from the lowest of these, or none if there are none.

    Only the lowest is named: Lambda re-reads everything after it anyway.
    """
    lowest = min(sequence_numbers, key=int, default=None)
    return {"batchItemFailures": [] if lowest is None else [{"itemIdentifier": lowest}]}


def answer(event: Mapping[str, Any], response: BatchResponse) -> BatchResponse:
    """Give the response to Lambda, or raise where it says that nothing at all was done.

    Lambda halves a batch only when the invocation raises; one that is reported as failing at its
    first record comes again whole. A batch too much for one invocation would so never end. Raising
    also counts as an error of the function, which its alarm sees.

    Raises
    ------
    NothingDone
        If the response names the first of several records.
    """
    records = event["Records"]
    if len(records) > 1 and response == failed([records[0]["kinesis"]["sequenceNumber"]]):
        raise NothingDone(f"none of {len(records)} records could be done; the log says why")
    return response


def _stream_input(kinesis: Mapping[str, Any]) -> StreamInput:
    sequence_number = kinesis["sequenceNumber"]
    key = kinesis["partitionKey"]
    return StreamInput(
        sequence_number=sequence_number,
        source=int(sequence_number),
        partition=int(key) if key.isascii() and key.isdigit() else FOREIGN_PARTITION,
        data=b64decode(kinesis["data"]),
        arrival=round(kinesis["approximateArrivalTimestamp"] * 1000) * 1_000_000,
    )
