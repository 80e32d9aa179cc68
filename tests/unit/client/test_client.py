"""The client against a server that says what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tickwire.client import Client, Kind, LoginRefused, RequestRefused, client

KEY = {"topic": "trades", "symbol": "v:A-B"}


class Server:
    """Takes connections whose token it knows; gives what it hears, and says what it is told to."""

    def __init__(self) -> None:
        self.token = "t"
        self.tokens: list[str] = []
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sockets: list[web.WebSocketResponse] = []
        self.url = ""

    async def connect(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers["Authorization"])
        if request.headers["Authorization"] != f"Bearer {self.token}":
            raise web.HTTPForbidden
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.heard.put_nowait(message.json())
        return socket

    async def hear(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.heard.get(), 10)

    async def say(self, **message: Any) -> None:
        await self.sockets[-1].send_json(message)

    async def update(self, first: int, last: int, *, replay: bool = False) -> None:
        data = [{"id": number} for number in range(first, last + 1)]
        again = {"replay": True} if replay else {}
        await self.say(
            type="update", sent=1, items=[{**KEY, "source": 3, "from": first, "to": last, "data": data}], **again
        )

    async def snapshot(self, number: int) -> None:
        await self.say(type="snapshot", items=[{**KEY, "positions": {"3": number}, "data": []}])


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(client, "FILL_SECONDS", 0.01)
    server = Server()
    app = web.Application()
    app.router.add_get("/live", server.connect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/live"
    yield server
    await runner.cleanup()


async def ids(subscription: client.Subscription, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        update = await asyncio.wait_for(anext(subscription), 10)
        found += [one["id"] for one in update.data]
    return found


async def test_a_subscription_is_an_iterator_of_updates(server: Server) -> None:
    async with Client(server.url, token="t") as one:
        trades = one.subscribe(["trades"], ["*"])
        assert await server.hear() == {"action": "subscribe", "topics": ["trades"], "symbols": ["*"], "id": "s1"}
        await server.snapshot(4)
        await server.update(5, 6)
        first, second = await anext(trades), await anext(trades)
        assert (first.kind, first.key, first.data) == (Kind.SNAPSHOT, ("trades", "v:A-B"), [])
        assert (second.kind, second.sent, second.data) == (Kind.UPDATE, 1, [{"id": 5}, {"id": 6}])


async def test_after_a_cut_it_comes_back_with_a_new_token_and_goes_on_where_it_was(server: Server) -> None:
    given = iter(["t", "t2"])

    async def token() -> str:
        return next(given)

    async with Client(server.url, token=token) as one:
        trades = one.subscribe(["trades"], ["*"])
        await server.hear()
        await server.snapshot(0)
        await server.update(1, 2)
        assert await ids(trades, 2) == [1, 2]
        server.token = "t2"
        await server.sockets[0].close()
        assert await server.hear() == {
            "action": "resume", "topics": ["trades"], "symbols": ["*"], "id": "s1",
            "positions": {"trades": {"v:A-B": {"3": 2}}},
        }  # fmt: skip
        await server.update(3, 4, replay=True)
        assert await ids(trades, 2) == [3, 4]
        assert one.reconnects == 1


async def test_a_hole_is_filled(server: Server) -> None:
    async with Client(server.url, token="t") as one:
        trades = one.subscribe(["trades"], ["*"])
        await server.hear()
        await server.snapshot(0)
        await server.update(3, 3)
        assert await server.hear() == {"action": "resume", "positions": {"trades": {"v:A-B": {"3": 0}}}}
        await server.update(1, 3, replay=True)
        assert sorted(set(await ids(trades, 4))) == [1, 2, 3]


async def test_each_subscription_gets_its_own(server: Server) -> None:
    async with Client(server.url, token="t") as one:
        trades, quotes = one.subscribe(["trades"], ["v:A-B"]), one.subscribe(["quotes"], ["*"])
        assert {(await server.hear())["id"], (await server.hear())["id"]} == {"s1", "s2"}
        item = {"topic": "quotes", "symbol": "v:C-D", "source": 1, "from": 1, "to": 1, "data": [{"id": 9}]}
        await server.say(type="update", sent=1, items=[item])
        await server.update(1, 1)
        assert (await ids(trades, 1), await ids(quotes, 1)) == ([1], [9])
        trades.close()
        assert await server.hear() == {"action": "unsubscribe", "topics": ["trades"], "symbols": ["v:A-B"]}


async def test_a_request_that_is_refused_ends_its_subscription_alone(server: Server) -> None:
    async with Client(server.url, token="t") as one:
        wrong, trades = one.subscribe(["news"], ["*"]), one.subscribe(["trades"], ["*"])
        await server.hear()
        await server.hear()
        await server.say(type="error", code="unknown_topic", message="There is no topic 'news'.", id="s1")
        with pytest.raises(RequestRefused, match="no topic") as refused:
            await asyncio.wait_for(anext(wrong), 10)
        assert refused.value.code == "unknown_topic"
        await server.update(1, 1)
        assert await ids(trades, 1) == [1]


async def test_a_token_that_is_not_taken_is_told(server: Server) -> None:
    async with Client(server.url, token="wrong") as one:
        with pytest.raises(LoginRefused, match="403"):
            await asyncio.wait_for(anext(one.subscribe(["trades"], ["*"])), 10)
    assert server.tokens == ["Bearer wrong"]


async def test_what_gives_tokens_is_asked_three_times(server: Server) -> None:
    async with Client(server.url, token=lambda: "wrong") as one:
        with pytest.raises(LoginRefused):
            await asyncio.wait_for(anext(one.subscribe(["trades"], ["*"])), 10)
    assert len(server.tokens) == 3


async def test_a_reader_that_lags_behind_stops_the_reading_and_loses_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "WAITING_UPDATES", 2)
    async with Client(server.url, token="t") as one:
        trades = one.subscribe(["trades"], ["*"])
        await server.hear()
        await server.snapshot(0)
        for number in range(1, 8):
            await server.update(number, number)
        await server.say(type="pong")
        assert await ids(trades, 7) == [1, 2, 3, 4, 5, 6, 7]


async def test_a_server_that_answers_no_ping_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PING_SECONDS", 0.05)
    monkeypatch.setattr(client, "PONG_SECONDS", 0.05)
    async with Client(server.url, token="t") as one:
        one.subscribe(["trades"], ["*"])
        first = [await server.hear(), await server.hear()]
        assert first[1] == {"action": "ping"}
        # On the next connection it begins again.
        assert (await server.hear())["action"] == "subscribe"
    assert len(server.sockets) == 2
