"""Round trips: the project's history clients over HTTP, against an account of the market made apart from the server."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from local.exchange.arrivals import SECOND
from local.exchange.events import Execution
from local.exchange.faults.order import read_orders
from local.exchange.floor import steady_clock
from local.exchange.server import Exchange
from local.exchange.simulator import Simulator
from local.exchange.source import SimulatorSource
from tickwire.columns import Side
from tickwire.venues.history import (
    Candle,
    History,
    HistoryReply,
    HistoryRequest,
    RateBudget,
    RateLimited,
    VenueUnavailable,
    new_history,
)

SEED = 11
RATE = 400.0
WARM_UP = 25 * SECOND
FEEDS = {
    "binance": "BTC-USDT",
    "binance-us": "ETH-USDT",
    "coinbase": "BTC-USD",
    "coinbase-advanced": "BTC-USD",
    "kraken": "BTC-USD",
}
VENUES = {"coinbase-advanced": "coinbase"}

Row = tuple[int, int, int, Side, int]
"""Id, price and size at scale 8, the aggressor's side, ns UTC."""


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
    """A market that is closed: 10,000 trades of warm-up and a burst of 2,500 for each symbol of ``FEEDS``."""

    exchange: Exchange
    clock: Clock
    base: str
    session: aiohttp.ClientSession
    rows: dict[str, list[Row]] = field(default_factory=dict)
    budgets: dict[str, RateBudget] = field(default_factory=dict)

    async def send(self, feed: str, request: HistoryRequest) -> HistoryReply:
        async with self.session.get(f"{self.base}/{feed}{request.target}") as reply:
            return HistoryReply(reply.status, await reply.read(), dict(reply.headers))


@asynccontextmanager
async def closed_market(faults: str = "") -> AsyncIterator[Market]:
    clock = Clock()
    now = clock()
    source = SimulatorSource(seed=SEED, rate=RATE, now=now)
    # The same market again gives the warm-up, which the source keeps to itself.
    twin = Simulator(SEED, start=now - WARM_UP, rate=RATE, first_burst=WARM_UP + 10 * SECOND)
    made = [event for event in twin.step(now) if isinstance(event, Execution)]
    record = source.tapes.record
    # The account is of the market's own events, before any tape or format.
    simulator = source._simulator
    step = simulator.step

    def watched(until: int) -> list[Any]:
        events = step(until)
        made.extend(event for event in events if isinstance(event, Execution))
        return events

    simulator.step = watched  # type: ignore[method-assign]
    exchange = Exchange(source, clock=clock, faults=read_orders(faults) if faults else ())
    for feed, symbol in FEEDS.items():
        if feed != "coinbase-advanced":
            source.burst(f"{feed}:{symbol}", trades=2_500, milliseconds=200)
    for event in watched(simulator.time + SECOND):
        if isinstance(event, Execution):
            record(event)
    clock.put_forward(1)
    source.stop()
    port = await exchange.start()
    async with aiohttp.ClientSession() as session:
        market = Market(exchange, clock, f"http://127.0.0.1:{port}", session)
        for event in made:
            scale = 10 ** (8 - event.market.price_places)
            market.rows.setdefault(event.market.key, []).extend(
                (fill.trade_id, fill.price * scale, fill.size, event.side, event.time) for fill in event.fills
            )
        try:
            yield market
        finally:
            await exchange.close()


async def fill(market: Market, feed: str, first: int, last: int, *, after_time: int | None = None) -> Any:
    """Fetch a range as a host does, in virtual time; give the rows and the result."""
    history: History = new_history(feed)
    budget = market.budgets.setdefault(feed, RateBudget(history.rate))
    cursor = history.fill(FEEDS[feed], first, last, after_time=after_time)
    rows: list[Row] = []
    while cursor.request is not None:
        market.clock.put_forward(budget.reserve(market.clock(), cursor.request.weight))
        page = cursor.feed(await market.send(feed, cursor.request), market.clock())
        assert page.rejects == ()
        batch = page.trades
        columns = (batch.trade_id, batch.price, batch.size, batch.side, batch.exchange_time)
        rows += [(*row[:3], Side(row[3]), row[4]) for row in zip(*(one.tolist() for one in columns), strict=True)]
    return sorted(rows), cursor.result()


