"""OKX, the venue that was added by its files alone: live trades and history from the local exchange, as asked for."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from ecs_tasks.ingestor.settings import FeedSettings
from local.exchange.arrivals import SECOND
from local.exchange.events import Execution
from local.exchange.floor import steady_clock
from local.exchange.record import record
from local.exchange.replay import Recording
from local.exchange.server import Exchange
from local.exchange.simulator import Simulator
from local.exchange.source import SimulatorSource
from tickwire.capture import read_capture
from tickwire.columns import Side
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.history import (
    Candle,
    HistoryReply,
    HistoryRequest,
    RateBudget,
    RateLimited,
    VenueUnavailable,
    new_history,
)
from tickwire.venues.registry import new_feed

DEADLINE = 20.0
SYMBOL = "BTC-USDT"
MILLISECOND = 1_000_000

Row = tuple[int, int, int, Side, int]
"""Id, price and size at scale 8, the aggressor's side, ns UTC in whole ms."""


class Clock:
    """The steady clock, which a test puts forward instead of waiting."""

    def __init__(self) -> None:
        self._now = steady_clock()
        self._ahead = 0

    def __call__(self) -> int:
        return self._now() + self._ahead

    def put_forward(self, seconds: float) -> None:
        self._ahead += int(seconds * SECOND)


@dataclass
class Market:
    """An exchange that serves OKX too, and its own account of what was traded, made before any format."""

    exchange: Exchange
    clock: Clock
    address: str
    session: aiohttp.ClientSession
    made: list[Row] = field(default_factory=list)

    def watch(self, simulator: Simulator, events: list[Any]) -> None:
        """Account for events, and for all that the simulator makes from now on."""
        step = simulator.step

        def watched(until: int) -> list[Any]:
            more = step(until)
            self._take(more)
            return more

        self._take(events)
        simulator.step = watched  # type: ignore[method-assign]

    def _take(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Execution) and event.market.key == f"okx:{SYMBOL}":
                scale = 10 ** (8 - event.market.price_places)
                time = event.time // MILLISECOND * MILLISECOND
                self.made += [(one.trade_id, one.price * scale, one.size, event.side, time) for one in event.fills]

    async def ask(self, request: HistoryRequest) -> HistoryReply:
        async with self.session.get(f"http://{self.address}/okx{request.target}") as reply:
            return HistoryReply(reply.status, await reply.read(), dict(reply.headers))


@asynccontextmanager
async def okx_market(*, closed: bool) -> AsyncIterator[Market]:
    """Serve OKX; a ``closed`` market has 2,500 trades in a burst of 2.5 s and makes no more."""
    clock = Clock()
    source = SimulatorSource(seed=11, rate=300, now=clock(), also=["okx"])
    exchange = Exchange(source, clock=clock)
    async with aiohttp.ClientSession() as session:
        market = Market(exchange, clock, "", session)
        simulator = source._simulator
        market.watch(simulator, [])
        if closed:
            source.burst(f"okx:{SYMBOL}", trades=2_500, milliseconds=2_500)
            for event in simulator.step(simulator.time + 3 * SECOND):
                if isinstance(event, Execution):
                    source.tapes.record(event)
            clock.put_forward(3)
            source.stop()
        market.address = f"127.0.0.1:{await exchange.start()}"
        try:
            yield market
        finally:
            await exchange.close()


def rows_of(out: ParsedFrames) -> list[Row]:
    batch = out.trades.batch()
    columns = (batch.trade_id, batch.price, batch.size, batch.side, batch.exchange_time)
    return [(*row[:3], Side(row[3]), row[4]) for row in zip(*(one.tolist() for one in columns), strict=True)]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await holds():  # noqa: ASYNC110 - a condition of a server, which sets no event
            await asyncio.sleep(0.02)


async def fill(market: Market, first: int, last: int) -> Any:
    """Fetch a range as a host does, in virtual time; give the rows and the result."""
    history = new_history("okx")
    budget = RateBudget(history.rate)
    # A fresh budget may not spend what the one before it has just spent.
    market.clock.put_forward(4)
    cursor = history.fill(SYMBOL, first, last)
    rows: list[Row] = []
    while cursor.request is not None:
        market.clock.put_forward(budget.reserve(market.clock(), cursor.request.weight))
        page = cursor.feed(await market.ask(cursor.request), market.clock())
        assert page.rejects == ()
        batch = page.trades
        columns = (batch.trade_id, batch.price, batch.size, batch.side, batch.exchange_time)
        rows += [(*row[:3], Side(row[3]), row[4]) for row in zip(*(one.tolist() for one in columns), strict=True)]
    return sorted(rows), cursor.result()


