"""Which records are traced, and what X-Ray hears of them."""

import json
import os
from collections.abc import Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from ecs_tasks.ingestor.batcher import Batcher
from ecs_tasks.ingestor.notices import NoticeBoard
from ecs_tasks.ingestor.publisher import Publisher
from ecs_tasks.ingestor.stats import PublishStats
from ecs_tasks.ingestor.traces import MAX_DOCUMENTS, RecordTraces, xray_segments
from tickwire.columns import Side, TradeRows
from tickwire.records import Header, Heartbeat, Record, RecordKind
from tickwire.symbols import Instrument
from tickwire.trace import Trace
from tickwire.venues.feed import ParsedFrames

CREATED = 1_700_000_000_000_000_000


def record(trades: int = 1) -> Record:
    rows = TradeRows()
    for trade_id in range(trades):
        rows.append(
            Instrument("kraken", "BTC-USD", 8, 8),
            trade_id=trade_id,
            price=1,
            size=1,
            side=Side.BUY,
            exchange_time=CREATED,
            receive_time=CREATED - 5_000_000 + trade_id,
        )
    return Record(header=Header(RecordKind.RAW, 2, created=CREATED), trades=rows.batch())


class Heard:
    """Keeps what would go to X-Ray."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.documents: list[dict[str, Any]] = []
        self.calls: list[int] = []
        self.failure = failure

    def __call__(self, documents: Sequence[str]) -> None:
        self.calls.append(len(documents))
        if self.failure is not None:
            raise self.failure
        self.documents += map(json.loads, documents)


def test_one_record_of_trades_in_so_many_is_traced_and_no_other() -> None:
    traces = RecordTraces(every=3, send=Heard())
    quotes_only = record(0)
    sampled = [traces.sample(one).header.trace is not None for one in [record(), quotes_only, record(), record()] * 3]
    assert sampled == [False, False, False, True] * 3


async def test_x_ray_hears_when_a_traced_record_was_received_made_and_accepted() -> None:
    heard = Heard()
    traces = RecordTraces(every=1, send=heard, unique=lambda: bytes(12))
    sampled = traces.sample(record(3))
    traces.accepted(sampled, put=(CREATED, CREATED + 20_000_000))
    traces.accepted(record(), put=(CREATED, CREATED))
    await traces.flush()
    (document,) = heard.documents
    assert document["name"] == "ingestor"
    assert document["trace_id"] == "1-6553f100-000000000000000000000000"
    assert document["start_time"] == pytest.approx(1_700_000_000 - 0.005, abs=1e-6)
    assert document["end_time"] == pytest.approx(1_700_000_000.02, abs=1e-6)
    assert document["annotations"] == {"partition": 2, "venue": "kraken", "trades": 3}
    trace = sampled.header.trace
    assert trace is not None
    assert trace == Trace(trace.id, b"").after("ingestor")
    assert document["subsegments"][0]["id"] == trace.parent.hex()


async def test_what_x_ray_does_not_take_is_dropped_and_no_more_waits_than_one_call_holds() -> None:
    heard = Heard(EndpointConnectionError(endpoint_url="https://xray"))
    traces = RecordTraces(every=1, send=heard)
    for _ in range(3 * MAX_DOCUMENTS):
        traces.accepted(traces.sample(record()), put=(CREATED, CREATED))
    await traces.flush()
    heard.failure = None
    await traces.flush()
    assert (heard.calls, heard.documents) == ([MAX_DOCUMENTS], [])


async def test_a_record_keeps_its_trace_on_the_stream_and_is_told_of_once_accepted(stream: Any, tiny: Any) -> None:
    heard = Heard()
    batcher = Batcher(partitions=1, notices=NoticeBoard(partitions=1))
    traces = RecordTraces(every=1, send=heard)
    publisher = Publisher(put=stream.put, batcher=batcher, partitions=1, stats=PublishStats(), traces=traces)
    verdicts = iter(["Throttled", None])
    stream.verdict = lambda payload: next(verdicts)
    parsed = ParsedFrames()
    parsed.trades.append(
        Instrument("v", "A-B", 8, 8), trade_id=1, price=1, size=1, side=Side.BUY, exchange_time=1, receive_time=CREATED
    )
    batcher.add(parsed)
    assert await publisher.drain(5)
    await traces.flush()
    (document,) = heard.documents
    (sent,) = stream.records
    assert sent.header.trace.name == document["trace_id"]
    assert sent.header.trace.parent.hex() == document["subsegments"][0]["id"]


async def test_x_ray_takes_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("xray", region_name="eu-central-1")
        traces = RecordTraces(every=1, send=xray_segments(client), unique=lambda: bytes(12))
        traces.accepted(traces.sample(record()), put=(CREATED, CREATED))
        await traces.flush()
        ids = ["1-6553f100-000000000000000000000000"]
        (trace,) = client.batch_get_traces(TraceIds=ids)["Traces"]
    (segment,) = trace["Segments"]
    assert json.loads(segment["Document"])["name"] == "ingestor"


def test_a_heartbeat_is_no_record_of_trades() -> None:
    beat = Record(header=record().header, heartbeats=(Heartbeat("v", "A-B", 1, 1, 1),))
    assert RecordTraces(every=1, send=Heard()).sample(beat) is beat
