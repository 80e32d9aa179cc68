"""Faults on demand over real sockets: what a client sees, and that the exchange's own account agrees."""

import asyncio
import csv
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from local.exchange.floor import steady_clock
from local.exchange.replay import MAX_SPEED, ReplaySource
from local.exchange.server import Exchange
from local.exchange.source import SimulatorSource
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0
SECOND = 1_000_000_000
KEY = "binance:BTC-USDT"
BTC, BOTH = "btcusdt@trade", "btcusdt@trade/ethusdt@trade"


class Running:
    """An exchange on a free port."""

    def __init__(self, exchange: Exchange, port: int) -> None:
        self.exchange = exchange
        self.address = f"127.0.0.1:{port}"

    def connect(self, path: str, **options: Any) -> connect:
        options = {"close_timeout": 0.5, **options}
        return connect(f"ws://{self.address}{path}", compression=None, max_size=None, **options)

    def binance(self, streams: str = BTC, **options: Any) -> connect:
        return self.connect(f"/binance/stream?streams={streams}", **options)

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://{self.address}{path}", **options) as answer,
        ):
            return answer.status, await answer.json()

    async def order(self, **order: Any) -> int:
        """Order a fault and give its number."""
        status, answer = await self.call("POST", "/control/faults", json=order)
        assert status == 200, answer
        number: int = answer["faults"][0]["number"]
        return number

    async def fault(self, number: int = 1) -> dict[str, Any]:
        answer = (await self.call("GET", "/control/faults"))[1]
        found: dict[str, Any] = answer["faults"][number - 1]
        return found

    async def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.call("GET", "/control/truth"))[1]
        return found

    async def ended(self, number: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            while (fault := await self.fault(number))["state"] != "ended":  # noqa: ASYNC110 - state of a server
                await asyncio.sleep(0.02)
        return fault


@pytest.fixture
async def market() -> AsyncIterator[Running]:
    clock = steady_clock()
    exchange = Exchange(SimulatorSource(seed=3, rate=400, now=clock()), clock=clock)
    port = await exchange.start()
    try:
        yield Running(exchange, port)
    finally:
        await exchange.close()


async def receive(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE))
    return message


async def forever(socket: ClientConnection, take: Callable[[bytes], None] = lambda frame: None) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            take(await socket.recv(decode=False))


async def trades_until(
    socket: ClientConnection, enough: Callable[[list[int]], Awaitable[bool]], symbol: str = "BTCUSDT"
) -> list[int]:
    """Receive Binance trades until their ids are enough."""
    ids: list[int] = []
    async with asyncio.timeout(DEADLINE):
        while not await enough(ids):
            message = await receive(socket)
            if message["data"].get("e") == "trade" and message["data"]["s"] == symbol:
                ids.append(message["data"]["t"])
    return ids


def ids_of(fault: dict[str, Any], key: str = KEY) -> list[int]:
    return [number for first, last in fault["ids"].get(key, []) for number in range(first, last + 1)]


def until_ended(market: Running, more: int = 20) -> Callable[[list[int]], Awaitable[bool]]:
    """Tell when the first fault is over, nothing is late, and some more trades came."""
    after: list[int] = []

    async def enough(ids: list[int]) -> bool:
        if not after and (await market.fault())["state"] == "ended" and not market.exchange.floor.faults.late_frames:
            after.append(len(ids))
        return bool(after) and len(ids) >= after[0] + more

    return enough


async def test_a_hole_is_on_no_socket_but_in_the_history(market: Running) -> None:
    async with market.binance() as socket:
        first = (await receive(socket))["data"]["t"]
        await market.order(kind="hole", feed="binance", symbol="BTC-USDT", count=10)
        ids = [first, *(await trades_until(socket, until_ended(market)))]
    held = ids_of(await market.fault())
    missing = sorted(set(range(ids[0], ids[-1] + 1)) - set(ids))

    assert missing == held
    assert len(held) >= 10
    query = f"symbol=BTCUSDT&fromId={held[0]}&limit={len(held)}"
    rows = (await market.call("GET", f"/binance/api/v3/historicalTrades?{query}"))[1]
    assert [row["id"] for row in rows] == held
    announced = (await market.truth())["symbols"][KEY]["announced"]["ranges"]
    assert not any(low <= held[0] <= high for low, high in announced)