async def test_ingestors_feed_reads_every_trade_as_it_was_made() -> None:
    settings = FeedSettings(feed="okx", symbols=(SYMBOL,))
    parser, out = new_feed(settings.feed), ParsedFrames()
    async with okx_market(closed=False) as market:
        url = f"ws://{market.address}/okx{parser.connect_path([SYMBOL])}"
        async with connect(url, compression=None) as socket, asyncio.timeout(DEADLINE):
            for message in parser.subscribe([SYMBOL]):
                await socket.send(message.decode())
            assert parser.liveness.ping_payload is not None
            await socket.send(parser.liveness.ping_payload.decode())
            while not out.ignored["pong"]:
                parser.parse(await socket.recv(decode=False), market.clock(), out)
            market.exchange.source.burst(f"okx:{SYMBOL}", trades=300, milliseconds=200)
            while len(out.trades) < 300:
                parser.parse(await socket.recv(decode=False), market.clock(), out)
            market.exchange.source.stop()
            await eventually(lambda: finished(market))
            await market.exchange.close()
            async for frame in socket:
                parser.parse(frame.encode() if isinstance(frame, str) else frame, market.clock(), out)
        announced = market.exchange.floor.announced.report()[f"okx:{SYMBOL}"]

    assert (out.rejects, out.drift, dict(out.ignored)) == ([], {}, {"subscribe": 1, "pong": 1})
    rows = rows_of(out)
    assert rows == [row for row in market.made if rows[0][0] <= row[0] <= rows[-1][0]]
    assert announced == {"ranges": [[rows[0][0], rows[-1][0]]], "trades": len(rows)}


async def finished(market: Market) -> bool:
    return market.exchange.finished


async def test_any_range_of_ids_comes_back_as_it_was_made() -> None:
    chance = random.Random(5)
    async with okx_market(closed=True) as market:
        made = market.made
        assert len(made) >= 2_500
        spans = [(1, len(made) - 1), (len(made) - 2, len(made) - 1)]
        spans += [tuple(sorted(chance.sample(range(1, len(made)), 2))) for _ in range(3)]  # type: ignore[misc]
        for low, high in spans:
            rows, result = await fill(market, made[low][0], made[high][0])
            assert rows == made[low : high + 1]
            assert (result.filled, result.absent, result.unresolved) == (len(rows), (), ())


