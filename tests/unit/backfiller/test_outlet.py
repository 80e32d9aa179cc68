"""What reaches Kinesis and SQS: sizes, pace, one record of a partition in flight, and only what failed again."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from ecs_tasks.backfiller import outlet as outlet_module
from ecs_tasks.backfiller.outlet import MAX_TRADES, Outlet
from ecs_tasks.ingestor.dead_frames import DeadFrame
from ecs_tasks.ingestor.publisher import Payload
from tickwire.columns import Side, TradeBatch, TradeRows
from tickwire.envelope import decode
from tickwire.partitions import partition_of
from tickwire.records import Finding, FindingKind
from tickwire.symbols import instrument
from tickwire.venues.feed import FrameReject, RejectReason

PARTITIONS = 4


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "BACKOFF_SECONDS", (0.0, 0.0))


def trades(count: int, symbol: str = "BTC-USDT") -> TradeBatch:
    rows = TradeRows()
    for number in range(1, count + 1):
        rows.append(
            instrument("binance", symbol),
            trade_id=number,
            price=number,
            size=1,
            side=Side.BUY,
            exchange_time=number,
            receive_time=number,
        )
    return rows.batch()


def frame(number: int) -> DeadFrame:
    return DeadFrame("f/history", "f", FrameReject(RejectReason.BAD_NUMBER, "", str(number).encode(), 1))


class Stream:
    """Accepts payloads when told to."""

    def __init__(self) -> None:
        self.accepted: list[Payload] = []
        self.in_flight: list[int] = []
        self.arrived = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[str | Exception] = []

    async def put(self, payloads: Sequence[Payload]) -> list[str | None]:
        (payload,) = payloads
        assert payload.partition not in self.in_flight
        self.in_flight.append(payload.partition)
        self.arrived.release()
        await self.gate.wait()
        self.in_flight.remove(payload.partition)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return [failure]
        self.accepted.append(payload)
        return [None]

    def outlet(self, *, send: Any = None, trades_per_second: int = 10**9) -> Outlet:
        return Outlet(put=self.put, send=send, partitions=PARTITIONS, trades_per_second=trades_per_second)


async def test_a_batch_is_cut_into_records_that_keep_its_order_in_its_symbols_partition() -> None:
    stream = Stream()
    await stream.outlet().trades(trades(2 * MAX_TRADES + 1))
    records = [decode(payload.data) for payload in stream.accepted]
    assert [len(record.trades) for record in records] == [MAX_TRADES, MAX_TRADES, 1]
    assert [i for r in records for i in r.trades.trade_id.tolist()] == list(range(1, 2 * MAX_TRADES + 2))
    partition = partition_of("binance", "BTC-USDT", PARTITIONS)
    assert {record.header.partition for record in records} == {partition}
    assert {payload.partition for payload in stream.accepted} == {partition}


async def test_a_partition_has_one_record_in_flight_and_others_do_not_wait_for_it() -> None:
    stream = Stream()
    outlet = stream.outlet()
    stream.gate.clear()
    symbols = [f"{base}-USDT" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "LTC", "DOT", "EOS")]
    calls = [asyncio.create_task(outlet.trades(trades(1, symbol))) for symbol in symbols]
    places = {partition_of("binance", symbol, PARTITIONS) for symbol in symbols}
    async with asyncio.timeout(5):
        for _ in places:
            await stream.arrived.acquire()
    assert sorted(stream.in_flight) == sorted(places)
    assert outlet.stalled_seconds() > 0
    stream.gate.set()
    await asyncio.gather(*calls)
    assert len(stream.accepted) == len(symbols)
    assert outlet.stalled_seconds() == 0


async def test_a_record_is_sent_until_it_is_accepted() -> None:
    stream = Stream()
    stream.failures = ["InternalFailure", EndpointConnectionError(endpoint_url="x"), "Throttled"]
    outlet = stream.outlet()
    await outlet.trades(trades(3))
    assert (len(stream.accepted), outlet.retries, outlet.records) == (1, 3, 1)


async def test_the_pace_holds_for_all_trades_together() -> None:
    stream = Stream()
    outlet = stream.outlet(trades_per_second=1_000)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(3):
        await outlet.trades(trades(400))
    # 1,000 may go at once, the other 200 take a fifth of a second.
    assert loop.time() - started >= 0.19


async def test_only_the_letters_that_failed_are_sent_again() -> None:
    calls: list[list[bytes]] = []

    async def send(frames: Sequence[DeadFrame]) -> list[str | None]:
        calls.append([one.reject.frame for one in frames])
        return ["InternalError" if len(calls) == 1 and index in (0, 2) else None for index in range(len(frames))]

    await Stream().outlet(send=send).letters([frame(number) for number in range(12)])
    assert calls == [[b"%d" % n for n in range(10)], [b"0", b"2"], [b"10", b"11"]]


async def test_very_many_findings_are_cut_into_records_within_the_limit() -> None:
    stream = Stream()
    evidence = "GET /api/v3/historicalTrades: HTTP 200 " + "x" * 400
    await stream.outlet().findings(
        [Finding("binance", "BTC-USDT", 2 * n, 2 * n, FindingKind.ABSENT, evidence, 1) for n in range(1, 1_201)]
    )
    records = [decode(payload.data) for payload in stream.accepted]
    assert [len(record.findings) for record in records] == [500, 500, 200]
    assert [one.first for record in records for one in record.findings] == [2 * n for n in range(1, 1_201)]