async def test_duplicates_and_late_frames_together_lose_nothing(market: Running) -> None:
    async with market.binance() as socket:
        await receive(socket)
        await market.order(kind="reorder", feed="binance", share=0.5, delay=0.3, seconds=1)
        await market.order(kind="duplicate", feed="binance", share=0.5, delay=0.3, seconds=1)
        ids = await trades_until(socket, until_ended(market))

    assert ids != sorted(ids)
    assert set(ids) == set(range(min(ids), max(ids) + 1))
    twice = sorted({number for number in ids if ids.count(number) == 2})
    assert twice == ids_of(await market.fault(2))


async def test_garbage_is_no_trade_to_the_projects_parser(market: Running) -> None:
    feed, out = new_feed("binance"), ParsedFrames()
    async with market.binance() as socket:
        await receive(socket)
        await market.order(kind="garbage", feed="binance", count=12, replace=True)
        async with asyncio.timeout(DEADLINE):
            while (await market.fault())["hits"] < 12 or len(out.trades) < 20:
                feed.parse(await socket.recv(decode=False), 0, out)
    ids = out.trades.batch().trade_id.tolist()
    destroyed = ids_of(await market.fault())

    assert len(out.rejects) + out.ignored.total() >= 10
    assert set(ids).isdisjoint(destroyed)
    assert set(ids) | {number for number in destroyed if ids[0] < number < ids[-1]} == set(range(ids[0], ids[-1] + 1))


async def test_a_disconnect_cuts_and_refuses_for_a_while(market: Running) -> None:
    async with market.binance() as socket:
        await receive(socket)
        await market.order(kind="disconnect", feed="binance", refuse=0.5)
        with pytest.raises(ConnectionClosed) as closed:
            await forever(socket)
    assert closed.value.rcvd is None
    with pytest.raises(InvalidStatus) as refused:
        async with market.binance():
            pass
    assert refused.value.response.status_code == 503
    await market.ended()
    async with market.binance() as socket:
        await receive(socket)


async def test_a_disconnect_may_say_goodbye(market: Running) -> None:
    async with market.binance() as socket:
        await receive(socket)
        await market.order(kind="disconnect", mode="close")
        with pytest.raises(ConnectionClosed) as closed:
            await forever(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


async def test_a_half_open_socket_is_silent_while_a_new_one_speaks(market: Running) -> None:
    async with market.binance(ping_interval=None, close_timeout=0.2) as dead:
        await receive(dead)
        await market.order(kind="half_open", feed="binance", seconds=2)
        while True:
            try:
                await asyncio.wait_for(dead.recv(), 0.3)
            except TimeoutError:
                break
        pong = await dead.ping()
        async with market.binance() as alive:
            ids = [(await receive(alive))["data"]["t"] for _ in range(20)]
        assert ids == list(range(ids[0], ids[0] + 20))
        assert not pong.done()
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(dead.recv(), DEADLINE)
    assert set(ids) <= set(ids_of(await market.ended()))


async def test_one_stream_falls_silent_while_its_sibling_speaks(market: Running) -> None:
    async with market.binance(f"{BOTH}/btcusdt@bookTicker") as socket:
        await receive(socket)
        await market.order(kind="silent_stream", feed="binance", symbol="BTC-USDT", seconds=1)
        while True:
            # What was on its way before the order still comes.
            try:
                streams = {(await receive(socket))["stream"].partition("@")[0] for _ in range(20)}
            except ConnectionClosed:
                pytest.fail("the socket must live")
            if streams == {"ethusdt"}:
                break
        await market.ended()
        await trades_until(socket, _some(5))
    assert ids_of(await market.fault())


def _some(count: int) -> Callable[[list[int]], Awaitable[bool]]:
    async def enough(ids: list[int]) -> bool:
        return len(ids) >= count

    return enough


async def test_a_jump_of_the_clock_is_in_the_frames_and_in_the_history(market: Running) -> None:
    async with market.binance() as socket:
        await receive(socket)
        await market.order(kind="clock_jump", feed="binance", offset=3_000, seconds=2)
        async with asyncio.timeout(DEADLINE):
            while True:
                trade = (await receive(socket))["data"]
                if trade["T"] > market.exchange.floor.now() // 1_000_000 + 2_900_000:
                    break
        row = (await market.call("GET", f"/binance/api/v3/historicalTrades?symbol=BTCUSDT&fromId={trade['t']}"))[1][0]
        assert (row["id"], row["time"]) == (trade["t"], trade["T"])
    assert trade["t"] in ids_of(await market.ended())


async def test_kraken_says_when_maintenance_begins_and_ends_and_trades_no_id_away(market: Running) -> None:
    seen: list[dict[str, Any]] = []
    subscription = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}}
    async with market.connect("/kraken/v2") as socket:
        await socket.send(json.dumps(subscription))
        async with asyncio.timeout(DEADLINE):
            while not any(message.get("channel") == "trade" for message in seen):
                seen.append(await receive(socket))
            await market.order(kind="maintenance", seconds=1.5)
            rest = (await market.call("GET", "/kraken/0/public/Trades?pair=XBTUSD"))[1]
            while seen[-1].get("channel") != "status":
                seen.append(await receive(socket))
            meanwhile = [await receive(socket)]
            while meanwhile[-1].get("channel") != "status":
                meanwhile.append(await receive(socket))
            seen += meanwhile
            while seen[-1].get("channel") != "trade":
                seen.append(await receive(socket))

    statuses = [message["data"][0]["system"] for message in seen if message.get("channel") == "status"]
    assert statuses == ["online", "maintenance", "online"]
    assert {message["channel"] for message in meanwhile[:-1]} <= {"heartbeat"}
    assert rest == {"error": ["EService:Unavailable"]}
    ids = [row["trade_id"] for message in seen if message.get("channel") == "trade" for row in message["data"]]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize("path", ["/binance/stream?streams=btcusdt@trade", "/binance/ws/btcusdt@trade"])
