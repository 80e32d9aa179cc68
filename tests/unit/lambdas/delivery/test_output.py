"""Putting records in order, whatever the stream refuses."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lambdas.delivery.output import OutputNotAccepted, OutputStream, RecordTooLarge
from tickwire.envelope import decode, split
from tickwire.records import Header, Notice, Record, RecordKind
from tickwire.trace import begin_trace

# Two of these do not fit into one stream record.
BULKY = "x" * 600_000


def record(partition: int, counter: int, *, text: str = "") -> Record:
    return Record(
        header=Header(RecordKind.CLEAN, partition, counter, hops=(("ingestor", 5),)),
        notices=(Notice("v", "number", text, counter, 0),),
    )


def stream(kinesis: Any, *, partitions: int = 4) -> OutputStream:
    return OutputStream(kinesis, stream="out", partitions=partitions, clock=lambda: 99, sleep=lambda _: None)


def plenty() -> float:
    return 60.0


def test_a_call_carries_one_record_of_each_partition_and_the_next_ones_follow(kinesis: Any) -> None:
    outputs = {0: [record(0, 1, text=BULKY), record(0, 2, text=BULKY)], 3: [record(3, 7)]}
    assert stream(kinesis).put(outputs, stage="validator", remaining=plenty) == {}
    assert kinesis.calls == [["0", "3"], ["0"]]
    assert kinesis.totals() == {0: [(1, 1), (2, 2)], 3: [(7, 7)]}


def test_consecutive_records_of_a_partition_share_a_stream_record_as_long_as_they_fit(kinesis: Any) -> None:
    outputs = {0: [record(0, n) for n in (1, 2, 3)] + [record(0, 4, text=BULKY), record(0, 5, text=BULKY)]}
    assert stream(kinesis).put(outputs, stage="validator", remaining=plenty) == {}
    assert kinesis.calls == [["0"], ["0"]]
    assert [[decode(e).header.counter for e in split(data)] for _, data in kinesis.streams["out"]] == [
        [1, 2, 3, 4],
        [5],
    ]


def test_the_host_adds_its_hop_after_those_passed(kinesis: Any) -> None:
    stream(kinesis).put({0: [record(0, 1)]}, stage="validator", remaining=plenty)
    assert decode(kinesis.streams["out"][0][1]).header.hops == (("ingestor", 5), ("validator", 99))


def test_a_trace_goes_on_from_the_host_the_same_way_each_time(kinesis: Any) -> None:
    came = begin_trace(time=0, unique=bytes(12)).after("ingestor")
    traced = record(0, 1)
    traced = replace(traced, header=msgspec.structs.replace(traced.header, trace=came))
    for _ in range(2):
        stream(kinesis).put({0: [traced, record(0, 2)]}, stage="validator", remaining=plenty)
    (_, first), (_, second) = kinesis.streams["out"]
    assert first == second
    heads = [decode(envelope).header for envelope in split(first)]
    assert [head.trace for head in heads] == [came.after("validator"), None]


def test_a_refused_record_holds_back_its_own_partition_and_no_other(kinesis: Any) -> None:
    kinesis.refuse = [{0}, {0}]
    outputs = {p: [record(p, 1, text=BULKY), record(p, 2, text=BULKY)] for p in (0, 1)}
    assert stream(kinesis).put(outputs, stage="s", remaining=plenty) == {}
    assert kinesis.totals() == {0: [(1, 1), (2, 2)], 1: [(1, 1), (2, 2)]}
    assert kinesis.calls == [["0", "1"], ["0", "1"], ["0"], ["0"]]


def test_a_lost_connection_is_tried_again_in_the_same_order(kinesis: Any) -> None:
    kinesis.refuse = [EndpointConnectionError(endpoint_url="x")]
    outputs = {0: [record(0, 1), record(0, 2)]}
    assert stream(kinesis).put(outputs, stage="s", remaining=plenty) == {}
    assert kinesis.totals() == {0: [(1, 1), (2, 2)]}


def test_what_is_not_accepted_in_time_is_named_by_partition(kinesis: Any) -> None:
    times = iter([60.0, 0.1])
    kinesis.refuse = [{0}, {0}]
    outputs = {0: [record(0, 1)], 1: [record(1, 1)], 2: [record(2, n, text=BULKY) for n in (1, 2, 3)]}
    failures = stream(kinesis).put(outputs, stage="s", remaining=lambda: next(times))
    assert {p: type(e) for p, e in failures.items()} == {0: OutputNotAccepted, 2: OutputNotAccepted}
    assert "ProvisionedThroughputExceeded" in str(failures[0])
    assert kinesis.totals() == {1: [(1, 1)], 2: [(1, 1), (2, 2)]}


def test_a_record_above_the_limit_stops_its_partition_and_the_others_go_on(kinesis: Any) -> None:
    outputs = {0: [record(0, 1), record(0, 2, text="x" * 1024 * 1024), record(0, 3)], 1: [record(1, 1)]}
    failures = stream(kinesis).put(outputs, stage="s", remaining=plenty)
    assert {p: type(e) for p, e in failures.items()} == {0: RecordTooLarge}
    assert "partition 0 counter 2" in str(failures[0])
    assert kinesis.totals() == {0: [(1, 1)], 1: [(1, 1)]}


def test_a_call_keeps_below_five_mebibytes(kinesis: Any) -> None:
    outputs = {p: [record(p, 1, text="x" * 900_000)] for p in range(7)}
    assert stream(kinesis, partitions=8).put(outputs, stage="s", remaining=plenty) == {}
    assert [len(call) for call in kinesis.calls] == [5, 2]


def test_a_call_keeps_below_five_hundred_records(kinesis: Any) -> None:
    outputs = {p: [record(p, 1)] for p in range(501)}
    assert stream(kinesis, partitions=512).put(outputs, stage="s", remaining=plenty) == {}
    assert [len(call) for call in kinesis.calls] == [500, 1]


def test_a_missing_right_is_raised_at_once(kinesis: Any) -> None:
    kinesis.refuse = [ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutRecords")]
    with pytest.raises(ClientError, match="AccessDenied"):
        stream(kinesis).put({0: [record(0, 1)]}, stage="s", remaining=plenty)
    assert len(kinesis.calls) == 1
