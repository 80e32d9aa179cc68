"""One venue: its history, whether it answers, whose turn it is to fill, and what people should hear."""

import asyncio
import logging
import time
from collections.abc import Callable

from ecs_tasks.backfiller.budgets import Budget, NewBudget
from ecs_tasks.backfiller.fetch import Fetcher
from ecs_tasks.backfiller.logs import log
from ecs_tasks.backfiller.stats import VenueStats
from ecs_tasks.backfiller.tenure import Tenure
from ecs_tasks.shared.backoff import Backoff
from tickwire.venues.history import History, HistoryReply, HistoryRequest, RateLimited, VenueRefused, VenueUnavailable

UNAVAILABLE_SECONDS = (0.5, 30.0)
"""Base and cap of the backoff while a venue is down."""
REFUSED_SECONDS = (30.0, 600.0)
"""While a venue serves nothing to this address: people must act, so asking often is no use."""

Post = Callable[[str, str], None]
"""Tells people something about a venue: (venue, text)."""


class Venue:
    """What all lanes of a venue share.

    Parameters
    ----------
    feed : name of the feed by which the history was configured
    url : where its requests go
    """

    def __init__(
        self,
        feed: str,
        history: History,
        *,
        url: str,
        fetcher: Fetcher,
        tenure: Tenure,
        new_budget: NewBudget,
        post: Post,
    ) -> None:
        self.feed = feed
        self.history = history
        self.tenure = tenure
        self.stats = VenueStats()
        self.trouble = ""
        """Why it gives nothing at present."""
        self._url = url
        self._fetcher = fetcher
        self._new_budget = new_budget
        self._budgets: dict[str, Budget] = {}
        self._post = post
        self._resume_at = 0.0
        self._down = Backoff(base_seconds=UNAVAILABLE_SECONDS[0], cap_seconds=UNAVAILABLE_SECONDS[1])
        self._shut = Backoff(base_seconds=REFUSED_SECONDS[0], cap_seconds=REFUSED_SECONDS[1])

    @property
    def name(self) -> str:
        """The venue in columns."""
        return self.history.venue

    def budget(self, key: str) -> Budget:
        """Give the budget of a name."""
        if key not in self._budgets:
            self._budgets[key] = self._new_budget(key, self.history.rate)
        return self._budgets[key]

    def wait_seconds(self) -> float:
        """Give how long nothing is to be asked of the venue."""
        return max(self._resume_at - time.monotonic(), 0.0)

    async def send(self, request: HistoryRequest, budget: Budget) -> HistoryReply:
        """Send a request that was charged to a budget.

        Raises
        ------
        VenueUnavailable
        """
        reply = await self._fetcher.send(self._url, request)
        used = self.history.used_weight(reply)
        if used is not None:
            await budget.observe(used)
        return reply

    def answered(self) -> None:
        """Take in that the venue gave what was asked for."""
        if self.trouble:
            log(logging.INFO, "the history answers again", venue=self.name)
            self.tell("the history answers again")
        self.trouble = ""
        self._down.reset()
        self._shut.reset()

    async def limited(self, error: RateLimited, budget: Budget) -> None:
        """Take in that the venue asks to wait; a ban holds for all of its budgets."""
        self.stats.rate_limited += 1
        self._troubled(f"rate limited: {error}"[:300])
        budgets = list(self._budgets.values()) if error.banned else [budget]
        await asyncio.gather(*(one.block(error.retry_after_seconds) for one in budgets))

    def unavailable(self, error: VenueUnavailable) -> None:
        """Take in that the venue is down."""
        self.stats.unavailable += 1
        wait = max(self._down.next_seconds(), UNAVAILABLE_SECONDS[0] / 2)
        if error.retry_after_seconds is not None:
            wait = max(wait, min(error.retry_after_seconds, REFUSED_SECONDS[1]))
        self._pause(wait, f"unavailable: {error}"[:300])

    def refused(self, error: VenueRefused) -> None:
        """Take in that the venue serves nothing to this address."""
        self.stats.refused += 1
        wait = max(self._shut.next_seconds(), REFUSED_SECONDS[0] / 2)
        self._pause(wait, f"refused: {error}"[:300])

    def tell(self, text: str) -> None:
        """Tell people something."""
        self._post(self.name, text)

    def _pause(self, seconds: float, trouble: str) -> None:
        self._resume_at = max(self._resume_at, time.monotonic() + seconds)
        self._troubled(trouble)

    def _troubled(self, text: str) -> None:
        if not self.trouble:
            log(logging.WARNING, "the history gives nothing", venue=self.name, why=text)
        self.trouble = text
        self.tell(text)
