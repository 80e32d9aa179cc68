"""Back-pressure: memory stays bounded when Kinesis or SQS stops, and nothing is lost after it."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from ecs_tasks.ingestor.dead_frames import DeadFrame
from ecs_tasks.ingestor.task import IngestorTask

LIMIT = 5_000


class Queue:
    """Accepts dead frames while it is open."""

    def __init__(self) -> None:
        self.frames: list[DeadFrame] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, frames: list[DeadFrame]) -> list[str | None]:
        await self.open.wait()
        self.frames += frames
        return [None] * len(frames)


async def test_when_kinesis_stops_sockets_stop_being_read_and_after_it_nothing_is_lost(
    any_exchange: Any, stream: Any, tiny: Any
) -> None:
    exchange = any_exchange
    sent = 0
    stop = asyncio.Event()

    async def floods(connection: ServerConnection) -> None:
        nonlocal sent
        while not stop.is_set():
            sent += 1
            await exchange.say(connection, f"T BTC-USD {sent}")
            if sent % 50 == 0:
                await asyncio.sleep(0)
        await exchange.listen(connection)

    exchange.scripts = [floods]
    stream.verdict = lambda payload: "InternalFailure"
    task = IngestorTask(
        tiny.settings_for(exchange.url, max_pending_trades=LIMIT, partitions=1),
        put=stream.put,
        send=Queue().send,
        new_feed=lambda name: tiny.Feed(),
    )
    run = asyncio.create_task(task.run())
    await tiny.eventually(lambda: task.paused)
    # The exchange's own writes stall once the kernel's buffers are full: pressure has reached it.
    stalled_at = -1
    while stalled_at != sent:
        stalled_at = sent
        await asyncio.sleep(0.3)
    pending = task.pending_trades
    # Over the limit by no more than what one read of the socket held.
    assert LIMIT < pending < 3 * LIMIT + 20_000
    assert sent > pending
    await asyncio.sleep(0.3)
    assert (sent, task.pending_trades) == (stalled_at, pending)
    assert "sockets are not read" in str(task.health())

    stream.verdict = lambda payload: None
    await tiny.eventually(lambda: not task.paused)
    await tiny.eventually(lambda: sent > stalled_at + 5_000)
    stop.set()
    task.stop()
    assert await run
    assert stream.trade_ids("BTC-USD") == list(range(1, sent + 1))
    assert task.stats.paused_seconds > 0


async def test_a_task_that_holds_trades_through_an_outage_of_kinesis_is_not_restarted_for_it(
    exchange: Any, stream: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 1")
        await exchange.listen(connection)

    exchange.scripts = [script]
    stream.verdict = lambda payload: "InternalFailure"
    task = IngestorTask(
        tiny.settings_for(exchange.url), put=stream.put, send=Queue().send, new_feed=lambda name: tiny.Feed()
    )
    run = asyncio.create_task(task.run())
    await tiny.eventually(lambda: task.pending_trades == 1 and task._publisher.stalled_seconds() > 0)
    monkeypatch.setattr(task._publisher, "stalled_seconds", lambda: 3_600.0)
    assert task.health() == (
        200,
        {"status": "degraded", "reasons": ["a record waits to be accepted by Kinesis for 3600 s"]},
    )
    stream.verdict = lambda payload: None
    task.stop()
    assert await run
    assert stream.trade_ids("BTC-USD") == [1]


async def test_when_sqs_stops_only_the_connection_that_sends_garbage_stops_being_read(
    exchange: Any, stream: Any, tiny: Any
) -> None:
    sent = {"garbage": 0, "trades": 0}
    stop = asyncio.Event()

    async def serve(connection: ServerConnection) -> None:
        assert connection.request is not None
        garbage = "BTC-USD" in connection.request.path
        kind = "garbage" if garbage else "trades"
        while not stop.is_set():
            sent[kind] += 1
            await exchange.say(connection, "x" * 5000 if garbage else f"T ETH-USD {sent[kind]}")
            if not garbage:
                await asyncio.sleep(0.001)
        await exchange.listen(connection)

    exchange.scripts = [serve]
    queue = Queue()
    queue.open.clear()
    settings = tiny.settings_for(exchange.url, max_pending_frame_bytes=1_000_000)
    entry = settings.feeds[0]
    settings = settings.model_copy(update={"feeds": (entry, entry.model_copy(update={"symbols": ("ETH-USD",)}))})
    task = IngestorTask(settings, put=stream.put, send=queue.send, new_feed=lambda name: tiny.Feed())
    run = asyncio.create_task(task.run())
    stalled_at = -1
    while stalled_at != sent["garbage"]:
        stalled_at = sent["garbage"]
        await asyncio.sleep(0.3)
    trades = sent["trades"]
    await tiny.eventually(lambda: sent["trades"] > trades + 100)
    assert sent["garbage"] == stalled_at
    assert task.stats_json()["pending_frames"] < stalled_at

    queue.open.set()
    await tiny.eventually(lambda: sent["garbage"] > stalled_at + 100)
    stop.set()
    task.stop()
    assert await run
    assert len(queue.frames) == sent["garbage"]
    assert stream.trade_ids("ETH-USD") == list(range(1, sent["trades"] + 1))


async def test_a_socket_that_is_not_read_is_not_settled_so_that_who_had_the_group_reads_on(
    exchange: Any, stream: Any, tiny: Any
) -> None:
    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 1")
        await exchange.listen(connection)

    exchange.scripts = [script]
    settings = tiny.settings_for(exchange.url)
    task = IngestorTask(settings, put=stream.put, send=Queue().send, new_feed=lambda name: tiny.Feed())
    run = asyncio.create_task(task.run())
    connection = task.connections[0]
    await tiny.eventually(lambda: connection.settled)
    connection.pause("test")
    assert not connection.settled
    connection.resume("test")
    assert connection.settled
    task.stop()
    assert await run
