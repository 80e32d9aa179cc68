"""Records to Kinesis: order, partial failures, independence of partitions, memory, draining."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ecs_tasks.ingestor import publisher as publisher_module
from ecs_tasks.ingestor.batcher import Batcher
from ecs_tasks.ingestor.notices import NoticeBoard
from ecs_tasks.ingestor.publisher import Payload, Publisher
from ecs_tasks.ingestor.stats import PublishStats
from tickwire.columns import Side
from tickwire.partitions import partition_of
from tickwire.symbols import instrument
from tickwire.venues.feed import ParsedFrames

PARTITIONS = 4
SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD", "LTC-USD", "XRP-USD")


def trades_of(symbol: str, ids: Sequence[int]) -> ParsedFrames:
    parsed = ParsedFrames(frames=1)
    for number in ids:
        parsed.trades.append(
            instrument("v", symbol),
            trade_id=number,
            price=1,
            size=1,
            side=Side.BUY,
            exchange_time=1,
            receive_time=1,
        )
    return parsed


class Bench:
    """A publisher with its batcher and stream."""

    def __init__(self, stream: Any, **options: Any) -> None:
        self.stream = stream
        self.stats = PublishStats()
        self.batcher = Batcher(partitions=PARTITIONS, notices=NoticeBoard(partitions=PARTITIONS), max_rows=100)
        self.publisher = Publisher(
            put=options.pop("put", stream.put),
            batcher=self.batcher,
            partitions=PARTITIONS,
            stats=self.stats,
            flush_seconds=0.002,
            flush_rows=100,
            **options,
        )

    def add(self, symbol: str, ids: Sequence[int]) -> None:
        self.batcher.add(trades_of(symbol, ids))
        self.publisher.added()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.publisher.run(lambda: None))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_each_partition_arrives_in_order_and_no_call_holds_one_twice(stream: Any, tiny: Any) -> None:
    bench = Bench(stream)
    async with bench.running():
        for first in range(1, 1000, 37):
            for symbol in SYMBOLS:
                bench.add(symbol, range(first, first + 37))
            await asyncio.sleep(0)
        await tiny.eventually(lambda: bench.stats.trades == 27 * 37 * len(SYMBOLS))
    for symbol in SYMBOLS:
        assert stream.trade_ids(symbol) == list(range(1, 1000))
    assert all(len(set(call)) == len(call) for call in stream.calls)
    assert bench.publisher.unaccepted_trades == 0
    assert bench.batcher.pending_trades == 0


async def test_only_the_failed_entries_of_a_call_are_sent_again(stream: Any, tiny: Any) -> None:
    bench = Bench(stream)
    throttled = partition_of("v", "BTC-USD", PARTITIONS)
    tries: dict[int, int] = {}

    def verdict(payload: Payload) -> str | None:
        tries[payload.partition] = tries.get(payload.partition, 0) + 1
        if payload.partition == throttled and tries[payload.partition] <= 3:
            return "ProvisionedThroughputExceededException"
        return None

    stream.verdict = verdict
    for symbol in SYMBOLS:
        bench.add(symbol, [1, 2, 3])
    async with bench.running():
        await tiny.eventually(lambda: bench.stats.trades == 3 * len(SYMBOLS))
    used = {partition_of("v", symbol, PARTITIONS) for symbol in SYMBOLS}
    assert tries == {partition: 4 if partition == throttled else 1 for partition in used}
    assert bench.stats.retries == 3
    assert stream.trade_ids("BTC-USD") == [1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_fails_each_trade_arrives_once_and_in_order(
    stream: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(publisher_module, "BACKOFF_SECONDS", (0.001, 0.01))
    draw = random.Random(seed)
    stream.verdict = lambda payload: draw.choice(["InternalFailure", "Throttled", None, None])

    async def put(payloads: Sequence[Payload]) -> list[str | None]:
        await asyncio.sleep(draw.choice([0, 0, 0, 0.002]))
        if draw.random() < 0.2:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        return list(await stream.put(payloads))

    bench = Bench(stream, put=put, max_record_bytes=900)
    count = 0
    async with bench.running():
        for _ in range(60):
            some = draw.randrange(1, 60)
            for symbol in SYMBOLS:
                bench.add(symbol, range(count, count + some))
            count += some
            await asyncio.sleep(draw.choice([0, 0, 0.002]))
        await tiny.eventually(lambda: bench.stats.trades == count * len(SYMBOLS), 60)
    for symbol in SYMBOLS:
        assert stream.trade_ids(symbol) == list(range(count))
    assert max(stream.sizes) <= 900
    assert bench.publisher.unaccepted_trades == 0


async def test_a_partition_that_never_succeeds_does_not_stop_the_others(stream: Any, tiny: Any) -> None:
    bench = Bench(stream)
    stuck = partition_of("v", "BTC-USD", PARTITIONS)
    stream.verdict = lambda payload: "InternalFailure" if payload.partition == stuck else None
    others = [s for s in SYMBOLS if partition_of("v", s, PARTITIONS) != stuck]
    assert others
    async with bench.running():
        bench.add("BTC-USD", [1])
        for number in range(1, 50):
            for symbol in others:
                bench.add(symbol, [number])
            await asyncio.sleep(0.001)
        await tiny.eventually(lambda: bench.stats.trades == 49 * len(others))
        assert bench.publisher.unaccepted_trades == 1
        stream.verdict = lambda payload: None
        await tiny.eventually(lambda: bench.publisher.unaccepted_trades == 0)
    assert stream.trade_ids("BTC-USD") == [1]


async def test_a_call_that_hangs_holds_only_its_own_partitions(stream: Any, tiny: Any) -> None:
    release = asyncio.Event()
    slow = partition_of("v", "BTC-USD", PARTITIONS)

    async def put(payloads: Sequence[Payload]) -> list[str | None]:
        if any(payload.partition == slow for payload in payloads):
            await release.wait()
        return list(await stream.put(payloads))

    bench = Bench(stream, put=put)
    other = next(s for s in SYMBOLS if partition_of("v", s, PARTITIONS) != slow)
    async with bench.running():
        bench.add("BTC-USD", [1])
        await tiny.eventually(lambda: bench.publisher.unaccepted_trades == 1)
        bench.add(other, [1, 2])
        bench.add("BTC-USD", [2])
        await tiny.eventually(lambda: stream.trade_ids(other) == [1, 2])
        assert stream.trade_ids("BTC-USD") == []
        release.set()
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1, 2])


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no stream"}}, "PutRecords"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
)
async def test_a_call_that_fails_as_a_whole_is_retried_until_it_succeeds(
    stream: Any, tiny: Any, error: Exception
) -> None:
    failures = 3

    async def put(payloads: Sequence[Payload]) -> list[str | None]:
        nonlocal failures
        if failures:
            failures -= 1
            raise error
        return list(await stream.put(payloads))

    bench = Bench(stream, put=put)
    bench.add("BTC-USD", [5, 6])
    async with bench.running():
        await tiny.eventually(lambda: bench.stats.trades == 2)
    assert bench.stats.retries == 3
    assert stream.trade_ids("BTC-USD") == [5, 6]


async def test_a_fault_of_the_programme_in_a_call_comes_up(stream: Any) -> None:
    async def put(payloads: Sequence[Payload]) -> list[str | None]:
        raise TypeError("a fault")

    bench = Bench(stream, put=put)
    bench.add("BTC-USD", [1])
    with pytest.raises(TypeError, match="a fault"):
        await asyncio.wait_for(bench.publisher.run(lambda: None), 5)


async def test_under_load_records_grow_and_do_not_queue(stream: Any, tiny: Any) -> None:
    bench = Bench(stream)
    stream.open.clear()
    async with bench.running():
        for number in range(1, 501):
            bench.add("BTC-USD", [number])
            if number % 10 == 0:
                await asyncio.sleep(0.001)
        assert len(stream.calls) == 1
        stream.open.set()
        await tiny.eventually(lambda: bench.stats.trades == 500)
    assert stream.trade_ids("BTC-USD") == list(range(1, 501))
    # The first record and then full ones of 100 rows.
    assert len(stream.records) <= 7


async def test_a_split_record_is_sent_part_by_part_in_order(stream: Any, tiny: Any) -> None:
    bench = Bench(stream, max_record_bytes=200)
    async with bench.running():
        bench.add("BTC-USD", [k * k * 7919 % 100_003 for k in range(100)])
        await tiny.eventually(lambda: bench.stats.trades == 100)
    assert stream.trade_ids("BTC-USD") == [k * k * 7919 % 100_003 for k in range(100)]
    assert max(stream.sizes) <= 200
    assert len(stream.records) > 1


async def test_drain_sends_everything_and_says_so(stream: Any) -> None:
    bench = Bench(stream)
    failing = iter([True, True])
    stream.verdict = lambda payload: "InternalFailure" if next(failing, False) else None
    for symbol in SYMBOLS:
        bench.add(symbol, range(1, 251))
    assert await bench.publisher.drain(10)
    for symbol in SYMBOLS:
        assert stream.trade_ids(symbol) == list(range(1, 251))


async def test_drain_gives_up_at_its_deadline_and_says_so(stream: Any) -> None:
    bench = Bench(stream)
    stream.verdict = lambda payload: "InternalFailure"
    bench.add("BTC-USD", [1])
    assert not await bench.publisher.drain(0.1)
    assert bench.publisher.unaccepted_trades == 1
    assert bench.publisher.stalled_seconds() > 0
