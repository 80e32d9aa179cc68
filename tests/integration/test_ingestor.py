"""The ingestor as a process, from a WebSocket on loopback to the emulator's Kinesis and SQS."""

import asyncio
import base64
import json
import os
import signal
import sys
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tickwire.envelope import decode
from tickwire.partitions import partition_of
from tickwire.records import Record

PARTITIONS = 4
SYMBOLS = {"BTC-USDT": "BTCUSDT", "ETH-USDT": "ETHUSDT", "SOL-USDT": "SOLUSDT"}


def trade(symbol: str, number: int) -> str:
    native = SYMBOLS[symbol]
    return (
        f'{{"stream":"{native.lower()}@trade","data":{{"e":"trade","E":1783465157897,"s":"{native}","t":{number},'
        f'"p":"{100 + number % 900}.02000000","q":"0.00317000","T":1783465157897,"m":true,"M":true}}}}'
    )


@dataclass
class Ingestor:
    """A running ingestor and the queue and stream that it writes to."""

    process: asyncio.subprocess.Process
    port: int
    stream: str
    queue: str

    async def stats(self) -> dict[str, Any]:
        return await asyncio.to_thread(self._get, "/stats")

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
            content: dict[str, Any] = json.loads(reply.read())
        return content

    async def eventually(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 30) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while not condition(stats := await self.stats()):
                assert self.process.returncode is None
                await asyncio.sleep(0.05)
        return stats

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> dict[str, Any]:
        """Ask it to stop; gives its last word."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 40)
        assert await asyncio.wait_for(self.process.wait(), 10) == 0
        event: dict[str, Any] = json.loads(line)
        assert event["event"] == "stopped"
        return event["stats"]  # type: ignore[no-any-return]


async def start(url: str, *, symbols: tuple[str, ...] = tuple(SYMBOLS), **environment: str) -> Ingestor:
    name = uuid.uuid4().hex[:8]
    kinesis, sqs = boto3.client("kinesis"), boto3.client("sqs")
    kinesis.create_stream(StreamName=f"raw-{name}", ShardCount=2)
    queue = sqs.create_queue(QueueName=f"frames-dlq-{name}")["QueueUrl"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ecs_tasks.ingestor",
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "TICKWIRE_FEEDS": json.dumps([{"feed": "binance", "symbols": symbols, "url": url}]),
            "TICKWIRE_RAW_STREAM": f"raw-{name}",
            "TICKWIRE_FRAMES_DLQ_URL": queue,
            "TICKWIRE_PARTITIONS": str(PARTITIONS),
            "TICKWIRE_HEALTH_PORT": "0",
            **environment,
        },
    )
    assert process.stdout is not None
    event = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    assert event["event"] == "listening"
    return Ingestor(process, event["port"], f"raw-{name}", queue)


def read_stream(name: str) -> list[tuple[str, Record]]:
    """Give (shard, record) for all that a stream holds, in the order of each shard."""
    kinesis = boto3.client("kinesis")
    held = []
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            page = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            held += [(shard["ShardId"], decode(record["Data"])) for record in page["Records"]]
            if not page["Records"]:
                break
            iterator = page["NextShardIterator"]
    return held


def ids_by_symbol(held: list[tuple[str, Record]]) -> dict[str, list[int]]:
    ids: dict[str, list[int]] = {}
    for _, record in held:
        names = [instrument.symbol for instrument in record.trades.instruments]
        for row, number in zip(record.trades.instrument.tolist(), record.trades.trade_id.tolist(), strict=True):
            ids.setdefault(names[row], []).append(number)
    return ids


@pytest.mark.services("kinesis", "sqs")
@pytest.mark.usefixtures("aws")
async def test_frames_of_a_socket_become_records_of_one_partition_each_and_garbage_goes_to_the_queue() -> None:
    async def exchange(connection: ServerConnection) -> None:
        for number in range(1, 1001):
            for symbol in SYMBOLS:
                await connection.send(trade(symbol, number))
            if number == 500:
                await connection.send('{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"')
        await connection.wait_closed()

    async with serve(exchange, "127.0.0.1", 0) as server:
        ingestor = await start(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}")
        await ingestor.eventually(lambda stats: stats["published"]["trades"] == 3000 and stats["dead_frames_sent"] == 1)
        assert await asyncio.to_thread(ingestor._get, "/health") == {"status": "ok", "reasons": []}
        stats = await ingestor.stop()

    assert stats["pending_trades"] == 0
    held = await asyncio.to_thread(read_stream, ingestor.stream)
    assert ids_by_symbol(held) == {symbol: list(range(1, 1001)) for symbol in SYMBOLS}
    shards: dict[int, set[str]] = {}
    for shard, record in held:
        partition = record.header.partition
        assert all(partition_of("binance", i.symbol, PARTITIONS) == partition for i in record.trades.instruments)
        shards.setdefault(partition, set()).add(shard)
    assert all(len(homes) == 1 for homes in shards.values())
    notices = [notice for _, record in held for notice in record.notices]
    assert {"frame_rejected", "connection"} <= {notice.kind for notice in notices}

    message = boto3.client("sqs").receive_message(QueueUrl=ingestor.queue)["Messages"][0]
    body = json.loads(message["Body"])
    assert (body["kind"], body["feed"], body["reason"]) == ("frame", "binance", "not_json")
    assert base64.b64decode(body["frame"]) == b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"'


@pytest.mark.services("kinesis", "sqs")
@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_under_full_load_loses_nothing_that_the_exchange_sent(number: signal.Signals) -> None:
    sent = 0

    async def exchange(connection: ServerConnection) -> None:
        nonlocal sent
        try:
            while True:
                for _ in range(20):
                    await connection.send(trade("BTC-USDT", sent + 1))
                    sent += 1
                await asyncio.sleep(0.002)
        except ConnectionClosed:
            pass

    async with serve(exchange, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        ingestor = await start(url, symbols=("BTC-USDT",))
        await ingestor.eventually(lambda stats: stats["published"]["trades"] > 3000)
        stats = await ingestor.stop(number)
    held = await asyncio.to_thread(read_stream, ingestor.stream)
    assert ids_by_symbol(held) == {"BTC-USDT": list(range(1, sent + 1))}
    assert stats["published"]["trades"] == stats["feeds"]["binance"]["trades"] == sent


@pytest.mark.services("kinesis", "sqs")
@pytest.mark.usefixtures("aws")
async def test_an_outage_of_the_stream_is_waited_out() -> None:
    async def exchange(connection: ServerConnection) -> None:
        for first in range(1, 2001):
            await connection.send(trade("BTC-USDT", first))
        await connection.wait_closed()

    async with serve(exchange, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        later = f"later-{uuid.uuid4().hex[:8]}"
        ingestor = await start(url, symbols=("BTC-USDT",), TICKWIRE_RAW_STREAM=later)
        await ingestor.eventually(lambda stats: stats["published"]["retries"] >= 3 and stats["pending_trades"] == 2000)
        boto3.client("kinesis").create_stream(StreamName=later, ShardCount=1)
        await ingestor.eventually(lambda stats: stats["published"]["trades"] == 2000)
        await ingestor.stop()
    held = await asyncio.to_thread(read_stream, later)
    assert ids_by_symbol(held) == {"BTC-USDT": list(range(1, 2001))}


async def test_wrong_settings_end_the_task_with_a_sentence_and_status_2() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKWIRE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ecs_tasks.ingestor",
        stderr=asyncio.subprocess.PIPE,
        env={**environment, "TICKWIRE_FEEDS": '[{"feed":"mtgox","symbols":["BTC-USD"]}]'},
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    said = [json.loads(line)["message"] for line in errors.splitlines()]
    assert any(text.startswith("TICKWIRE_FEEDS") and "no feed 'mtgox'" in text for text in said)
    assert "TICKWIRE_RAW_STREAM: Field required" in said
