"""Reading Kinesis events. Event shape: AWS Lambda's documentation of the Kinesis trigger."""

from base64 import b64encode
from typing import Any

import pytest

from lambdas.delivery.event import (
    FOREIGN_PARTITION,
    NothingDone,
    answer,
    decode_event,
    decode_input,
    failed,
    inputs_by_partition,
    records_by_partition,
)
from tickwire.envelope import encode
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Header, Record, RecordKind


def item(sequence_number: int, key: str, data: bytes) -> dict[str, Any]:
    return {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sequence_number}",
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": str(sequence_number),
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": 1545084650.987,
        },
    }


def record(partition: int, counter: int = 1, kind: RecordKind = RecordKind.CLEAN) -> bytes:
    return encode(Record(header=Header(kind, partition, counter)))


def test_an_event_becomes_inputs_in_stream_order_with_partition_source_and_arrival() -> None:
    inputs = decode_event({"Records": [item(9, "3", b"a"), item(10, "0", b"b")]})
    assert [(i.sequence_number, i.source, i.partition, i.data) for i in inputs] == [
        ("9", 9, 3, b"a"),
        ("10", 10, 0, b"b"),
    ]
    assert inputs[0].arrival == 1_545_084_650_987_000_000


@pytest.mark.parametrize("key", ["partitionKey-03", "", "-1", "٣"])
def test_a_key_that_is_no_number_is_a_foreign_partition(key: str) -> None:
    assert decode_event({"Records": [item(1, key, b"")]})[0].partition == FOREIGN_PARTITION


def test_inputs_are_grouped_by_partition_in_order() -> None:
    inputs = decode_event({"Records": [item(1, "2", b"a"), item(2, "1", b"b"), item(3, "2", b"c")]})
    assert {p: [i.data for i in group] for p, group in inputs_by_partition(inputs).items()} == {
        2: [b"a", b"c"],
        1: [b"b"],
    }


def test_the_lowest_sequence_number_is_reported_as_a_number_not_as_text() -> None:
    assert failed(["100", "99"]) == {"batchItemFailures": [{"itemIdentifier": "99"}]}
    assert failed([]) == {"batchItemFailures": []}


def test_an_unreadable_record_stops_its_own_partition_only() -> None:
    event = {
        "Records": [
            item(1, "0", record(0, 1)),
            item(2, "0", b"garbage that is no record"),
            item(3, "1", record(1, 7)),
            item(4, "0", record(0, 3)),
        ]
    }
    decoded = records_by_partition(event, kind=RecordKind.CLEAN)
    assert {p: [d.record.header.counter for d in group] for p, group in decoded.partitions.items()} == {0: [1], 1: [7]}
    assert list(decoded.undecodable) == ["2"]
    assert isinstance(decoded.undecodable["2"], DamagedRecord)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (record(5), "of partition 5"),
        (record(3, kind=RecordKind.RAW), "a raw record"),
        (record(3)[:20], "20 bytes of an envelope of"),
    ],
)
def test_a_record_of_another_partition_or_stream_is_damaged(data: bytes, error: str) -> None:
    (only,) = decode_event({"Records": [item(1, "3", data)]})
    with pytest.raises(DamagedRecord, match=error):
        decode_input(only, kind=RecordKind.CLEAN)


def test_a_later_version_of_the_envelope_is_named_as_such() -> None:
    data = bytearray(record(3))
    data[4] = 3
    (only,) = decode_event({"Records": [item(1, "3", bytes(data))]})
    with pytest.raises(UnknownRecordVersion, match="version 3"):
        decode_input(only, kind=RecordKind.CLEAN)


def test_an_empty_record_stops_its_partition_and_does_not_vanish() -> None:
    event = {"Records": [item(1, "0", record(0, 1)), item(2, "0", b""), item(3, "0", record(0, 2))]}
    decoded = records_by_partition(event, kind=RecordKind.CLEAN)
    assert [d.record.header.counter for d in decoded.partitions[0]] == [1]
    assert list(decoded.undecodable) == ["2"]


def test_a_batch_of_which_something_was_done_is_answered_with_what_failed() -> None:
    event = {"Records": [item(1, "0", b"a"), item(2, "0", b"b")]}
    assert answer(event, failed([])) == {"batchItemFailures": []}
    assert answer(event, failed(["2"])) == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_a_batch_of_which_nothing_was_done_is_an_error_so_that_it_comes_again_halved() -> None:
    with pytest.raises(NothingDone, match="none of 2 records"):
        answer({"Records": [item(1, "0", b"a"), item(2, "0", b"b")]}, failed(["1"]))


def test_a_single_record_cannot_be_halved_and_is_reported() -> None:
    event = {"Records": [item(1, "0", b"a")]}
    assert answer(event, failed(["1"])) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
