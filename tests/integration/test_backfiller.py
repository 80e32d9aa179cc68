"""The backfiller as a process, between the local exchange's REST histories, the validator, Kinesis and Valkey."""

import asyncio
import json
import os
import sys
import urllib.request
import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import pytest

from ecs_tasks.backfiller.run import new_task
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.backfiller.task import BackfillerTask
from local.exchange.floor import steady_clock
from local.exchange.server import Exchange
from local.exchange.source import SimulatorSource
from local.valkey import LocalValkey
from tickwire.columns import TradeFlag
from tickwire.envelope import decode, split
from tickwire.intervals import IntervalSet
from tickwire.records import FindingKind, Record

PARTITIONS = 4
SYMBOLS = {"binance": ["BTC-USDT", "ETH-USDT"], "coinbase": ["BTC-USD"], "kraken": ["BTC-USD"]}
KEYS = [f"{feed}:{symbol}" for feed, symbols in SYMBOLS.items() for symbol in symbols]
DEADLINE = 120.0


class Task:
    """A task of the project as a process, with its ``/stats``."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self._port = port

    @classmethod
    async def start(cls, module: str, environment: dict[str, str]) -> "Task":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, stdout=asyncio.subprocess.PIPE, env={**os.environ, **environment}
        )
        assert process.stdout is not None
        event = json.loads(await asyncio.wait_for(process.stdout.readline(), DEADLINE))
        assert event["event"] == "listening"
        return cls(process, event["port"])

    async def get(self, path: str = "/stats") -> dict[str, Any]:
        return await asyncio.to_thread(self._get, path)

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as reply:
            content: dict[str, Any] = json.loads(reply.read())
        return content

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        stats: dict[str, Any] = {}
        try:
            async with asyncio.timeout(DEADLINE):
                while not condition(stats := await self.get()):
                    assert self.process.returncode is None
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"waited in vain: {json.dumps(stats)}")
        return stats

    async def stop(self) -> dict[str, Any]:
        """Ask it to stop; gives its last word."""
        self.process.terminate()
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE)
        assert await asyncio.wait_for(self.process.wait(), DEADLINE) == 0
        event: dict[str, Any] = json.loads(line)
        assert event["event"] == "stopped"
        return event["stats"]  # type: ignore[no-any-return]

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class Stage:
    """The validator's function, handed all that comes on trades-raw, as Lambda does."""

    def __init__(self, stream: str, context: object) -> None:
        self._kinesis = boto3.client("kinesis")
        self._context = context
        self._handler = import_module("lambdas.validator.handler").handler
        self._iterators = [
            self._kinesis.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            for shard in self._kinesis.list_shards(StreamName=stream)["Shards"]
        ]

    async def run(self) -> None:
        while True:
            if not await asyncio.to_thread(self._deliver):
                await asyncio.sleep(0.05)

    def _deliver(self) -> int:
        delivered = 0
        for number, iterator in enumerate(self._iterators):
            page = self._kinesis.get_records(ShardIterator=iterator, Limit=200)
            self._iterators[number] = page["NextShardIterator"]
            items = [
                {
                    "kinesis": {
                        "partitionKey": record["PartitionKey"],
                        "sequenceNumber": record["SequenceNumber"],
                        "data": b64encode(record["Data"]).decode(),
                        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
                    }
                }
                for record in page["Records"]
            ]
            if items:
                assert self._handler({"Records": items}, self._context)["batchItemFailures"] == []
            delivered += len(items)
        return delivered