def shown_time(feed: str, time: int) -> int:
    """Give what a venue's REST states of a trade's time (whole microseconds)."""
    if feed.startswith("binance"):
        return time // 1_000_000 * 1_000_000
    return time


@pytest.mark.parametrize("feed", FEEDS)
async def test_any_range_of_ids_comes_back_as_it_was_made(feed: str) -> None:
    chance = random.Random(feed)
    async with closed_market() as market:
        made = market.rows[f"{VENUES.get(feed, feed)}:{FEEDS[feed]}"]
        assert len(made) >= 2_500
        spans = [(1, len(made) - 1), (len(made) - 2, len(made) - 1)]
        spans += [tuple(sorted(chance.sample(range(1, len(made)), 2))) for _ in range(4)]  # type: ignore[misc]
        for low, high in spans:
            rows, result = await fill(market, feed, made[low][0], made[high][0], after_time=made[low - 1][4])
            wanted = [(*row[:4], shown_time(feed, row[4])) for row in made[low : high + 1]]
            if feed == "kraken":
                # REST has one digit more than the WebSocket.
                assert all(0 <= row[4] - want[4] < 1_000 for row, want in zip(rows, wanted, strict=True))
                rows = [(*row[:4], row[4] // 1_000 * 1_000) for row in rows]
            assert rows == wanted
            assert (result.filled, result.absent, result.unresolved) == (len(wanted), (), ())


@pytest.mark.parametrize("feed", ["binance", "coinbase", "kraken"])
async def test_ids_that_the_venue_lost_are_confirmed_absent(feed: str) -> None:
    order = f'{{"kind":"hole","venue_outage":true,"feed":"{feed}","symbol":"{FEEDS[feed]}","count":7}}'
    async with closed_market() as market:
        key = f"{feed}:{FEEDS[feed]}"
        async with market.session.post(f"{market.base}/control/faults", data=order) as reply:
            assert reply.status == 200
        floor, simulator = market.exchange.floor, market.exchange.source._simulator  # type: ignore[attr-defined]
        # Nobody listens, so the fault is told to begin.
        (fault,) = floor.faults._faults
        fault._armed = floor.now()
        floor.faults.tick()
        market.exchange.source.burst(key, trades=3, milliseconds=1)
        for event in simulator.step(simulator.time + SECOND // 100):
            if isinstance(event, Execution):
                market.exchange.source.tapes.record(event)
        lost = [list(pair) for pair in fault.ids[key].ranges()]
        before = market.rows[key][-1]
        first, last = before[0] + 1, before[0] + 7
        assert lost == [[first, last]]

        _, result = await fill(market, feed, first - 3, last + 2, after_time=market.rows[key][-4][4])

    assert [(absence.first, absence.last) for absence in result.absent] == [(first, last)]
    assert (result.filled, result.unresolved) == (5, ())


async def candles(market: Market, feed: str, interval: int, start: int, end: int) -> list[Candle]:
    cursor = new_history(feed).candles(FEEDS[feed], interval, start=start, end=end)
    found: list[Candle] = []
    while cursor.request is not None:
        market.clock.put_forward(1)
        page = cursor.feed(await market.send(feed, cursor.request), market.clock())
        assert page.rejects == ()
        found += page.candles
    return found


@pytest.mark.parametrize(("feed", "interval"), [("binance", 1), ("binance", 60), ("coinbase", 60), ("kraken", 60)])
async def test_candles_agree_with_the_trades(feed: str, interval: int) -> None:
    async with closed_market() as market:
        made = market.rows[f"{feed}:{FEEDS[feed]}"]
        step = interval * SECOND
        start, end = made[0][4] // step * step, (made[-1][4] // step + 1) * step
        got = await candles(market, feed, interval, start, end)

    by_start: dict[int, list[Row]] = {}
    for row in made:
        by_start.setdefault(row[4] // step * step, []).append(row)
    traded = {candle.start: candle for candle in got if candle.volume}
    assert set(traded) == set(by_start)
    for begin, rows in by_start.items():
        prices = [Decimal(row[1]).scaleb(-8) for row in rows]
        candle = traded[begin]
        assert (candle.open, candle.high, candle.low, candle.close) == (
            *(prices[0], max(prices), min(prices), prices[-1]),
        )
        assert candle.volume == Decimal(sum(row[2] for row in rows)).scaleb(-8)
        assert candle.trades in (None, len(rows))
        bought = Decimal(sum(row[2] for row in rows if row[3] is Side.BUY)).scaleb(-8)
        assert candle.buy_volume in (None, bought)


@pytest.mark.parametrize("feed", ["binance", "coinbase", "kraken"])
async def test_a_client_that_keeps_no_pace_is_told_so(feed: str) -> None:
    async with closed_market() as market:
        cursor = new_history(feed).fill(FEEDS[feed], 1, 2, after_time=1)
        assert cursor.request is not None
        replies = [await market.send(feed, cursor.request) for _ in range(300)]
        with pytest.raises(RateLimited):
            cursor.feed(replies[-1], market.clock())


@pytest.mark.parametrize("feed", ["binance", "coinbase", "kraken"])
async def test_an_outage_and_a_throttle_of_rest_are_what_the_client_takes_them_for(feed: str) -> None:
    orders = (
        f'[{{"kind":"rest_outage","feed":"{feed}","count":1}},'
        f'{{"kind":"rest_throttle","feed":"{feed}","count":1,"retry_after":3}},'
        f'{{"kind":"rest_outage","feed":"{feed}","count":2,"mode":"abort"}}]'
    )
    async with closed_market(orders) as market:
        made = market.rows[f"{feed}:{FEEDS[feed]}"]
        cursor = new_history(feed).fill(FEEDS[feed], made[5][0], made[6][0], after_time=made[4][4])
        assert cursor.request is not None
        with pytest.raises(VenueUnavailable):
            cursor.feed(await market.send(feed, cursor.request), market.clock())
        with pytest.raises(RateLimited) as limited:
            cursor.feed(await market.send(feed, cursor.request), market.clock())
        assert 1.5 < limited.value.retry_after_seconds <= 4
        # aiohttp itself tries a GET again, once.
        with pytest.raises(aiohttp.ClientError):
            await market.send(feed, cursor.request)
        market.clock.put_forward(5)
        cursor.feed(await market.send(feed, cursor.request), market.clock())
        truth = await (await market.session.get(f"{market.base}/control/truth")).json()

    assert cursor.result().filled == 2
    assert [fault["hits"] for fault in truth["faults"]] == [1, 1, 2]


async def test_binance_shuts_out_who_asks_on_while_throttled() -> None:
    async with closed_market('{"kind":"rest_throttle","feed":"binance","seconds":60,"retry_after":30}') as market:
        request = new_history("binance").fill(FEEDS["binance"], 5, 6).request
        assert request is not None
        statuses = [(await market.send("binance", request)).status for _ in range(6)]

    assert statuses == [429, 429, 429, 429, 429, 418]


@pytest.mark.parametrize(
    "path", ["/nosuch/api/v3/klines", "/coinbase/products/NO-SUCH/trades", "/binance/api/v3/nosuch"]
)
async def test_other_paths_are_not_found(path: str) -> None:
    async with closed_market() as market, market.session.get(market.base + path) as reply:
        assert reply.status == 404
