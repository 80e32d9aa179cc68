"""What X-Ray's daemon hears of traced records, from the validator to the sinks."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from lambdas.delivery.output import OutputStream
from lambdas.delivery.state import PartitionStates, connect
from lambdas.delivery.stream_stage import StreamStage
from lambdas.delivery.tracing import RecordSegments
from tickwire.columns import Side, TradeRows
from tickwire.envelope import decode, encode, split
from tickwire.records import Header, Record, RecordKind
from tickwire.stages.signals import SignalsSettings, SignalsStage
from tickwire.stages.validator import ValidatorSettings, ValidatorStage
from tickwire.symbols import Instrument
from tickwire.trace import begin_trace

NOW = 1_700_000_000_000_000_000
CAME = begin_trace(time=NOW, unique=bytes(range(12))).after("ingestor")
ROOT = "1-6553f100-000102030405060708090a0b"


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket in the place of the daemon's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(5)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{heard.getsockname()[1]}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-aaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbb;Parent=1;Sampled=1")
        yield heard


def next_segment(daemon: socket.socket) -> dict[str, Any]:
    header, _, document = daemon.recv(65_536).partition(b"\n")
    # https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html
    assert json.loads(header) == {"format": "json", "version": 1}
    segment: dict[str, Any] = json.loads(document)
    return segment


def test_only_traced_records_are_told_of_with_the_invocation_that_took_them(daemon: socket.socket) -> None:
    headers = [Header(RecordKind.EVENTS, 3, counter) for counter in (1, 2, 3)]
    headers[1] = msgspec.structs.replace(headers[1], trace=CAME)
    RecordSegments("store_writer").send(headers, work=(NOW, NOW + 1_000_000))
    segment = next_segment(daemon)
    assert (segment["name"], segment["trace_id"], segment["parent_id"]) == ("store_writer", ROOT, CAME.parent.hex())
    assert segment["annotations"] == {
        "partition": 3,
        "counter": 2,
        "invocation": "1-aaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbb",
    }
    daemon.setblocking(False)
    with pytest.raises(BlockingIOError):
        daemon.recv(1)


@pytest.mark.parametrize("environment", [{}, {"AWS_XRAY_DAEMON_ADDRESS": ""}])
def test_where_there_is_no_daemon_nothing_is_sent_and_nothing_fails(environment: dict[str, str]) -> None:
    traced = Header(RecordKind.EVENTS, 3, 1, trace=CAME)
    RecordSegments("store_writer", environment).send([traced], work=(NOW, NOW))


def test_a_daemon_that_cannot_be_reached_costs_the_function_nothing() -> None:
    traced = Header(RecordKind.EVENTS, 3, 1, trace=CAME)
    # A broadcast address, which an ordinary socket may not send to: OSError.
    RecordSegments("x", {"AWS_XRAY_DAEMON_ADDRESS": "255.255.255.255:2000"}).send([traced], work=(NOW, NOW))


def test_one_trace_follows_a_record_through_the_stages(
    daemon: socket.socket, valkey_address: str, kinesis: Any
) -> None:
    rows = TradeRows()
    rows.append(
        Instrument("binance", "BTC-USDT", 8, 8),
        trade_id=1,
        price=100,
        size=1,
        side=Side.BUY,
        exchange_time=NOW,
        receive_time=NOW,
    )
    raw = Record(header=Header(RecordKind.RAW, 1, created=NOW, trace=CAME), trades=rows.batch())

    def stage(logic: Any, kind: RecordKind, out: str) -> StreamStage[Any]:
        return StreamStage(
            logic,
            input_kind=kind,
            states=PartitionStates(connect(valkey_address), logic),
            output=OutputStream(kinesis, stream=out, partitions=4, clock=lambda: NOW),
            clock=lambda: NOW,
        )

    def event(*records: bytes) -> dict[str, Any]:
        fields = {"partitionKey": "1", "approximateArrivalTimestamp": NOW / 1e9}
        return {
            "Records": [
                {"kinesis": {"sequenceNumber": str(n), "data": b64encode(data).decode(), **fields}}
                for n, data in enumerate(records, 1)
            ]
        }

    validator = stage(ValidatorStage(ValidatorSettings()), RecordKind.RAW, "clean")
    signals = stage(SignalsStage(SignalsSettings()), RecordKind.CLEAN, "events")
    validator.run(event(encode(raw)), remaining=lambda: 60.0)
    first = next_segment(daemon)
    (clean,) = kinesis.streams["clean"]
    signals.run(event(clean[1]), remaining=lambda: 60.0)
    second = next_segment(daemon)
    assert [one["name"] for one in (first, second)] == ["validator", "signals"]
    assert {first["trace_id"], second["trace_id"]} == {ROOT}
    assert first["parent_id"] == CAME.parent.hex()
    assert second["parent_id"] == first["subsegments"][0]["id"]
    (told,) = split(kinesis.streams["events"][0][1])
    handed_on = decode(told).header.trace
    assert handed_on is not None
    assert handed_on.parent.hex() == second["subsegments"][0]["id"]

    # The same record once more is a repeat: nothing goes out, and nothing is told.
    validator.run(event(encode(raw)), remaining=lambda: 60.0)
    daemon.setblocking(False)
    with pytest.raises(BlockingIOError):
        daemon.recv(1)