class World:
    """An exchange, an ingestor, the validator, and what a backfiller needs to stand between them."""

    def __init__(self, exchange: Exchange, port: int, environment: dict[str, str], clean: str) -> None:
        self.exchange = exchange
        self.base = f"http://127.0.0.1:{port}"
        self.environment = environment
        self._clean = clean
        self.tasks: list[Task] = []

    async def backfiller(self, **settings: str) -> Task:
        task = await Task.start("ecs_tasks.backfiller", {**self.environment, **settings})
        self.tasks.append(task)
        return task

    async def call(self, method: str, path: str, **options: Any) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.base + path, **options) as reply,
        ):
            assert reply.status == 200, await reply.text()
            return await reply.json()

    async def order(self, *orders: dict[str, Any]) -> list[int]:
        answer = await self.call("POST", "/control/faults", json=list(orders))
        return [fault["number"] for fault in answer["faults"]]

    async def over(self, *numbers: int) -> None:
        """Wait until these faults have ended."""
        async with asyncio.timeout(DEADLINE):
            while True:
                faults = (await self.call("GET", "/control/faults"))["faults"]
                if all(faults[number - 1]["state"] == "ended" for number in numbers):
                    return
                await asyncio.sleep(0.05)

    async def newest(self) -> dict[str, int]:
        """Give the id of the last trade made of each symbol."""
        symbols = (await self.call("GET", "/control/truth"))["symbols"]
        return {key: symbols[key]["made"]["ranges"][-1][1] for key in KEYS}

    async def traded(self, trades: int, *, after: dict[str, int]) -> None:
        """Wait until each symbol has ``trades`` more than up to these ids."""
        async with asyncio.timeout(DEADLINE):
            while True:
                newest = await self.newest()
                if all(newest[key] >= last + trades for key, last in after.items()):
                    return
                await asyncio.sleep(0.05)

    def clean(self) -> dict[int, list[Record]]:
        """Give trades-clean by partition, repeats left out by their counters."""
        kinesis = boto3.client("kinesis")
        found: dict[int, list[Record]] = {}
        for shard in kinesis.list_shards(StreamName=self._clean)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=self._clean, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while True:
                page = kinesis.get_records(ShardIterator=iterator, Limit=1000)
                for item in page["Records"]:
                    for record in map(decode, split(item["Data"])):
                        taken = found.setdefault(record.header.partition, [])
                        if record.header.counter > len(taken):
                            assert record.header.counter == len(taken) + 1
                            taken.append(record)
                if not page["Records"]:
                    break
                iterator = page["NextShardIterator"]
        return found

    async def account(self) -> "Account":
        """Check that all that the exchange made is accepted once, and all that it never had is absent."""
        truth = await self.call("GET", "/control/truth")
        account = Account(await asyncio.to_thread(self.clean))
        for key in KEYS:
            ids, absent = account.ids[key], account.absent.get(key, IntervalSet())
            assert max(ids.values()) == 1, f"{key}: ids accepted twice"
            accepted = IntervalSet((i, i) for i in sorted(ids))
            first, last = min(ids), max(ids)
            made = IntervalSet(tuple(pair) for pair in truth["symbols"][key]["made"]["ranges"])
            announced = IntervalSet(tuple(pair) for pair in truth["symbols"][key]["announced"]["ranges"])
            assert list(accepted.ranges()) == made.within(first, last), key
            assert announced.difference(accepted).count == 0, key
            assert last == max(pair[1] for pair in made.ranges()), key
            assert absent == IntervalSet([(first, last)]).difference(made), key
        return account