async def test_binance_announces_a_shutdown_and_then_cuts(market: Running, path: str) -> None:
    out = ParsedFrames()
    async with market.connect(path) as socket:
        await receive(socket)
        await market.order(kind="server_shutdown", feed="binance", seconds=0.5)
        feed = new_feed("binance")
        with pytest.raises(ConnectionClosed):
            await forever(socket, lambda frame: feed.parse(frame, 0, out))

    assert [status.reconnect for status in out.statuses] == [True]


async def test_the_truth_names_what_was_made_kept_and_announced(market: Running) -> None:
    async with market.binance() as socket:
        ids = [(await receive(socket))["data"]["t"] for _ in range(20)]
        truth = await market.truth()
    btc, silent = truth["symbols"][KEY], truth["symbols"]["coinbase:BTC-USD"]

    assert btc["announced"]["ranges"][0][0] == ids[0]
    ((first, last),) = btc["made"]["ranges"]
    assert first < ids[0] < ids[-1] <= last
    assert btc["made"]["trades"] == btc["kept"]["trades"] == last - first + 1
    assert silent["announced"] == {"ranges": [], "trades": 0}
    assert silent["made"]["trades"] > 0


async def test_the_tape_has_every_trade_as_the_socket_sent_it(market: Running) -> None:
    async with market.binance() as socket:
        sent = [(await receive(socket))["data"] for _ in range(20)]
        url = f"http://{market.address}/control/tape"
        async with aiohttp.ClientSession() as session:
            async with session.get(url, params={"symbol": KEY}) as answer:
                rows = list(csv.DictReader(io.StringIO(await answer.text())))
            async with session.get(url, params={"symbol": "binance:NO-SUCH"}) as answer:
                assert (answer.status, await answer.text()) == (404, "no symbol binance:NO-SUCH")
    by_id = {int(row["trade_id"]): row for row in rows}

    assert list(by_id) == list(range(min(by_id), max(by_id) + 1))
    for trade in sent:
        row = by_id[trade["t"]]
        assert (Decimal(row["price"]), Decimal(row["size"])) == (Decimal(trade["p"]), Decimal(trade["q"]))
        assert row["side"] == ("sell" if trade["m"] else "buy")
        assert int(row["time"]) // 10**6 == trade["T"]


