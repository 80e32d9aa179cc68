"""The canary against a WebSocket server that behaves as ours does, or does not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from lambdas.broadcaster.messages import Item, Problem, Subscribed, TradeData, snapshot_messages, update_messages
from lambdas.canary.visit import Step, Visit, VisitFailed, visit

SYMBOL = "binance:BTC-USDT"
RECEIVED = 1_700_000_000_000_000_000
Script = Callable[[web.WebSocketResponse], Awaitable[None]]
Serve = Callable[[Script], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[TestServer] = []

    async def start(script: Script) -> str:
        async def handle(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await script(socket)
            return socket

        application = web.Application()
        application.router.add_get("/live", handle)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("/live"))

    yield start
    for server in servers:
        await server.close()


def encoded(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def item(receive: int, *flags: str) -> Item:
    trade = TradeData(id=1, price="1", size="1", side="buy", time=0, receive=receive, flags=flags)
    return Item("trades", SYMBOL, [encoded(trade).encode()])


async def say(socket: web.WebSocketResponse, *messages: bytes) -> None:
    for message in messages:
        await socket.send_str(message.decode())


async def look(url: str, **options: Any) -> Visit:
    ticks = iter(RECEIVED + n * 1_000_000 for n in (0, 30, 250))
    return await visit(url, symbols=[SYMBOL], clock=lambda: next(ticks), **options)


async def test_a_live_trade_ends_the_visit_and_its_way_from_the_socket_is_measured(serve: Serve) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        asked = json.loads(await socket.receive_str())
        assert asked == {"action": "subscribe", "topics": ["trades"], "symbols": [SYMBOL]}
        await say(socket, encoded(Subscribed(("trades",), (SYMBOL,))).encode())
        await say(socket, *snapshot_messages([item(RECEIVED - 10**12)]))
        await say(socket, *update_messages([item(RECEIVED + 100_000_000)], sent=0))
        await socket.receive()

    assert await look(await serve(script)) == Visit(connect=30.0, update=220.0, latency=150.0)


@pytest.mark.parametrize("flag", ["snapshot", "backfill", "redriven"])
async def test_a_trade_that_came_late_to_begin_with_says_nothing_of_latency(serve: Serve, flag: str) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await say(socket, *update_messages([item(RECEIVED - 10**12, flag)], sent=0))
        await say(socket, *update_messages([item(RECEIVED, "price_anomaly")], sent=0))
        await socket.receive()

    assert (await look(await serve(script))).latency == 250.0


async def test_a_snapshot_without_an_update_is_a_platform_that_stands_still(serve: Serve) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await say(socket, *snapshot_messages([item(RECEIVED)]))
        await socket.receive()

    with pytest.raises(VisitFailed, match="update: TimeoutError"):
        await look(await serve(script), update_seconds=0.2)


async def test_what_the_server_says_is_wrong_is_the_reason(serve: Serve) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await say(socket, encoded(Problem("internal", "Something went wrong on our side.")).encode())

    with pytest.raises(VisitFailed) as failed:
        await look(await serve(script))
    assert (failed.value.step, failed.value.reason) == (Step.UPDATE, "Something went wrong on our side.")


async def test_a_connection_that_the_server_closes_has_failed(serve: Serve) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.close(code=1011)

    with pytest.raises(VisitFailed, match=r"closed the connection \(1011\)"):
        await look(await serve(script))


async def test_a_message_that_cannot_be_read_has_failed(serve: Serve) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.send_str("<html>")

    with pytest.raises(VisitFailed, match=r"update: .*malformed"):
        await look(await serve(script))


async def test_a_refused_connection_has_failed_at_the_first_step(serve: Serve) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        raise AssertionError(socket)

    url = await serve(script)
    with pytest.raises(VisitFailed, match="404") as failed:
        await look(url.replace("/live", "/nowhere"))
    assert failed.value.step is Step.CONNECT


async def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(VisitFailed, match="connect: TimeoutError"):
            await look(f"ws://127.0.0.1:{port}/live", connect_seconds=0.2)


async def test_the_session_of_a_visit_is_closed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[ClientSession] = []
    close = ClientSession.close

    async def noted(self: ClientSession) -> None:
        closed.append(self)
        await close(self)

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.close()

    monkeypatch.setattr(ClientSession, "close", noted)
    with pytest.raises(VisitFailed):
        await look(await serve(script))
    assert len(closed) == 1