class Account:
    """What lies on trades-clean, by ``venue:SYMBOL``."""

    def __init__(self, clean: dict[int, list[Record]]) -> None:
        self.ids: dict[str, Counter[int]] = {}
        self.backfilled: Counter[str] = Counter()
        self.absent: dict[str, IntervalSet] = {}
        self.evidence: list[str] = []
        self.notices: list[str] = []
        for record in (record for records in clean.values() for record in records):
            batch = record.trades
            names = [f"{one.venue}:{one.symbol}" for one in batch.instruments]
            columns = (batch.instrument.tolist(), batch.trade_id.tolist(), batch.flags.tolist())
            for row, trade_id, flags in zip(*columns, strict=True):
                self.ids.setdefault(names[row], Counter())[trade_id] += 1
                self.backfilled[names[row]] += bool(flags & TradeFlag.BACKFILL)
            for finding in record.findings:
                assert finding.kind is FindingKind.ABSENT
                key = f"{finding.venue}:{finding.symbol}"
                self.absent.setdefault(key, IntervalSet()).add(finding.first, finding.last)
                self.evidence.append(finding.evidence)
            self.notices += [notice.text for notice in record.notices if notice.kind == "backfill"]


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch, context: object, folder: Path) -> AsyncIterator[World]:
    name = f"backfill-{uuid.uuid4().hex[:8]}"
    kinesis = boto3.client("kinesis")
    for stream in ("raw", "clean"):
        kinesis.create_stream(StreamName=f"{name}-{stream}", ShardCount=2)
        kinesis.get_waiter("stream_exists").wait(StreamName=f"{name}-{stream}", WaiterConfig={"Delay": 1})
    queues = {kind: boto3.client("sqs").create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("t", "f")}
    exchange = Exchange(SimulatorSource(seed=5, rate=300.0, now=steady_clock()()))
    port = await exchange.start()
    with LocalValkey(folder) as valkey:
        environment = {
            "TICKWIRE_STATE_URL": valkey.url,
            "TICKWIRE_RAW_STREAM": f"{name}-raw",
            "TICKWIRE_CLEAN_STREAM": f"{name}-clean",
            "TICKWIRE_TRADES_DLQ_URL": queues["t"],
            "TICKWIRE_FRAMES_DLQ_URL": queues["f"],
            "TICKWIRE_PARTITIONS": str(PARTITIONS),
            "TICKWIRE_HEALTH_PORT": "0",
            "TICKWIRE_GRACE_SECONDS": "0.5",
            "TICKWIRE_SCAN_SECONDS": "0.2",
            "TICKWIRE_TAIL_CHECK_SECONDS": "1",
            "TICKWIRE_FEEDS": json.dumps(
                [
                    {"feed": feed, "symbols": symbols, "url": f"ws://127.0.0.1:{port}/{feed}"}
                    for feed, symbols in SYMBOLS.items()
                ]
            ),
            "TICKWIRE_HISTORIES": json.dumps(
                [{"feed": feed, "url": f"http://127.0.0.1:{port}/{feed}"} for feed in SYMBOLS]
            ),
        }
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        sys.modules.pop("lambdas.validator.handler", None)
        stage = asyncio.create_task(Stage(f"{name}-raw", context).run())
        world = World(exchange, port, environment, f"{name}-clean")
        ingestor = await Task.start("ecs_tasks.ingestor", environment)
        world.tasks.append(ingestor)
        try:
            await ingestor.until(lambda stats: all(stats["symbols"].get(key, 0) for key in KEYS))
            yield world
            assert not stage.done(), stage.exception()
        finally:
            for task in world.tasks:
                await task.kill()
            stage.cancel()
            await asyncio.gather(stage, return_exceptions=True)
            await exchange.close()


def symbol_stats(stats: dict[str, Any], key: str) -> dict[str, Any]:
    venue, symbol = key.split(":")
    # A task that has just begun has looked at nothing yet.
    found: dict[str, Any] = stats["venues"][venue]["symbols"].get(symbol, {"last_id": -1, "trades": 0})
    return found


async def filled(world: World, task: Task) -> dict[str, Any]:
    """Stop the market and wait until nothing is missing up to the last trade made."""
    await world.call("POST", "/control/stop")
    await world.exchange.wait()
    newest = await world.newest()
    return await task.until(
        lambda stats: stats["missing"] == 0 and all(symbol_stats(stats, key)["last_id"] == newest[key] for key in KEYS)
    )


@pytest.mark.services("kinesis", "sqs")
@pytest.mark.usefixtures("aws")
async def test_holes_are_filled_through_outages_and_throttling_and_what_the_venue_lost_is_absent(
    monkeypatch: pytest.MonkeyPatch, lambda_context: object, tmp_path: Path
) -> None:
    async with opened(monkeypatch, lambda_context, tmp_path) as world:
        task = await world.backfiller()
        outage, *_, lost = await world.order(
            {"kind": "rest_outage", "seconds": 2},
            {"kind": "rest_throttle", "after": 2, "seconds": 1, "retry_after": 1},
            *({"kind": "hole", "feed": feed, "count": 40, "share": 0.5} for feed in SYMBOLS),
            *({"kind": "hole", "feed": feed, "after": 1, "count": 7, "venue_outage": True} for feed in SYMBOLS),
        )
        await world.over(*range(outage, lost + 1))
        # The last trades before the close are lost too, which no later trade shows.
        await world.order(*({"kind": "hole", "feed": feed, "seconds": 30} for feed in SYMBOLS))
        before = await world.newest()
        await asyncio.gather(*(world.call("POST", "/control/burst", json=burst(key, 5)) for key in KEYS))
        # A burst is on its way when it is answered for, and a market that stops makes none.
        await world.traded(5, after=before)
        stats = await filled(world, task)
        assert (await task.get("/health"))["status"] == "ok"
        await task.stop()
        account = await world.account()

    for key in KEYS:
        of = symbol_stats(stats, key)
        assert account.backfilled[key] >= 5, key
        assert of["filled_seconds_max"] > 0
        # Coinbase names its last id by itself, and mostly sooner.
        assert of["heartbeats"] >= 2 or key.startswith("coinbase"), key
    assert sum(ids.count for ids in account.absent.values()) == 7 * len(KEYS)
    assert all("HTTP 200" in evidence and "sha256" in evidence for evidence in account.evidence)
    assert any(venue["unavailable"] for venue in stats["venues"].values())
    assert any(venue["rate_limited"] for venue in stats["venues"].values())
    assert any("unavailable" in text for text in account.notices)


