"""Conversations with the exchange over real sockets, by an independent WebSocket client."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from local.exchange.catalogue import FEED_VENUES
from local.exchange.floor import steady_clock
from local.exchange.server import Exchange
from local.exchange.source import SimulatorSource
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

DEADLINE = 20.0
SECOND = 1_000_000_000


class Clock:
    """The steady clock, which a test may put forward."""

    def __init__(self) -> None:
        self._now = steady_clock()
        self._ahead = 0

    def __call__(self) -> int:
        return self._now() + self._ahead

    def put_forward(self, seconds: float) -> None:
        self._ahead += int(seconds * SECOND)


class Running:
    """An exchange on a free port."""

    def __init__(self, exchange: Exchange, port: int, clock: Clock) -> None:
        self.exchange = exchange
        self.clock = clock
        self.address = f"127.0.0.1:{port}"

    def connect(self, path: str, **options: Any) -> connect:
        return connect(f"ws://{self.address}{path}", compression=None, max_size=None, **options)

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://{self.address}{path}", **options) as answer,
        ):
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        return (await self.call("GET", path))[1]


@asynccontextmanager
async def running(rate: float = 200) -> AsyncIterator[Running]:
    clock = Clock()
    exchange = Exchange(SimulatorSource(seed=3, rate=rate, now=clock()), clock=clock)
    port = await exchange.start()
    try:
        yield Running(exchange, port, clock)
    finally:
        await exchange.close()


@pytest.fixture
async def market() -> AsyncIterator[Running]:
    async with running() as one:
        yield one


async def receive(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE))
    return message


async def receive_until(socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE):
        while True:
            message = await receive(socket)
            if wanted(message):
                return message


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await holds():  # noqa: ASYNC110 - a condition of a server, which sets no event
            await asyncio.sleep(0.02)


async def test_binance_combined_stream_sends_only_what_the_path_names(market: Running) -> None:
    async with market.connect("/binance/stream?streams=btcusdt@trade") as socket:
        messages = [await receive(socket) for _ in range(20)]

    assert {message["stream"] for message in messages} == {"btcusdt@trade"}
    ids = [message["data"]["t"] for message in messages]
    assert ids == list(range(ids[0], ids[0] + 20))


async def test_binance_raw_stream_sends_bare_payloads_and_takes_live_subscriptions(market: Running) -> None:
    async with market.connect("/binance/ws/btcusdt@trade") as socket:
        assert (await receive(socket))["e"] == "trade"
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": ["ethusdt@bookTicker"], "id": 9}))
        assert await receive_until(socket, lambda m: "result" in m) == {"result": None, "id": 9}
        assert (await receive_until(socket, lambda m: "u" in m))["s"] == "ETHUSDT"


async def test_binance_pings_every_20_s_and_cuts_who_does_not_answer(market: Running) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://{market.address}/binance/ws/atomeur@trade"
        async with session.ws_connect(url, autoping=False) as socket:
            market.clock.put_forward(21)
            message = await socket.receive(timeout=DEADLINE)
            while message.type is aiohttp.WSMsgType.TEXT:
                message = await socket.receive(timeout=DEADLINE)
            assert message.type is aiohttp.WSMsgType.PING
            market.clock.put_forward(41)
            # No pong was sent for more than 60 s.
            while message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING):
                message = await socket.receive(timeout=DEADLINE)

    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert market.exchange.floor.cut == {"no_pong": 1}


async def test_binance_cuts_who_sends_more_than_five_messages_a_second(market: Running) -> None:
    async def flood(socket: ClientConnection) -> None:
        while True:
            await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}))
            await receive(socket)

    async with market.connect("/binance/ws") as socket:
        with pytest.raises(ConnectionClosed):
            await flood(socket)

    assert market.exchange.floor.cut == {"too_many_messages": 1}


@pytest.mark.parametrize("path", ["/coinbase/", "/coinbase-advanced/"])
async def test_coinbase_cuts_who_has_not_subscribed_within_5_s(market: Running, path: str) -> None:
    async with market.connect(path) as socket:
        market.clock.put_forward(4.5)
        await asyncio.sleep(0)
        assert market.exchange.floor.cut == {}
        market.clock.put_forward(1.0)
        with pytest.raises(ConnectionClosed):
            await receive(socket)

    assert market.exchange.floor.cut == {"not_subscribed": 1}


async def test_coinbase_acknowledges_then_shows_the_last_trade_then_trades(market: Running) -> None:
    wish = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "heartbeat"]}
    async with market.connect("/coinbase/") as socket:
        await socket.send(json.dumps(wish))
        assert (await receive(socket))["type"] == "subscriptions"
        last = await receive(socket)
        first = await receive_until(socket, lambda m: m["type"] == "match")

    assert last["type"] == "last_match"
    assert first["trade_id"] == last["trade_id"] + 1


async def test_coinbase_heartbeat_names_the_last_trade_sent(market: Running) -> None:
    wish = {"type": "subscribe", "product_ids": ["BTC-USD", "LTC-USD"], "channels": ["matches", "heartbeat"]}
    newest: dict[str, int] = {}
    beats = []
    async with market.connect("/coinbase/") as socket:
        await socket.send(json.dumps(wish))
        while len(beats) < 4:
            message = await receive(socket)
            if message["type"] == "heartbeat":
                beats.append(message["product_id"])
                assert message["last_trade_id"] == newest[message["product_id"]]
            elif "trade_id" in message:
                newest[message["product_id"]] = message["trade_id"]

    assert sorted(beats) == ["BTC-USD", "BTC-USD", "LTC-USD", "LTC-USD"]


async def test_wrong_subscriptions_are_errors_and_leave_the_socket_open(market: Running) -> None:
    async with market.connect("/coinbase/") as socket:
        await socket.send('{"type":"subscribe","product_ids":["NO-PE"],"channels":["matches"]}')
        assert (await receive(socket))["type"] == "error"
        await socket.send('{"type":"subscribe","product_ids":["BTC-USD"],"channels":["matches"]}')
        assert (await receive(socket))["type"] == "subscriptions"


async def test_kraken_greets_acknowledges_and_beats(market: Running) -> None:
    async with market.connect("/kraken/v2") as socket:
        assert (await receive(socket))["channel"] == "status"
        params = {"channel": "trade", "symbol": ["BTC/USD", "MINA/GBP"], "snapshot": False}
        await socket.send(json.dumps({"method": "subscribe", "params": params, "req_id": 1}))
        assert [(await receive(socket))["result"]["symbol"] for _ in range(2)] == ["BTC/USD", "MINA/GBP"]
        await socket.send('{"method":"ping","req_id":2}')
        assert (await receive_until(socket, lambda m: m.get("method") == "pong"))["req_id"] == 2
        assert await receive_until(socket, lambda m: m.get("channel") == "heartbeat") == {"channel": "heartbeat"}


async def test_the_projects_own_feeds_read_everything_that_the_exchange_sends(market: Running) -> None:
    """Every feed at once, subscribed as the ingestor does it: nothing rejected, announced equals parsed."""
    parsed = {feed: ParsedFrames() for feed in FEED_VENUES}

    async def follow(feed: str) -> None:
        parser = new_feed(feed)
        symbols = market.exchange.source.catalogue()[feed]
        async with market.connect(f"/{feed}{parser.connect_path(symbols)}") as socket:
            for message in parser.subscribe(symbols):
                await socket.send(message.decode())
            seen = 0
            async for frame in socket:
                parser.parse(frame.encode() if isinstance(frame, str) else frame, market.clock(), parsed[feed])
                seen += 1
                if seen == 60:
                    # Then all that is under way is read until the exchange ends.
                    waiting.discard(feed)
                if not waiting and not market.exchange.finished:
                    market.exchange.source.stop()

    waiting = set(FEED_VENUES) - {"binance-us"}
    followers = [asyncio.create_task(follow(feed)) for feed in FEED_VENUES]
    async with asyncio.timeout(2 * DEADLINE):
        await eventually(lambda: _finished(market))
        announced = market.exchange.floor.announced.report()
        await market.exchange.close()
        await asyncio.gather(*followers, return_exceptions=True)

    ids: dict[str, set[int]] = {}
    for out in parsed.values():
        assert out.rejects == []
        assert out.checksum_failures == 0
        batch = out.trades.batch()
        for row in range(len(batch)):
            instrument = batch.instruments[batch.instrument[row]]
            ids.setdefault(f"{instrument.venue}:{instrument.symbol}", set()).add(int(batch.trade_id[row]))
    assert {key: len(some) for key, some in ids.items()} == {key: one["trades"] for key, one in announced.items()}
    for key, some in ids.items():
        ranges = announced[key]["ranges"]
        assert isinstance(ranges, list)
        assert (min(some), max(some)) == (ranges[0][0], ranges[-1][1])


async def test_after_a_disconnect_in_the_middle_the_unsent_ids_are_a_hole(market: Running) -> None:
    got: list[list[int]] = []
    for _ in range(2):
        async with market.connect("/binance/ws/btcusdt@trade") as socket:
            got.append([(await receive(socket))["t"] for _ in range(30)])
        await eventually(lambda: _nobody(market))
        # The market goes on while nobody listens.
        later = market.exchange.floor.now() + SECOND
        market.clock.put_forward(1.0)
        await eventually(partial(_advanced, market, later))

    ranges = (await market.get("/control/announced"))["binance:BTC-USDT"]["ranges"]
    assert len(ranges) == 2
    for ids, (first, last) in zip(got, ranges, strict=True):
        # The kernel may have taken a few more than the client read before it left.
        assert ids[0] == first
        assert ids[-1] <= last
    assert ranges[0][1] + 1 < ranges[1][0]


async def _nobody(market: Running) -> bool:
    return (await market.get("/control/state"))["connections"] == 0


async def _advanced(market: Running, time: int) -> bool:
    assert isinstance(market.exchange.source, SimulatorSource)
    return market.exchange.source.time >= time


async def test_two_subscribers_of_one_feed_both_get_the_frames(market: Running) -> None:
    path = "/binance/ws/btcusdt@trade"
    async with market.connect(path) as first, market.connect(path) as twin:
        mine = [(await receive(first))["t"] for _ in range(60)]
        others = [(await receive(twin))["t"] for _ in range(60)]

    assert len(set(mine) & set(others)) > 20


async def test_a_client_that_does_not_read_is_cut_and_counted() -> None:
    async with running(rate=20_000) as market:
        reader, writer = await asyncio.open_connection(*market.address.split(":"))
        streams = "/".join(
            f"{symbol}usdt@{channel}" for symbol in ("btc", "eth", "sol") for channel in ("trade", "bookTicker")
        )
        writer.write(
            f"GET /binance/stream?streams={streams} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        await eventually(lambda: _joined(market))
        async with asyncio.timeout(DEADLINE * 2):
            while not market.exchange.floor.cut:
                # A second of market at a time fills the socket's buffers soon.
                market.clock.put_forward(1.0)
                await asyncio.sleep(0.05)
        writer.close()

        assert market.exchange.floor.cut == {"slow": 1}


async def _joined(market: Running) -> bool:
    return bool(market.exchange.floor.connections())


async def test_control_state_names_the_source_and_its_symbols(market: Running) -> None:
    state = await market.get("/control/state")

    assert state["source"] == "simulator"
    assert state["finished"] is False
    assert state["catalogue"]["kraken"] == ["BTC-USD", "ETH-USD", "SOL-USD", "MINA-GBP"]
    assert state["connections"] == state["frames_sent"] == state["trades_announced"] == 0


async def test_a_burst_on_demand_arrives(market: Running) -> None:
    async with market.connect("/kraken/v2") as socket:
        params = {"channel": "trade", "symbol": ["MINA/GBP"], "snapshot": False}
        await socket.send(json.dumps({"method": "subscribe", "params": params}))
        await receive_until(socket, lambda m: m.get("success") is True)
        status, answer = await market.call(
            "POST", "/control/burst", json={"symbol": "MINA-GBP", "trades": 500, "milliseconds": 300}
        )
        trades = 0
        while trades < 500:
            message = await receive_until(socket, lambda m: m.get("channel") == "trade")
            trades += len(message["data"])

    assert (status, answer["symbol"]) == (200, "kraken:MINA-GBP")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"symbol": "NO-PE", "trades": 1, "milliseconds": 1}, 404),
        ({"symbol": "BTC-USDT", "trades": 0, "milliseconds": 1}, 400),
        ({"symbol": "BTC-USDT"}, 400),
        ([], 400),
    ],
)
async def test_a_wrong_burst_is_refused_with_a_reason(market: Running, body: object, status: int) -> None:
    got, answer = await market.call("POST", "/control/burst", json=body)

    assert got == status
    assert answer["error"]


async def test_stop_ends_the_market_but_not_the_connections(market: Running) -> None:
    async with market.connect("/kraken/v2") as socket:
        params = {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": True}
        await socket.send(json.dumps({"method": "subscribe", "params": params}))
        await receive_until(socket, lambda m: m.get("channel") == "trade")
        await market.call("POST", "/control/stop")
        await eventually(lambda: _finished(market))
        announced = await market.get("/control/announced")
        await receive_until(socket, lambda m: m.get("channel") == "heartbeat")

        assert await market.get("/control/announced") == announced


async def _finished(market: Running) -> bool:
    return bool((await market.get("/control/state"))["finished"])


@pytest.mark.parametrize("path", ["/nyse/", "/kraken/v1", "/binance/api", "/coinbase/ws"])
async def test_unknown_paths_are_not_found(market: Running, path: str) -> None:
    with pytest.raises(InvalidStatus, match="404"):
        async with market.connect(path):
            pass