async def test_a_wrong_order_is_refused_with_a_reason(market: Running) -> None:
    status, answer = await market.call("POST", "/control/faults", json={"kind": "maintenance", "feed": "coinbase"})

    assert (status, answer) == (400, {"error": "maintenance happens only at kraken"})


async def test_faults_can_be_ended_early(market: Running) -> None:
    async with market.binance() as socket:
        await receive(socket)
        await market.order(kind="hole", feed="binance", seconds=600)
        await market.call("DELETE", "/control/faults")
        assert (await market.fault())["state"] == "ended"
        await receive(socket)


def recording(path: Path, count: int) -> Path:
    """Write a capture of Binance trades 1 to ``count``, 20 ms apart."""
    lines = []
    for number in range(1, count + 1):
        time = 1_783_465_157_000 + 20 * number
        data = {"e": "trade", "E": time, "s": "BTCUSDT", "t": number, "p": f"{60_000 + number}.00000000"}
        data |= {"q": "0.00317000", "T": time, "m": bool(number % 2), "M": True}
        lines.append(json.dumps({"stream": "btcusdt@trade", "data": data}))
    path.write_text("\n".join(lines) + "\n")
    return path


async def test_a_recording_takes_faults_too_and_its_history_has_what_was_played(tmp_path: Path) -> None:
    exchange = Exchange(ReplaySource([recording(tmp_path / "capture.ndjson", 400)], speed=MAX_SPEED))
    market = Running(exchange, await exchange.start())
    try:
        nothing = (await market.call("GET", "/binance/api/v3/historicalTrades?symbol=BTCUSDT"))[1]
        await market.order(kind="hole", count=7, seed=1)
        await market.order(kind="duplicate", share=0.1, delay=0.1)
        ids = []
        async with market.binance() as socket, asyncio.timeout(DEADLINE):
            while not exchange.finished or set(ids) != set(range(8, 401)):
                ids.append((await receive(socket))["data"]["t"])
                await asyncio.sleep(0)
        rows = (await market.call("GET", "/binance/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1&limit=1000"))[1]
        truth = await market.truth()
    finally:
        await exchange.close()

    assert nothing == []
    assert [row["id"] for row in rows] == list(range(1, 401))
    assert rows[2] == {
        "id": 3,
        "price": "60003.00000000",
        "qty": "0.00317000",
        "quoteQty": "190.20951000",
        "time": 1_783_465_157_060,
        "isBuyerMaker": True,
        "isBestMatch": True,
    }
    assert truth["symbols"][KEY]["announced"]["ranges"] == [[8, 400]]
    assert truth["faults"][0]["ids"] == {KEY: [[1, 7]]}


async def test_a_recordings_clock_cannot_jump(tmp_path: Path) -> None:
    exchange = Exchange(ReplaySource([recording(tmp_path / "capture.ndjson", 5)]))
    market = Running(exchange, await exchange.start())
    try:
        status, answer = await market.call("POST", "/control/faults", json={"kind": "clock_jump"})
    finally:
        await exchange.close()

    assert status == 400
    assert "needs the simulated market" in answer["error"]


@pytest.mark.parametrize("in_file", [True, False])
def test_faults_are_given_at_the_start_in_a_file_or_as_json(tmp_path: Path, in_file: bool) -> None:
    text = '[{"kind":"hole","feed":"binance","symbol":"BTC-USDT","after":5}]'
    path = tmp_path / "faults.json"
    path.write_text(text)
    command = [sys.executable, "-m", "local.exchange", "--rate", "20", "--faults", str(path) if in_file else text]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        faults = asyncio.run(_faults_at(port))
    finally:
        process.terminate()
        process.communicate(timeout=20)

    assert [(fault["order"]["kind"], fault["state"]) for fault in faults] == [("hole", "waiting")]


async def _faults_at(port: int) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/control/faults") as answer,
    ):
        return (await answer.json())["faults"]


def test_a_wrong_fault_at_the_start_ends_it_with_a_sentence() -> None:
    command = [sys.executable, "-m", "local.exchange", "--faults", '{"kind":"hole","feed":"nowhere"}']
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no feed nowhere; there are binance")
