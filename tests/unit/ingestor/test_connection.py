"""Sockets against an exchange on loopback that misbehaves in every way."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from ecs_tasks.ingestor import connection as connection_module
from ecs_tasks.ingestor import ends as ends_module
from ecs_tasks.ingestor.attempts import Attempts
from ecs_tasks.ingestor.dead_frames import DeadFrame
from ecs_tasks.ingestor.ends import Cause, End
from ecs_tasks.ingestor.session import Session
from ecs_tasks.ingestor.task import IngestorTask
from ecs_tasks.shared.backoff import Backoff


class Queue:
    """Accepts dead frames."""

    def __init__(self) -> None:
        self.frames: list[DeadFrame] = []

    async def send(self, frames: list[DeadFrame]) -> list[str | None]:
        self.frames += frames
        return [None] * len(frames)


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "BACKOFF_SECONDS", (0.001, 0.01))


@contextlib.asynccontextmanager
async def running(task: IngestorTask) -> AsyncIterator[IngestorTask]:
    """Run a task, and stop it at the end; fails if it did not drain."""
    run = asyncio.create_task(task.run())
    try:
        yield task
    finally:
        task.stop()
        assert await run


def new_task(tiny: Any, stream: Any, queue: Queue, url: str, *, new_feed: Any = None, **changes: Any) -> IngestorTask:
    for_feed = new_feed or (lambda name: tiny.Feed())
    task = IngestorTask(tiny.settings_for(url, **changes), put=stream.put, send=queue.send, new_feed=for_feed)
    for connection in task.connections:
        connection._check_seconds = 0.01
    return task


async def test_connects_subscribes_and_publishes(exchange: Any, stream: Any, queue: Queue, tiny: Any) -> None:
    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, *(f"T BTC-USD {n}" for n in range(1, 501)), "Q BTC-USD 9", "H BTC-USD 500")
        await exchange.listen(connection)

    exchange.scripts = [script]
    async with running(new_task(tiny, stream, queue, exchange.url)) as task:
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == list(range(1, 501)))
        await tiny.eventually(lambda: any(record.heartbeats for record in stream.records))
        await tiny.eventually(lambda: any(len(record.quotes) for record in stream.records))
        assert exchange.paths == ["/tiny?BTC-USD"]
        await tiny.eventually(lambda: exchange.received == ["subscribe BTC-USD"])
        stats = task.stats_json()
    assert 0 < stats["feeds"]["tiny"]["seconds_without_connection"] < 5
    assert stats["feeds"]["tiny"] | {"last_frame_ns": 0, "seconds_without_connection": 0} == {
        "connected": True,
        "connections": 1,
        "frames": 502,
        "slow_frames": 0,
        "trades": 500,
        "quotes": 1,
        "rejects": {},
        "ignored": {},
        "drift": {},
        "checksum_failures": 0,
        "reconnects": 0,
        "reconnects_by_cause": {},
        "last_reconnect_cause": "",
        "last_reconnect_ns": 0,
        "last_end": "",
        "seconds_without_connection": 0,
        "last_frame_ns": 0,
    }
    assert stats["symbols"] == {"tiny:BTC-USD": {"first_id": 1, "last_id": 500, "trades": 500}}
    assert stats["published"]["trades"] == 500
    assert stats["pending_trades"] == 0
    assert stats["publish_seconds"]["p99"] < 5


async def test_reconnects_after_each_way_of_losing_the_socket(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    async def closes(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 1")
        await connection.close(1012, "restarting")

    async def drops(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 2")
        connection.transport.abort()

    async def breaks_protocol(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 3")
        connection.transport.write(b"\xff\xff garbage")
        await exchange.listen(connection)

    async def stays(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 4")
        await exchange.listen(connection)

    exchange.scripts = [closes, drops, breaks_protocol, stays]
    async with running(new_task(tiny, stream, queue, exchange.url)) as task:
        await tiny.eventually(lambda: 4 in stream.trade_ids("BTC-USD"))
        assert task.stats.feeds["tiny"].reconnects.total() == 3
        await tiny.eventually(lambda: any("1012 restarting" in text for _, text in stream.notices()))
    # What was in flight when a socket was cut may be lost to TCP; what closes in order may not.
    assert {1, 4} <= set(stream.trade_ids("BTC-USD"))
    assert stream.notices()["connection", "tiny: connected"] == 4


async def test_a_socket_without_any_frame_is_given_up_and_control_frames_count_as_life(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    pinged = asyncio.Event()

    async def pings(connection: ServerConnection) -> None:
        for _ in range(12):
            await (await connection.ping(b"life"))
            await asyncio.sleep(0.05)
        pinged.set()
        await exchange.listen(connection)

    async def speaks(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 1")
        await exchange.listen(connection)

    exchange.scripts = [pings, speaks]
    new_feed = tiny.with_liveness(silence_seconds=0.3)
    async with running(new_task(tiny, stream, queue, exchange.url, new_feed=new_feed)) as task:
        await asyncio.wait_for(pinged.wait(), 10)
        assert task.stats.feeds["tiny"].reconnects.total() == 0
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1])
        await tiny.eventually(
            lambda: ("connection", "tiny: silent for 0.3 s; reconnecting [silent]") in stream.notices()
        )


async def test_a_slow_handshake_is_no_silence(exchange: Any, stream: Any, queue: Queue, tiny: Any) -> None:
    async def slowly(connection: ServerConnection, request: Any) -> None:
        await asyncio.sleep(0.6)

    async def script(connection: ServerConnection) -> None:
        await asyncio.sleep(0.1)
        await exchange.say(connection, "T BTC-USD 1")
        await exchange.listen(connection)

    exchange.scripts = [script]
    async with serve(exchange.serve, "127.0.0.1", 0, process_request=slowly) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        new_feed = tiny.with_liveness(silence_seconds=0.5)
        async with running(new_task(tiny, stream, queue, url, new_feed=new_feed)) as task:
            await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1])
            assert task.stats.feeds["tiny"].reconnects.total() == 0


async def test_the_venues_ping_payload_is_sent(exchange: Any, stream: Any, queue: Queue, tiny: Any) -> None:
    exchange.scripts = [exchange.listen]
    new_feed = tiny.with_liveness(ping_payload=b'{"method":"ping"}', ping_seconds=0.05)
    async with running(new_task(tiny, stream, queue, exchange.url, new_feed=new_feed)):
        await tiny.eventually(lambda: exchange.received.count('{"method":"ping"}') >= 3)


async def test_a_wish_to_reconnect_opens_the_next_socket_before_the_old_one_closes(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    second_is_open = asyncio.Event()

    async def asks(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 1", "BYE")
        await second_is_open.wait()
        await exchange.say(connection, "T BTC-USD 2")
        await exchange.listen(connection)

    async def successor(connection: ServerConnection) -> None:
        second_is_open.set()
        await tiny.eventually(lambda: 2 in stream.trade_ids("BTC-USD"))
        await exchange.say(connection, "T BTC-USD 3")
        await exchange.listen(connection)

    exchange.scripts = [asks, successor]
    async with running(new_task(tiny, stream, queue, exchange.url)) as task:
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1, 2, 3])
        await tiny.eventually(lambda: len(task.connections[0].sessions) == 1)
        assert exchange.connections == 2
        await tiny.eventually(lambda: ("venue_status", "tiny: going down") in stream.notices())


async def test_the_old_socket_keeps_its_parser_while_its_successor_cannot_connect(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    feeds: list[Any] = []

    def new_feed(_: str) -> Any:
        feeds.append(tiny.Feed())
        return feeds[-1]

    old_socket = asyncio.Event()

    async def asks(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 1")
        await old_socket.wait()
        await exchange.say(connection, "BYE")
        await exchange.listen(connection)

    exchange.scripts = [asks]
    task = new_task(tiny, stream, queue, exchange.url, new_feed=new_feed)
    async with running(task):
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1])
        (session,) = task.connections[0].sessions
        resets = session.feed.reconnections
        # Listens no more, and keeps the socket that is open.
        exchange.server.close(close_connections=False)
        await tiny.eventually(lambda: not exchange.server.sockets)
        old_socket.set()
        await tiny.eventually(lambda: task.stats.feeds["tiny"].reconnects.total() >= 5)
        assert task.connections[0].sessions == [session]
        assert session.feed.reconnections == resets


async def test_a_venue_that_always_asks_to_reconnect_is_answered_with_backoff(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    waits: list[float] = []

    def draw(low: float, high: float) -> float:
        waits.append(high)
        return random.uniform(low, high)

    async def asks(connection: ServerConnection) -> None:
        await exchange.say(connection, "BYE")
        await exchange.listen(connection)

    exchange.scripts = [asks]
    task = new_task(tiny, stream, queue, exchange.url)
    task.connections[0]._backoff = Backoff(base_seconds=0.01, cap_seconds=0.1, draw=draw)
    async with running(task):
        await tiny.eventually(lambda: exchange.connections >= 5)
    # The first wish is met at once, the others wait.
    assert waits[:3] == [0.01, 0.02, 0.04]


async def test_a_silent_stream_among_speaking_ones_brings_a_new_socket_and_a_notice(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    async def loses_a_stream(connection: ServerConnection) -> None:
        for number in range(1, 10_000):
            if number <= 40:
                await exchange.say(connection, f"T BTC-USD {number}")
            await exchange.say(connection, f"T ETH-USD {number}")
            await asyncio.sleep(0.01)

    async def healthy(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 41", "T ETH-USD 10000")
        await exchange.listen(connection)

    exchange.scripts = [loses_a_stream, healthy]
    new_feed = tiny.with_liveness(stream_silence_seconds=1.0)
    task = new_task(tiny, stream, queue, exchange.url, new_feed=new_feed, symbols=("BTC-USD", "ETH-USD"))
    async with running(task):
        await tiny.eventually(lambda: 41 in stream.trade_ids("BTC-USD"))
        text = "tiny: trades of BTC-USD silent for 1 s; reconnecting [stream_silent]"
        await tiny.eventually(lambda: ("connection", text) in stream.notices())


async def test_garbage_goes_to_the_dead_letter_queue_and_the_rest_goes_on(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    frames: list[str | bytes] = [
        "T BTC-USD 1",
        "garbage",
        b"\x00\xff\xfe",
        "BOOM",
        "D trade.fee appeared",
        "T BTC-USD 2",
    ]

    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, *frames, *["noise"] * 100)
        await exchange.listen(connection)

    exchange.scripts = [script]
    async with running(new_task(tiny, stream, queue, exchange.url)) as task:
        await tiny.eventually(lambda: len(queue.frames) == 103)
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1, 2])
        assert task.stats.feeds["tiny"].rejects == {"not_json": 102, "parser_failed": 1}
        assert task.stats.feeds["tiny"].reconnects.total() == 0
    assert {frame.reject.frame for frame in queue.frames} == {b"garbage", b"\x00\xff\xfe", b"BOOM", b"noise"}
    notices = stream.notices()
    assert notices["frame_rejected", "tiny: not_json"] == 102
    assert notices["frame_rejected", "tiny: parser_failed"] == 1
    assert notices["schema_drift", "tiny: trade.fee appeared"] == 1


async def test_a_message_in_fragments_is_put_together(exchange: Any, stream: Any, queue: Queue, tiny: Any) -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(["T BTC", "-USD", " 77"])
        await connection.ping()
        await connection.send("T BTC-USD 78")
        await exchange.listen(connection)

    exchange.scripts = [script]
    async with running(new_task(tiny, stream, queue, exchange.url)):
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [77, 78])


async def test_an_exchange_that_is_not_there_is_tried_again_until_it_is(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, "T BTC-USD 1")
        await exchange.listen(connection)

    exchange.scripts = [script]
    port = int(exchange.url.rsplit(":", 1)[1])
    exchange.server.close()
    await exchange.server.wait_closed()
    async with running(new_task(tiny, stream, queue, f"ws://127.0.0.1:{port}")) as task:
        await tiny.eventually(lambda: task.stats.feeds["tiny"].reconnects.total() >= 3)
        status, body = task.health()
        assert (status, body["status"]) == (200, "degraded")
        assert body["reasons"] == ["tiny is not connected"]
        async with serve(exchange.serve, "127.0.0.1", port):
            await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1])
            assert task.health()[1] == {"status": "ok", "reasons": []}


async def test_stopping_reads_what_the_venue_sent_before_it_heard_of_it(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    sent = 0

    async def floods(connection: ServerConnection) -> None:
        nonlocal sent
        while True:
            await exchange.say(connection, f"T BTC-USD {sent + 1}")
            sent += 1
            if sent % 20 == 0:
                await asyncio.sleep(0)

    exchange.scripts = [floods]
    async with running(new_task(tiny, stream, queue, exchange.url)):
        await tiny.eventually(lambda: sent > 2000)
    ids = stream.trade_ids("BTC-USD")
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) >= sent


@pytest.mark.parametrize(
    ("status", "headers", "least", "said"),
    [
        (429, {"Retry-After": "0.3"}, 0.3, "HTTP 429"),
        (503, {}, 0.0, "HTTP 503"),
        (451, {}, 0.0, "binance-us"),
    ],
)
async def test_a_refusal_is_told_and_its_wait_is_kept(
    stream: Any,
    queue: Queue,
    tiny: Any,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    headers: Any,
    least: float,
    said: str,
) -> None:
    monkeypatch.setattr(ends_module, "LIMITED_SECONDS", 0.0)
    asked: list[float] = []

    def refuse(connection: ServerConnection, request: Any) -> Any:
        asked.append(asyncio.get_running_loop().time())
        response = connection.respond(status, "no")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    async def never(connection: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with running(new_task(tiny, stream, queue, url)):
            await tiny.eventually(lambda: len(asked) >= 3)
            await tiny.eventually(lambda: any(said in text for _, text in stream.notices()))
    assert min(later - earlier for earlier, later in itertools.pairwise(asked)) >= least


async def test_a_fault_in_one_connection_does_not_stop_the_others(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    class Faulty(tiny.Feed):  # type: ignore[misc]
        def subscribe(self, symbols: Any) -> list[bytes]:
            raise LookupError("a fault")

    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, "T ETH-USD 1")
        await exchange.listen(connection)

    exchange.scripts = [script]
    # The first two are only asked whether the venue could have the symbols.
    feeds = iter([tiny.Feed(), tiny.Feed(), Faulty(), Faulty(), tiny.Feed(), tiny.Feed()])
    settings = tiny.settings_for(exchange.url)
    settings = settings.model_copy(update={"feeds": settings.feeds * 2})
    task = IngestorTask(settings, put=stream.put, send=queue.send, new_feed=lambda name: next(feeds))
    async with running(task):
        await tiny.eventually(lambda: 1 in stream.trade_ids("ETH-USD"))
        text = "tiny: fault of the programme: LookupError; reconnecting [fault]"
        await tiny.eventually(lambda: stream.notices()["connection", text] >= 2)
        assert [connection.connected for connection in task.connections] == [False, True]


async def test_what_the_parser_wants_sent_is_sent_on_its_socket_and_once(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, "R fetch the book", "T BTC-USD 1", "T BTC-USD 2")
        await exchange.listen(connection)

    exchange.scripts = [script]
    async with running(new_task(tiny, stream, queue, exchange.url)):
        await tiny.eventually(lambda: stream.trade_ids("BTC-USD") == [1, 2])
        await tiny.eventually(lambda: len(exchange.received) >= 2)
    assert sorted(exchange.received) == ["fetch the book", "subscribe BTC-USD"]


async def test_messages_wait_for_the_venues_limit_in_their_order(
    exchange: Any, stream: Any, queue: Queue, tiny: Any
) -> None:
    times: list[float] = []

    async def script(connection: ServerConnection) -> None:
        await exchange.say(connection, *(f"R {number}" for number in range(40)))
        async for message in connection:
            exchange.received.append(message)
            times.append(asyncio.get_running_loop().time())

    def new_feed(_: str) -> Any:
        feed = tiny.Feed()
        feed.messages_per_second = 20
        return feed

    exchange.scripts = [script]
    async with running(new_task(tiny, stream, queue, exchange.url, new_feed=new_feed)):
        await tiny.eventually(lambda: len(exchange.received) == 41)
    assert [text for text in exchange.received if text.isdigit()] == [str(number) for number in range(40)]
    # 10 at once and 10 a second: the last of 41 may come 3.1 s after the first.
    assert times[-1] - times[0] > 3.0


async def test_a_limit_on_attempts_is_asked_before_each_and_told_of_a_refusal(
    stream: Any, queue: Queue, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends_module, "LIMITED_SECONDS", 0.01)
    calls: list[str] = []

    class Counting(Attempts):
        async def reserve(self, feed: Any) -> float:
            calls.append("reserve")
            return 0.0

        async def block(self, feed: Any, seconds: float) -> None:
            calls.append(f"block {seconds}")

    def refuse(connection: ServerConnection, request: Any) -> Any:
        calls.append("attempt")
        return connection.respond(429, "no")

    async with serve(lambda connection: None, "127.0.0.1", 0, process_request=refuse) as server:  # type: ignore[arg-type, return-value]
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        task = new_task(tiny, stream, queue, url)
        task.connections[0]._attempts = Counting()
        async with running(task):
            await tiny.eventually(lambda: len(calls) >= 6)
            assert task.stats_json()["feeds"]["tiny"]["last_reconnect_cause"] == "rate_limited"
    assert calls[:6] == ["reserve", "attempt", "block 0.01"] * 2


async def test_a_silent_socket_is_probed_once_a_silence(tiny: Any) -> None:
    pings: list[float] = []

    class Transport:
        def send_ping(self) -> None:
            pings.append(now)

    session = Session(tiny.Feed(), hand_over=lambda session: None)
    session._transport = Transport()
    for now in (100.0, 101.9, 102.0, 103.0, 104.0):
        if now == 100.0:
            session.last_frame = now
        session.probe(now, 4.0)
    session.last_frame = 105.0
    for now in (106.0, 107.0, 108.0):
        session.probe(now, 4.0)
    assert pings == [102.0, 107.0]


class _Frame:
    """A data frame of some length, as picows gives it."""

    fin = True

    def __init__(self, text: str, *, last: bool) -> None:
        self._payload = text.encode()
        self.payload_size = len(self._payload)
        self.last_in_buffer = last

    def get_payload_as_bytes(self) -> bytes:
        return self._payload


def _long(tiny: Any, trade_id: int, *, last: bool) -> Any:
    return _Frame(f"T BTC-USD {trade_id:0200}", last=last)


async def test_frames_of_one_read_are_parsed_at_its_end_and_share_its_time(tiny: Any) -> None:
    session = Session(tiny.Feed(), hand_over=lambda session: None)
    for trade_id, last in ((1, False), (2, False), (3, True)):
        assert len(session.parsed.trades) == 0
        session.on_ws_frame(None, _long(tiny, trade_id, last=last))  # type: ignore[arg-type]
    trades = session.take().trades.batch()
    assert trades.trade_id.tolist() == [1, 2, 3]
    assert len(set(trades.receive_time.tolist())) == 1
    assert trades.receive_time[0] == session.last_frame_ns


async def test_what_was_read_before_a_damaged_frame_is_parsed_when_the_socket_ends(tiny: Any) -> None:
    session = Session(tiny.Feed(), hand_over=lambda session: None)
    session.ended.set_result(End(Cause.PROTOCOL_ERROR, "a frame of no known kind"))
    session.on_ws_frame(None, _long(tiny, 1, last=False))  # type: ignore[arg-type]
    session.on_ws_disconnected(None)  # type: ignore[arg-type]
    assert session.take().trades.batch().trade_id.tolist() == [1]
