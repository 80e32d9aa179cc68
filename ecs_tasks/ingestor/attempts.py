"""The venues' limits on connection attempts, kept before each attempt."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ecs_tasks.ingestor.logs import log
from ecs_tasks.shared.budget import SharedBudget
from ecs_tasks.shared.table import CoordinationUnavailable, NoCoordinationTable
from tickwire.venues.feed import Feed
from tickwire.venues.rate_budget import RateBudget

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")

TASKS = 16
"""Tasks behind one address that may be cut off from the shared count at once."""


class Attempts:
    """Says how long to wait before a feed may be connected to.

    The tasks behind one address spend half of what a venue allows from a budget that they share.
    While that cannot be reached, each spends a sixteenth of the other half, of its own: so limits
    over minutes are kept even then, and no connection stays down because of the store. A limit on
    one second is kept on average: waits are drawn, so that tasks do not come at the same moment.

    Parameters
    ----------
    shared : gives the budget of a feed that all tasks share; None: this task is alone
    now : ns UTC
    """

    def __init__(
        self, shared: Callable[[Feed], SharedBudget] | None = None, *, now: Callable[[], int] = time.time_ns
    ) -> None:
        self._new_shared = shared
        self._now = now
        self._shared: dict[str, SharedBudget] = {}
        self._own: dict[str, RateBudget] = {}
        # Not asyncio's own threads: while the store does not answer, these wait for it.
        self._threads = ThreadPoolExecutor(4, "attempts")

    async def reserve(self, feed: Feed) -> float:
        """Take one attempt and give the seconds to wait before it."""
        weight = feed.attempts.weight
        own = self._own_of(feed)
        shared = self._shared_of(feed)
        if shared is None:
            return own.reserve(self._now(), weight)
        try:
            return await self._run(shared.reserve, weight)
        except (CoordinationUnavailable, NoCoordinationTable) as error:
            wait = own.reserve(self._now(), TASKS * weight) * random.uniform(1.0, 2.0)  # noqa: S311
            log(
                logging.WARNING,
                "the shared count of attempts cannot be reached, taking one of our own",
                feed=feed.name,
                wait_seconds=round(wait, 1),
                error=str(error),
            )
            return wait

    async def block(self, feed: Feed, seconds: float) -> None:
        """Let no task behind this address try for so long, as the venue asked."""
        self._own_of(feed).block(self._now(), seconds)
        shared = self._shared_of(feed)
        if shared is not None:
            try:
                await self._run(shared.block, seconds)
            except NoCoordinationTable:
                return

    def _own_of(self, feed: Feed) -> RateBudget:
        if feed.name not in self._own:
            self._own[feed.name] = RateBudget(feed.attempts.rules)
        return self._own[feed.name]

    def _shared_of(self, feed: Feed) -> SharedBudget | None:
        if self._new_shared is None:
            return None
        if feed.name not in self._shared:
            self._shared[feed.name] = self._new_shared(feed)
        return self._shared[feed.name]

    async def _run(self, call: Callable[[_Given], _Result], given: _Given) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, given)
