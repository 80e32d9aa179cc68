"""The fills of one budget, one request after another: ask, send on, await acceptance, next."""

import asyncio
import dataclasses
import logging
import time

import numpy as np

from ecs_tasks.backfiller.logs import log
from ecs_tasks.backfiller.market import MAX_FILLS, FillJob, Market
from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.pause import Pause
from ecs_tasks.backfiller.venue import Venue
from ecs_tasks.ingestor.dead_frames import DeadFrame, dead_frame_key
from ecs_tasks.shared.table import CoordinationUnavailable
from tickwire.backfill.turns import Turns
from tickwire.intervals import IntervalSet
from tickwire.records import Finding, FindingKind, Heartbeat
from tickwire.venues.history import (
    HistoryPage,
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
MAX_LETTERS = 10_000
"""Dead letters remembered, so that asking again sends the same row once."""


class Lane:
    """One budget of a venue and the symbols that are charged to it.

    Parameters
    ----------
    settle_seconds : how long what was accepted may take to be seen in the validator's state
    pause : waits that end when the task stops
    """

    def __init__(self, key: str, venue: Venue, *, outlet: Outlet, settle_seconds: float, pause: Pause) -> None:
        self.venue = venue.name
        self.markets: dict[str, Market] = {}
        self.turns: Turns[str, FillJob] = Turns()
        self._key = key
        self._venue = venue
        self._outlet = outlet
        self._settle = settle_seconds
        self._pause = pause
        self._scanned = asyncio.Event()
        self._since_tail = 0
        self._letters: dict[str, None] = {}

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
            return False
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
            await self._publish(market, job, page)
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

    async def _publish(self, market: Market, job: FillJob, page: HistoryPage) -> None:
        """Send on what a page gave of the ids that are missing now: trades, then what is not to be had."""
        wanted = market.wanted(job, time.monotonic())
        ids = page.trades.trade_id
        keep = np.array([int(trade_id) in wanted for trade_id in ids], np.bool_)
        if keep.any():
            trades = page.trades.take(keep)
            await self._outlet.trades(trades)
            market.stats.trades += len(trades)
            self._sent(market, IntervalSet((i, i) for i in trades.trade_id.tolist()))
        absent = [(part, one.evidence) for one in page.absent for part in wanted.within(one.first, one.last)]
        if absent:
            market.stats.absent += await self._find(market, FindingKind.ABSENT, absent)
        if page.rejects:
            await self._reject(market, job, page, wanted)

    async def _reject(self, market: Market, job: FillJob, page: HistoryPage, wanted: IntervalSet) -> None:
        """Send rows that cannot be read to the dead letters, and then say which ids are known only from there."""
        letters = []
        for reject in page.rejects:
            # The same row of a later request has another time.
            name = dead_frame_key(market.symbol, 0, reject.frame)
            if name in self._letters:
                continue
            detail = f"{self._venue.name} {market.symbol}: {reject.detail}"
            named = dataclasses.replace(reject, detail=detail)
            letters.append((name, DeadFrame(f"{self._venue.feed}/history", self._venue.name, named)))
        await self._outlet.letters([letter for _, letter in letters])
        self._letters |= dict.fromkeys(name for name, _ in letters)
        while len(self._letters) > MAX_LETTERS:
            del self._letters[next(iter(self._letters))]
        unreadable = IntervalSet(job.fill.result().unreadable)
        found = [
            (part, page.evidence)
            for first, last in unreadable.difference(job.unreadable).ranges()
            for part in wanted.within(first, last)
        ]
        job.unreadable = unreadable
        if found:
            market.stats.unreadable += await self._find(market, FindingKind.UNREADABLE, found)

    async def _find(self, market: Market, kind: FindingKind, found: list[tuple[tuple[int, int], str]]) -> int:
        """Send findings; gives how many ids they are about."""
        now = time.time_ns()
        await self._outlet.findings(
            [
                Finding(self._venue.name, market.symbol, first, last, kind, evidence, now)
                for (first, last), evidence in found
            ]
        )
        ids = IntervalSet(part for part, _ in found)
        self._sent(market, ids)
        return ids.count

    def _sent(self, market: Market, ids: IntervalSet) -> None:
        market.watch.published(ids.ranges(), again_at=time.monotonic() + self._settle)

    def _due_tail(self, now: float) -> tuple[Market, NewestTrades] | None:
        market = min(self.markets.values(), key=lambda one: one.tail.due_at, default=None)
        if market is None or market.tail.due_at > now:
            return None
        newest = market.history.latest(market.symbol)
        if newest is None:
            market.tail.failed(now)
            return None
        return market, newest

    async def _check_tail(self, market: Market, newest: NewestTrades) -> None:
        market.stats.tail_checks += 1
        # Whatever becomes of this look, there will be another.
        market.tail.failed(time.monotonic())
        reply = await self._send(market, newest.request)
        if reply is None:
            return
        received = time.time_ns()
        try:
            highest = newest.feed(reply, received)
        except (RequestRejected, UnreadableReply) as error:
            market.stats.last_reason = str(error)
        except (RateLimited, VenueUnavailable, VenueRefused) as error:
            await self._hold(market, error)
        else:
            self._venue.answered()
            if market.tail.answered(highest, time.monotonic()) and highest is not None:
                # The venue says so now, whenever the trade itself was.
                await self._outlet.heartbeat(Heartbeat(self._venue.name, market.symbol, highest, received, received))
                market.stats.heartbeats += 1

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
