"""The loop of bar repair: what it waits for, and what it survives."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from ecs_tasks.backfiller import bar_repair
from ecs_tasks.backfiller.bar_repair import BUSY_SECONDS, BarRepairs
from ecs_tasks.backfiller.bar_repair_plan import RepairRequest, RepairScan
from ecs_tasks.backfiller.bar_repair_requests import Waiting
from tickwire.columns import Side, TradeBatch, TradeRows
from tickwire.symbols import Instrument

SECOND = 1_000_000_000


class Table:
    """The requests in memory; ``faults`` are raised by the next reads."""

    def __init__(self, *requests: RepairRequest) -> None:
        self.rows = dict.fromkeys(requests, True)
        self.faults: list[Exception] = []
        self.reads = 0
        self.more = False

    def page(self) -> list[Waiting]:
        self.reads += 1
        if self.faults:
            raise self.faults.pop(0)
        return [Waiting(request, quiet) for request, quiet in sorted(self.rows.items())]

    def delete(self, requests: Sequence[RepairRequest]) -> int:
        return sum(self.rows.pop(request, None) is not None for request in requests)


class Lake:
    """Holds a trade in every bar; ``scans`` are those it was asked for."""

    def __init__(self) -> None:
        self.counters = dict.fromkeys(range(4), 100)
        self.scans: list[RepairScan] = []

    def snapshot(self) -> Any:
        return SimpleNamespace(counters=self.counters, trades=self.trades)

    def trades(self, scan: RepairScan) -> TradeBatch:
        self.scans.append(scan)
        rows = TradeRows()
        for number, request in enumerate(scan.requests):
            rows.append(
                Instrument(scan.venue, scan.symbol, 8, 8),
                trade_id=number,
                price=1,
                size=1,
                side=Side.BUY,
                exchange_time=request.start,
                receive_time=request.start,
            )
        return rows.batch()


class Stream:
    """Accepts what is put, except that ``answers`` come first."""

    def __init__(self) -> None:
        self.answers: list[str | Exception] = []
        self.records: list[Any] = []

    async def __call__(self, payloads: Sequence[Any]) -> list[str | None]:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return [answer]
        self.records += [payload.record for payload in payloads]
        return [None] * len(payloads)


def request(start: int, *, symbol: str = "BTC-USD", counter: int = 1, interval: int = 1) -> RepairRequest:
    return RepairRequest("v", symbol, interval, start * SECOND, 2, counter)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"POLL_SECONDS": 0.001, "POSTPONED_SECONDS": 0.01, "BACKOFF_SECONDS": (0.0, 0.0)}.items():
        monkeypatch.setattr(bar_repair, name, value)


@contextlib.asynccontextmanager
async def running(repairs: BarRepairs) -> Any:
    task = asyncio.create_task(repairs.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in the loop under test
            await asyncio.sleep(0)


async def test_the_loop_serves_what_comes_and_reads_no_lake_while_nothing_does(monkeypatch):
    table, lake, stream = Table(), Lake(), Stream()
    opened = []
    monkeypatch.setattr(lake, "snapshot", lambda: opened.append(1) or Lake.snapshot(lake))
    async with running(BarRepairs(table, lake, stream)):
        await until(lambda: table.reads > 3)
        assert opened == []
        table.rows[request(5)] = True
        await until(lambda: not table.rows)
    assert [bar.start for record in stream.records for bar in record.bars] == [5 * SECOND]


async def test_a_database_that_fails_is_asked_again():
    table, stream = Table(request(5)), Stream()
    table.faults = [OSError("no route"), ValueError("anything at all")]
    repairs = BarRepairs(table, Lake(), stream)
    async with running(repairs):
        await until(lambda: not table.rows)
    assert repairs.stats.failures == 2
    assert repairs.stats.bars == 1


async def test_bars_are_sent_until_the_stream_accepts_them_and_only_then_forgotten():
    table, stream = Table(request(5)), Stream()
    stream.answers = ["ProvisionedThroughputExceededException", EndpointConnectionError(endpoint_url="http://kinesis")]
    repairs = BarRepairs(table, Lake(), stream)
    await repairs.run_pass()
    assert (repairs.stats.retries, repairs.stats.bars, len(stream.records)) == (2, 1, 1)
    assert not table.rows


async def test_more_bars_than_a_record_carries_go_in_several(monkeypatch):
    monkeypatch.setattr("ecs_tasks.backfiller.bar_repair_bars.MAX_BARS", 4)
    table, lake, stream = Table(*(request(start) for start in range(10))), Lake(), Stream()
    await BarRepairs(table, lake, stream).run_pass()
    assert len(lake.scans) == 1
    assert [len(record.bars) for record in stream.records] == [4, 4, 2]
    assert {record.header.partition for record in stream.records} == {2}
    assert not table.rows


async def test_a_bar_that_is_still_being_asked_for_waits_and_its_quiet_neighbours_do_not():
    table, stream = Table(request(5), request(6)), Stream()
    table.rows[request(6)] = False
    repairs = BarRepairs(table, Lake(), stream, now=lambda: 0.0)
    await repairs.run_pass()
    await repairs.run_pass()
    assert list(table.rows) == [request(6)]
    table.rows[request(6)] = True
    await repairs.run_pass()
    assert not table.rows


async def test_a_symbol_that_never_becomes_quiet_is_served_after_a_while_and_then_again():
    table, stream, seconds = Table(), Stream(), [0.0]
    repairs = BarRepairs(table, Lake(), stream, now=lambda: seconds[0])
    served = []
    for second in range(0, 105, 5):
        seconds[0] = float(second)
        table.rows[request(7, counter=second)] = False
        await repairs.run_pass()
        if not table.rows:
            served.append(second)
    assert served == [BUSY_SECONDS, 2 * BUSY_SECONDS + 5, 3 * BUSY_SECONDS + 10]


async def test_a_scan_that_fails_is_postponed_and_the_others_go_on(monkeypatch):
    table, lake, stream = Table(request(5), request(5, symbol="ETH-USD")), Lake(), Stream()

    def trades(scan: RepairScan) -> TradeBatch:
        if scan.symbol == "BTC-USD" and lake.faults:
            raise lake.faults.pop()
        return Lake.trades(lake, scan)

    lake.faults = [OSError("slow down")]
    monkeypatch.setattr(lake, "trades", trades)
    seconds = [0.0]
    repairs = BarRepairs(table, lake, stream, now=lambda: seconds[0])
    await repairs.run_pass()
    assert list(table.rows) == [request(5)]
    await repairs.run_pass()
    assert list(table.rows) == [request(5)]
    seconds[0] = 1.0
    await repairs.run_pass()
    assert not table.rows
    assert repairs.stats.failures == 1
