"""Ingestors as processes that share groups through the emulator's DynamoDB, while an exchange goes on trading."""

import asyncio
import contextlib
import json
import os
import sys
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tickwire.envelope import decode

SYMBOLS = {"BTC-USDT": "BTCUSDT", "ETH-USDT": "ETHUSDT"}
LEASE_SECONDS = 3.0

pytestmark = [pytest.mark.services("kinesis", "sqs", "dynamodb"), pytest.mark.usefixtures("aws")]


@dataclass
class Market:
    """Trades each symbol all the time; a connection gets the trades of its time, as at a venue."""

    ids: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, 0))
    open: dict[str, set[ServerConnection]] = field(default_factory=lambda: {symbol: set() for symbol in SYMBOLS})
    url: str = ""

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        symbol = next(name for name, native in SYMBOLS.items() if native.lower() in connection.request.path)
        self.open[symbol].add(connection)
        try:
            await connection.wait_closed()
        finally:
            self.open[symbol].discard(connection)

    async def trade(self) -> None:
        while True:
            for symbol, native in SYMBOLS.items():
                self.ids[symbol] += 1
                frame = (
                    f'{{"stream":"{native.lower()}@trade","data":{{"e":"trade","E":1783465157897,"s":"{native}",'
                    f'"t":{self.ids[symbol]},"p":"100.02000000","q":"0.00317000","T":1783465157897,"m":true,"M":true}}}}'
                )
                for connection in tuple(self.open[symbol]):
                    with contextlib.suppress(ConnectionClosed):
                        await connection.send(frame)
            await asyncio.sleep(0.005)


@pytest.fixture
async def market() -> AsyncIterator[Market]:
    market = Market()
    async with serve(market.serve, "127.0.0.1", 0, compression=None) as server:
        market.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        trading = asyncio.create_task(market.trade())
        yield market
        trading.cancel()