def burst(key: str, trades: int) -> dict[str, Any]:
    return {"symbol": key, "trades": trades, "milliseconds": 1}


@pytest.mark.services("kinesis", "sqs")
@pytest.mark.usefixtures("aws")
async def test_a_task_killed_in_the_middle_of_fills_is_followed_by_one_that_knows_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, lambda_context: object, tmp_path: Path
) -> None:
    async with opened(monkeypatch, lambda_context, tmp_path) as world:
        slowly = {"TICKWIRE_MAX_TRADES_PER_SECOND": "800"}
        task = await world.backfiller(**slowly)
        holes = await world.order(*({"kind": "hole", "feed": feed, "seconds": 2} for feed in SYMBOLS))
        await asyncio.gather(*(world.call("POST", "/control/burst", json=burst(key, 2_500)) for key in KEYS))
        await world.over(*holes)
        under_way = await task.until(
            lambda stats: stats["missing"] > 1_000 and all(symbol_stats(stats, key)["trades"] for key in KEYS[:2])
        )
        assert under_way["missing"] > 1_000
        await task.kill()

        second = await world.backfiller(TICKWIRE_MAX_TRADES_PER_SECOND="1000000")
        await filled(world, second)
        assert (await second.stop())["missing"] == 0
        account = await world.account()
    assert all(account.backfilled[key] >= 2_000 for key in KEYS)
    assert account.absent == {}


@pytest.mark.services("kinesis", "sqs", "dynamodb")
@pytest.mark.usefixtures("aws")
async def test_two_tasks_share_the_venues_and_one_that_stops_hands_its_over(
    monkeypatch: pytest.MonkeyPatch, lambda_context: object, tmp_path: Path
) -> None:
    table = f"coordination-{uuid.uuid4().hex[:8]}"
    boto3.client("dynamodb").create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    monkeypatch.setenv("TICKWIRE_COORDINATION_TABLE", table)
    async with opened(monkeypatch, lambda_context, tmp_path) as world:
        settings = BackfillerSettings()  # type: ignore[call-arg]  # from the environment
        first, second = new_task(settings), new_task(settings)
        running = [asyncio.create_task(first.run()), asyncio.create_task(second.run())]
        await eventually(lambda: sorted([*held(first), *held(second)]) == sorted(SYMBOLS))
        assert set(held(first)).isdisjoint(held(second))

        holes = await world.order(*({"kind": "hole", "feed": feed, "count": 30} for feed in SYMBOLS))
        await asyncio.gather(*(world.call("POST", "/control/burst", json=burst(key, 50)) for key in KEYS))
        await world.over(*holes)
        before, after = (first, second) if held(first) else (second, first)
        before.stop()
        assert await running[(before is second)]
        await eventually(lambda: held(after) == sorted(SYMBOLS))
        await world.call("POST", "/control/stop")
        await world.exchange.wait()
        newest = await world.newest()
        await eventually(
            lambda: (
                (stats := after.stats_json())["missing"] == 0
                and all(symbol_stats(stats, key)["last_id"] == newest[key] for key in KEYS)
            )
        )
        after.stop()
        assert await running[(after is second)]
        items = boto3.client("dynamodb").scan(TableName=table)["Items"]
        assert {item["id"]["S"] for item in items} >= {"budget#shared#binance", "lease#backfill#kraken#0"}
        account = await world.account()
    assert sum(account.backfilled.values()) >= 30 * len(SYMBOLS)


def held(task: BackfillerTask) -> list[str]:
    """Give the venues that a task fills."""
    return sorted(venue for venue, stats in task.stats_json()["venues"].items() if stats["held"])


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - a task has no event for what it has seen
            await asyncio.sleep(0.05)
