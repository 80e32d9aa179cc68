"""The fills of one budget, one request after another: ask, send on, await acceptance, next."""

import asyncio
import logging
import time

from valkey import ValkeyError

from ecs_tasks.backfiller.delivery import PageDelivery
from ecs_tasks.backfiller.logs import log
from ecs_tasks.backfiller.market import MAX_FILLS, FillJob, Market
from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.pause import Pause
from ecs_tasks.backfiller.venue import Venue
from ecs_tasks.backfiller.window import FillMinutes
from ecs_tasks.shared.table import CoordinationUnavailable
from tickwire.backfill.turns import Turns
from tickwire.records import Heartbeat
from tickwire.venues.history import (
    HistoryReply,
    HistoryRequest,
    NewestTrades,
    RateLimited,
    RequestRejected,
    UnreadableReply,
    VenueRefused,
    VenueUnavailable,
)

TAIL_EVERY = 10
"""Where fills never end, each so many requests a tail check has its turn."""


class Lane:
    """One budget of a venue and the symbols that are charged to it.

    Parameters
    ----------
    settle_seconds : how long what was accepted may take to be seen in the validator's state
    fill_minutes : keeps the minutes of the symbols' last day; None where nobody wants them
    pause : waits that end when the task stops
    """

    def __init__(
        self,
        key: str,
        venue: Venue,
        *,
        outlet: Outlet,
        settle_seconds: float,
        pause: Pause,
        fill_minutes: FillMinutes | None = None,
    ) -> None:
        self.venue = venue.name
        self.markets: dict[str, Market] = {}
        self.turns: Turns[str, FillJob] = Turns()
        self._key = key
        self._venue = venue
        self._outlet = outlet
        self._settle = settle_seconds
        self._fill_minutes = fill_minutes
        self._pause = pause
        self._scanned = asyncio.Event()
        self._since_tail = 0
        self._delivery = PageDelivery(venue, outlet, settle_seconds=settle_seconds)

    def scanned(self) -> None:
        """Say that the validator's states were looked at again."""
        self._scanned.set()

    async def run(self) -> None:
        """Fill until the task stops; what was fetched is sent on before this returns."""
        while not self._pause.stopping:
            wait = self._venue.wait_seconds()
            if wait:
                await self._pause.sleep(wait)
            elif not self._venue.tenure.held:
                self._drop_all()
                await self._pause.wait(self._scanned)
            elif not await self._step():
                await self._pause.wait(self._scanned)

    async def _step(self) -> bool:
        """Send one request, if there is any to send."""
        now = time.monotonic()
        for symbol, job in self.turns.all():
            if not self.markets[symbol].wanted(job, now):
                # Live trades or another task filled the rest.
                self._end(symbol, job)
        self._begin_fills(now)
        tail = self._due_tail(now)
        if tail is not None and (not len(self.turns) or self._since_tail >= TAIL_EVERY):
            self._since_tail = 0
            await self._check_tail(*tail)
            return True
        turn = self.turns.next()
        if turn is None:
            return await self._warm_window(now)
        self._since_tail += 1
        await self._ask(*turn)
        return True

    def _begin_fills(self, now: float) -> None:
        for symbol, market in self.markets.items():
            while len(self.turns.of(symbol)) < MAX_FILLS:
                job = market.begin(now)
                if job is None:
                    break
                self.turns.add(symbol, job)

    async def _ask(self, symbol: str, job: FillJob) -> None:
        market, request = self.markets[symbol], job.fill.request
        if request is None:
            self._end(symbol, job)
            return
        reply = await self._send(market, request)
        if reply is None:
            return
        try:
            page = job.fill.feed(reply, time.time_ns())
        except (RequestRejected, UnreadableReply) as error:
            self._give_up(symbol, job, str(error))
        except (RateLimited, VenueUnavailable, VenueRefused) as error:
            await self._hold(market, error)
        else:
            self._venue.answered()
            await self._delivery.publish(market, job, page)
            if page.next is None:
                self._end(symbol, job)

    async def _send(self, market: Market, request: HistoryRequest) -> HistoryReply | None:
        """Send a request within the budget; None where it was not sent or not answered."""
        stats, budget = market.stats, self._venue.budget(self._key)
        try:
            wait = await budget.reserve(request.weight)
        except CoordinationUnavailable as error:
            self._venue.unavailable(VenueUnavailable(f"no budget: {error}"))
            return None
        if wait > 0:
            stats.budget_waits += 1
            stats.budget_wait_seconds = round(stats.budget_wait_seconds + wait, 3)
            await self._pause.sleep(wait)
            if self._pause.stopping or self._venue.wait_seconds() or not self._venue.tenure.held:
                return None
        stats.requests += 1
        try:
            return await self._venue.send(request, budget)
        except VenueUnavailable as error:
            self._venue.unavailable(error)
            return None

    async def _hold(self, market: Market, error: RateLimited | VenueUnavailable | VenueRefused) -> None:
        if isinstance(error, RateLimited):
            market.stats.rate_limited += 1
            await self._venue.limited(error, self._venue.budget(self._key))
        elif isinstance(error, VenueUnavailable):
            self._venue.unavailable(error)
        else:
            self._venue.refused(error)

    def _due_tail(self, now: float) -> tuple[Market, NewestTrades] | None:
        market = min(self.markets.values(), key=lambda one: one.tail.due_at, default=None)
        if market is None or market.tail.due_at > now:
            return None
        newest = market.newest(now)
        return None if newest is None else (market, newest)

    async def _check_tail(self, market: Market, newest: NewestTrades) -> None:
        market.stats.tail_checks += 1
        reply = await self._send(market, newest.request)
        if reply is None:
            market.tail.failed(time.monotonic())
            return
        received = time.time_ns()
        try:
            highest = newest.feed(reply, received)
        except (RequestRejected, UnreadableReply) as error:
            market.stats.last_reason = str(error)
            market.tail.failed(time.monotonic())
        except (RateLimited, VenueUnavailable, VenueRefused) as error:
            market.tail.failed(time.monotonic())
            await self._hold(market, error)
        else:
            self._venue.answered()
            if market.tail.answered(highest, time.monotonic()) and highest is not None:
                # The venue says so now, whenever the trade itself was.
                await self._outlet.heartbeat(Heartbeat(self._venue.name, market.symbol, highest, received, received))
                market.stats.heartbeats += 1

    async def _warm_window(self, now: float) -> bool:
        """Fetch a page of the symbol's last day whose turn it is, if any is due; trades come first."""
        if self._fill_minutes is None:
            return False
        market = min(self.markets.values(), key=lambda one: one.window.due_at, default=None)
        if market is None or market.window.due_at > now:
            return False
        cursor = market.window.cursor(time.time_ns())
        if cursor is None or cursor.request is None:
            return True
        reply = await self._send(market, cursor.request)
        if reply is None:
            market.window.failed(time.monotonic())
            return True
        try:
            page = cursor.feed(reply, time.time_ns())
            closed = [candle for candle in page.candles if candle.closed]
            await asyncio.to_thread(self._fill_minutes, self._venue.name, market.symbol, closed)
        except (RequestRejected, UnreadableReply, ValkeyError) as error:
            market.stats.last_reason = f"window: {error}"[:300]
            market.window.failed(time.monotonic())
        except (RateLimited, VenueUnavailable, VenueRefused) as error:
            market.window.failed(time.monotonic())
            await self._hold(market, error)
        else:
            self._venue.answered()
            market.stats.minutes += len(closed)
            market.window.took(time.monotonic())
        return True

    def _end(self, symbol: str, job: FillJob) -> None:
        now = time.monotonic()
        market = self.markets[symbol]
        retries = market.stats.retries
        market.end(job, now, again_at=now + self._settle)
        self.turns.remove(symbol, job)
        if market.stats.retries > retries:
            self._venue.tell(f"{symbol}: {market.stats.last_reason}")

    def _give_up(self, symbol: str, job: FillJob, reason: str) -> None:
        self.markets[symbol].give_up(job, reason, time.monotonic())
        self.turns.remove(symbol, job)
        self._venue.tell(f"{symbol}: {reason}")
        log(logging.WARNING, "a fill failed and is tried again", venue=self._venue.name, symbol=symbol, why=reason)

    def _drop_all(self) -> None:
        for symbol, job in self.turns.all():
            self.markets[symbol].put_back(job, time.monotonic())
            self.turns.remove(symbol, job)