class Fleet:
    """Ingestors with the same settings: a group a symbol."""

    def __init__(self, market: Market) -> None:
        name = uuid.uuid4().hex[:8]
        self.market = market
        self.stream, self.table = f"raw-{name}", f"coordination-{name}"
        self.processes: list[asyncio.subprocess.Process] = []
        boto3.client("kinesis").create_stream(StreamName=self.stream, ShardCount=1)
        self.queue = boto3.client("sqs").create_queue(QueueName=f"frames-dlq-{name}")["QueueUrl"]

    def create_table(self) -> None:
        boto3.client("dynamodb").create_table(
            TableName=self.table,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )

    async def launch(
        self, *, stderr: int = asyncio.subprocess.DEVNULL, **environment: str
    ) -> asyncio.subprocess.Process:
        url = self.market.url
        feeds = [{"feed": "binance", "symbols": [symbol], "url": url, "group": symbol} for symbol in SYMBOLS]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ecs_tasks.ingestor",
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={
                **os.environ,
                "TICKWIRE_FEEDS": json.dumps(feeds),
                "TICKWIRE_RAW_STREAM": self.stream,
                "TICKWIRE_FRAMES_DLQ_URL": self.queue,
                "TICKWIRE_PARTITIONS": "4",
                "TICKWIRE_HEALTH_PORT": "0",
                "TICKWIRE_COORDINATION_TABLE": self.table,
                "TICKWIRE_LEASE_SECONDS": str(LEASE_SECONDS),
                **environment,
            },
        )
        self.processes.append(process)
        return process

    async def start(self, **environment: str) -> "Task":
        process = await self.launch(**environment)
        assert process.stdout is not None
        event = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        return Task(process, event["port"])

    def published(self) -> dict[str, set[int]]:
        """Give the ids on the stream by symbol."""
        kinesis = boto3.client("kinesis")
        ids: dict[str, set[int]] = {symbol: set() for symbol in SYMBOLS}
        shard = kinesis.list_shards(StreamName=self.stream)["Shards"][0]["ShardId"]
        iterator = kinesis.get_shard_iterator(StreamName=self.stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        while (page := kinesis.get_records(ShardIterator=iterator, Limit=1000))["Records"]:
            for row in page["Records"]:
                trades = decode(row["Data"]).trades
                for index, number in zip(trades.instrument.tolist(), trades.trade_id.tolist(), strict=True):
                    ids[trades.instruments[index].symbol].add(number)
            iterator = page["NextShardIterator"]
        return ids


@dataclass
class Task:
    process: asyncio.subprocess.Process
    port: int

    async def get(self, path: str) -> dict[str, Any]:
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
            content: dict[str, Any] = json.loads(reply.read())
        return content

    async def eventually(self, path: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Give the answer that meets a condition."""
        async with asyncio.timeout(60):
            while not condition(answer := await self.get(path)):  # noqa: ASYNC110 - state of another process
                await asyncio.sleep(0.05)
        return answer

    async def holds(self, count: int) -> None:
        """Wait until it holds so many groups, all of them connected."""

        def enough(stats: dict[str, Any]) -> bool:
            groups = stats["coordination"]["groups"].values()
            return len(groups) == count and all(one["connected"] and not one["leaving"] for one in groups)

        await self.eventually("/stats", enough)

    async def overlaps(self, newcomer: "Task") -> None:
        """Wait until all that this task received before the newcomer read its first trades is on the stream."""

        def has_each(stats: dict[str, Any]) -> bool:
            return len(stats["symbols"]) == len(SYMBOLS)

        seen = (await newcomer.eventually("/stats", has_each))["symbols"]

        def is_past(stats: dict[str, Any]) -> bool:
            reached = all(stats["symbols"][symbol]["last_id"] >= one["first_id"] for symbol, one in seen.items())
            return reached and stats["pending_trades"] == 0

        await self.eventually("/stats", is_past)

    async def stop(self) -> None:
        self.process.terminate()
        assert await asyncio.wait_for(self.process.wait(), 40) == 0


@pytest.fixture
async def fleet(market: Market) -> AsyncIterator[Fleet]:
    fleet = Fleet(market)
    fleet.create_table()
    yield fleet
    for process in fleet.processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


def assert_without_gap(ids: set[int]) -> None:
    assert ids == set(range(min(ids), max(ids) + 1))


async def test_tasks_come_and_go_and_every_trade_is_on_the_stream(fleet: Fleet) -> None:
    first = await fleet.start()
    await first.holds(2)
    assert (await first.get("/health"))["groups"] == ["BTC-USDT", "ETH-USDT"]

    second = await fleet.start()
    await second.holds(1)
    await first.holds(1)

    await first.stop()
    await second.holds(2)
    await second.stop()

    for ids in (await asyncio.to_thread(fleet.published)).values():
        assert_without_gap(ids)


async def test_what_a_killed_task_held_is_read_by_the_other_and_with_two_holders_nothing_is_missing(
    fleet: Fleet,
) -> None:
    first, second = await fleet.start(TICKWIRE_HOLDERS="2"), await fleet.start(TICKWIRE_HOLDERS="2")
    await first.holds(2)
    await second.holds(2)
    # What only the killed one has read is lost with it, so the other must read before.
    await first.overlaps(second)
    first.process.kill()
    await first.process.wait()
    before = dict(fleet.market.ids)
    third = await fleet.start(TICKWIRE_HOLDERS="2")
    await third.holds(2)
    for task in (second, third):
        await task.stop()

    for symbol, ids in (await asyncio.to_thread(fleet.published)).items():
        assert_without_gap(ids)
        assert max(ids) > before[symbol]


async def test_without_the_table_a_task_says_so_and_ends_with_status_2(market: Market) -> None:
    process = await Fleet(market).launch(stderr=asyncio.subprocess.PIPE)
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    said = [json.loads(line) for line in errors.splitlines()]
    assert any("there is no DynamoDB table 'coordination-" in entry.get("error", "") for entry in said)


async def test_a_table_that_vanishes_stops_no_reading_and_shows_in_health(fleet: Fleet) -> None:
    task = await fleet.start()
    await task.holds(2)
    boto3.client("dynamodb").delete_table(TableName=fleet.table)
    health = await task.eventually("/health", lambda health: health["status"] != "ok")
    assert health["status"] == "degraded"
    assert health["reasons"][0].startswith("leases cannot be kept, reading on: there is no DynamoDB table")
    assert health["groups"] == ["BTC-USDT", "ETH-USDT"]
    published = (await task.get("/stats"))["published"]["trades"]
    await task.eventually("/stats", lambda stats: stats["published"]["trades"] >= published + 200)
    # What was lost with the table is written anew.
    fleet.create_table()
    health = await task.eventually("/health", lambda health: health["status"] == "ok")
    assert health["groups"] == ["BTC-USDT", "ETH-USDT"]