async def test_what_a_lossy_socket_missed_is_filled_and_what_the_venue_lost_is_absent() -> None:
    """A hole in the socket's frames comes from REST; ids that OKX itself lost are confirmed absent, not invented."""
    order = f'{{"kind":"hole","venue_outage":true,"feed":"okx","symbol":"{SYMBOL}","count":7}}'
    async with okx_market(closed=True) as market:
        async with market.session.post(f"http://{market.address}/control/faults", data=order) as reply:
            assert reply.status == 200
        floor, source = market.exchange.floor, market.exchange.source
        # Nobody listens, so the fault is told to begin.
        (fault,) = floor.faults._faults
        fault._armed = floor.now()
        floor.faults.tick()
        source.burst(f"okx:{SYMBOL}", trades=3, milliseconds=1)
        simulator = source._simulator  # type: ignore[attr-defined]
        for event in simulator.step(simulator.time + SECOND // 100):
            if isinstance(event, Execution):
                source.tapes.record(event)
        (lost,) = fault.ids[f"okx:{SYMBOL}"].ranges()

        rows, result = await fill(market, lost[0] - 3, lost[1] + 2)

    assert [(absence.first, absence.last) for absence in result.absent] == [tuple(lost)]
    assert "/api/v5/market/history-trades?instId=BTC-USDT" in result.absent[0].evidence
    assert (len(rows), result.unresolved) == (5, ())


async def test_candles_agree_with_the_trades() -> None:
    async with okx_market(closed=True) as market:
        # In the first second there may be trades from before the account began.
        start, end = (market.made[0][4] // SECOND + 1) * SECOND, (market.made[-1][4] // SECOND + 1) * SECOND
        cursor = new_history("okx").candles(SYMBOL, 1, start=start, end=end)
        found: list[Candle] = []
        while cursor.request is not None:
            page = cursor.feed(await market.ask(cursor.request), market.clock())
            assert page.rejects == ()
            found += page.candles
    traded = {candle.start: candle for candle in found if candle.volume}
    by_start: dict[int, list[Row]] = {}
    for row in [row for row in market.made if row[4] >= start]:
        by_start.setdefault(row[4] // SECOND * SECOND, []).append(row)
    assert set(traded) == set(by_start)
    assert len(traded) >= 2
    for begin, rows in by_start.items():
        candle = traded[begin]
        prices = [Decimal(row[1]).scaleb(-8) for row in rows]
        assert (candle.open, candle.high, candle.low, candle.close) == (
            *(prices[0], max(prices), min(prices), prices[-1]),
        )
        assert candle.volume == Decimal(sum(row[2] for row in rows)).scaleb(-8)
        assert candle.notional == sum(Decimal(row[1]).scaleb(-8) * Decimal(row[2]).scaleb(-8) for row in rows)


async def test_a_client_that_keeps_no_pace_is_told_so_and_an_outage_is_one() -> None:
    async with okx_market(closed=True) as market:
        cursor = new_history("okx").fill(SYMBOL, market.made[5][0], market.made[6][0])
        assert cursor.request is not None
        replies = [await market.ask(cursor.request) for _ in range(100)]
        with pytest.raises(RateLimited) as limited:
            cursor.feed(replies[-1], market.clock())
        assert limited.value.retry_after_seconds == 2
        market.clock.put_forward(2)
        outage = '{"kind":"rest_outage","feed":"okx","count":1}'
        async with market.session.post(f"http://{market.address}/control/faults", data=outage) as reply:
            assert reply.status == 200
        with pytest.raises(VenueUnavailable):
            cursor.feed(await market.ask(cursor.request), market.clock())
        cursor.feed(await market.ask(cursor.request), market.clock())
    assert cursor.result().filled == 2


async def test_recorded_session_is_a_capture_of_the_same_trades(tmp_path: Path) -> None:
    """The recorder needs no parser; its lines give the trades back, and the exchange knows whose they are."""
    lines: list[bytes] = []
    async with okx_market(closed=False) as market:

        async def record_all() -> None:
            url = f"ws://{market.address}/okx"
            frames = await record(new_feed("okx"), [SYMBOL], url=url, seconds=DEADLINE, write=lines.append)
            assert frames == len(lines)

        recorder = asyncio.create_task(record_all())
        await eventually(lambda: recorded(lines, b"pong"))
        market.exchange.source.burst(f"okx:{SYMBOL}", trades=50, milliseconds=50)
        await eventually(lambda: recorded(lines, b"tradeId", times=50))
        # The exchange hangs up, which ends the recording.
        await market.exchange.close()
        await recorder
        path = tmp_path / "okx.ndjson"
        path.write_bytes(b"".join(lines))
        feed, out = new_feed("okx"), ParsedFrames()
        for captured in read_capture(path):
            assert captured.receive_time is not None
            feed.parse(captured.frame, captured.receive_time, out)
        rows = rows_of(out)

    assert Recording(path).feed == "okx"
    assert out.rejects == []
    assert len(rows) >= 50
    assert rows == [row for row in market.made if rows[0][0] <= row[0] <= rows[-1][0]]


async def recorded(lines: list[bytes], text: bytes, times: int = 1) -> bool:
    return sum(text in line for line in lines) >= times


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "60012"),
        ('{"op":"buy","args":[]}', "60012"),
        ('{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}', "60018"),
        ('{"op":"subscribe","args":[{"channel":"trades-all","instId":"NO-PE"}]}', "60018"),
    ],
)
async def test_wrong_subscription_is_an_error_that_the_feed_passes_on(message: str, code: str) -> None:
    out = ParsedFrames()
    async with (
        okx_market(closed=True) as market,
        connect(f"ws://{market.address}/okx/ws/v5/business", compression=None) as socket,
    ):
        await socket.send(message)
        frame = await asyncio.wait_for(socket.recv(), DEADLINE)
        new_feed("okx").parse(frame.encode() if isinstance(frame, str) else frame, market.clock(), out)
    assert [status.text[: len(code) + 6] for status in out.statuses] == [f"error {code}"]


async def test_default_market_is_without_okx() -> None:
    exchange = Exchange(SimulatorSource(seed=1, rate=100, now=steady_clock()()))
    port = await exchange.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/control/state") as reply:
                catalogue = (await reply.json())["catalogue"]
            async with session.get(
                f"http://127.0.0.1:{port}/okx/api/v5/market/history-trades?instId=BTC-USDT"
            ) as reply:
                assert reply.status == 404
    finally:
        await exchange.close()
    assert list(catalogue) == ["binance", "binance-us", "coinbase", "coinbase-advanced", "kraken"]
