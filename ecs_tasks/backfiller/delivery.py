"""Sends on what a page of a fill gave, in the order in which the validator must see it."""

import dataclasses
import time

import numpy as np

from ecs_tasks.backfiller.market import FillJob, Market
from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.venue import Venue
from ecs_tasks.ingestor.dead_frames import DeadFrame, dead_frame_key
from tickwire.intervals import IntervalSet
from tickwire.records import Finding, FindingKind
from tickwire.venues.history import HistoryPage

MAX_LETTERS = 10_000
"""Dead letters remembered, so that asking again sends the same row once."""


class PageDelivery:
    """Trades first, then what the venue does not have, then what cannot be read; each once accepted.

    Parameters
    ----------
    settle_seconds : how long what was accepted may take to be seen in the validator's state
    """

    def __init__(self, venue: Venue, outlet: Outlet, *, settle_seconds: float) -> None:
        self._venue = venue
        self._outlet = outlet
        self._settle = settle_seconds
        self._letters: dict[str, None] = {}

    async def publish(self, market: Market, job: FillJob, page: HistoryPage) -> None:
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
            await self._absent(market, absent)
        if page.rejects:
            await self._reject(market, job, page, wanted)

    async def _absent(self, market: Market, absent: list[tuple[tuple[int, int], str]]) -> None:
        """Send what a second look did not find either; ask for the rest again."""
        now = time.monotonic()
        looks = market.second_look
        confirmed, again = looks.take([part for part, _ in absent], now)
        market.watch.failed(again, again_at=now + looks.seconds)
        both = IntervalSet(confirmed)
        found = [(part, evidence) for span, evidence in absent for part in both.within(*span)]
        if found:
            market.stats.absent += await self._find(market, FindingKind.ABSENT, found)

    async def _reject(self, market: Market, job: FillJob, page: HistoryPage, wanted: IntervalSet) -> None:
        """Send rows that cannot be read to the dead letters, and then say which ids are known only from there."""
        letters: dict[str, DeadFrame] = {}
        for reject in page.rejects:
            # The same row of a later request has another time.
            name = dead_frame_key(market.symbol, 0, reject.frame)
            if name in self._letters:
                continue
            detail = f"{self._venue.name} {market.symbol}: {reject.detail}"
            named = dataclasses.replace(reject, detail=detail)
            letters[name] = DeadFrame(f"{self._venue.feed}/history", self._venue.name, named, market.symbol)
        await self._outlet.letters(list(letters.values()))
        self._letters |= dict.fromkeys(letters)
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
