"""Which groups this task reads: held by lease, shared fairly, handed over without a gap.

Two tasks that read one group for a while do no harm, as the validator removes the twins; a group
that nobody reads is a gap. So a task reads on until another one that has its lease says that it
reads, and never stops because DynamoDB is down.

The two holders of a group should not fall with one availability zone. So a task leaves a group whose
other holder is in its own zone to those elsewhere, as long as one of them takes it within the time of
a lease, and offers one that it shares within its zone.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ecs_tasks.ingestor.connection import Connection
from ecs_tasks.ingestor.held import LEFT_SECONDS, UNREAD_SECONDS, Held, fair_share
from ecs_tasks.ingestor.lease_calls import LeaseCalls
from ecs_tasks.ingestor.logs import log
from ecs_tasks.ingestor.settings import FeedSettings
from ecs_tasks.shared.table import CoordinationUnavailable, NoCoordinationTable
from ecs_tasks.shared.zone import zone_of

ROUNDS = 3
"""Rounds in the time of a lease: each renews all leases."""
TICKS = 10
"""Looks within a round at whether a new connection reads by now."""
OFFERED_ROUNDS = 2
"""An offered lease waits so long for a taker, and is then left alone for as long."""
GIVEN_ROUNDS = 2 * ROUNDS + 1
"""One offered for want of a socket waits longer: who has its share already takes it only as an orphan."""
RETURN_ROUNDS = 2
"""After an outage of the store all leases look free, so others get this long to renew theirs."""

_TROUBLE = (CoordinationUnavailable, NoCoordinationTable)


class Coordinator:
    """Opens and closes connections as leases come and go.

    Parameters
    ----------
    entries : every group there is, the same for all tasks
    holders : tasks that hold each group
    max_groups : groups that this task holds at most; None: no limit but its fair share
    open_connection, close_connection : what the task does with a group that it gets or gives up
    """

    def __init__(
        self,
        calls: LeaseCalls,
        entries: Iterable[FeedSettings],
        *,
        holders: int,
        max_groups: int | None,
        open_connection: Callable[[FeedSettings], Connection],
        close_connection: Callable[[Connection], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._zone = zone_of(calls.holder)
        self._entries = {entry.name: entry for entry in entries}
        self._holders = holders
        self._limit = len(self._entries) if max_groups is None else max_groups
        self._open = open_connection
        self._close = close_connection
        self._clock = clock
        self._held: dict[str, Held] = {}
        self._tasks: frozenset[str] = frozenset({calls.holder})
        self._vacant_since: dict[str, float] = {}
        self._rest = 0
        self._returning = 0
        self._period = calls.seconds / ROUNDS
        # A round is not broken off, since what it takes would be held and not read.
        self._at_work = asyncio.Lock()
        self._stopping = False
        self.trouble = ""
        """Why leases cannot be kept at present, or empty."""

    @property
    def groups(self) -> list[str]:
        """The groups whose lease this task holds, in order."""
        return sorted(name for name, held in self._held.items() if not held.leaving)

    def as_json(self) -> dict[str, Any]:
        """Give what ``/stats`` shows of it."""
        return {
            "holder": self._calls.holder,
            "tasks": len(self._tasks),
            "share": self._share(),
            "groups": {name: held.as_json() for name, held in sorted(self._held.items())},
            "trouble": self.trouble,
        }

    async def join(self) -> None:
        """Make this task known to the others, before the first round.

        Raises
        ------
        NoCoordinationTable
            If the table does not exist.
        """
        try:
            await self._beat()
        except CoordinationUnavailable as error:
            self._tell(str(error))

    async def run(self) -> None:
        """Hold leases until :meth:`hand_over`."""
        # Tasks that start together see one another before the first takes more than its share.
        await asyncio.sleep(self._period / TICKS)
        while not self._stopping:
            began = time.monotonic()
            await self.round()
            while (left := began + self._period - time.monotonic()) > 0 and not self._stopping:
                await asyncio.sleep(min(left, self._period / TICKS))
                await self._attempt(self._tell_ready)

    async def round(self) -> None:
        """Renew what is held, close what another reads, take what is free, offer what is too much."""
        if await self._attempt(self._beat, self._renew, self._settle, self._acquire, self._offer):
            self._tell("")

    async def hand_over(self, seconds: float) -> None:
        """Offer everything and read on until others say that they read it, for at most ``seconds``.

        From then on nothing is taken and nothing renewed.
        """
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                async with self._at_work:
                    await self._beat()
                    await self._offer_all()
                if self._tasks == {self._calls.holder}:
                    return
                # Nothing tells of a change in the table, so it is looked at.
                while not all(  # noqa: ASYNC110
                    await asyncio.gather(*map(self._calls.is_read_elsewhere, self._held))
                ):
                    await asyncio.sleep(self._period / TICKS)
        except _TROUBLE as error:
            self._tell(str(error))
        except TimeoutError:
            log(logging.WARNING, "stopping before other tasks read all groups")

    async def release(self, seconds: float) -> None:
        """Give up what is still held, once its sockets are drained, within ``seconds``."""
        calls = [self._calls.release(held.lease) for held in self._held.values()]
        try:
            async with asyncio.timeout(seconds):
                for result in await asyncio.gather(*calls, return_exceptions=True):
                    if isinstance(result, BaseException):
                        log(logging.WARNING, "a lease was not released and will run out", error=str(result))
        except TimeoutError:
            log(logging.WARNING, "leases were not released in time and will run out")

    async def _beat(self) -> None:
        try:
            self._tasks = await self._calls.beat()
        except _TROUBLE:
            self._returning = RETURN_ROUNDS
            raise

    async def _renew(self) -> None:
        due = []
        for held in self._held.values():
            held.offered = max(held.offered - 1, 0)
            if not held.leaving and not held.offered:
                due.append(held)
        results = await asyncio.gather(
            *(self._calls.renew(held.lease, ready=held.told_ready) for held in due),
            return_exceptions=True,
        )
        for held, result in zip(due, results, strict=True):
            if result is False:
                held.leaving = True
                self._rest = 0
                log(logging.INFO, "another task has the lease, reading on until it reads", group=held.entry.name)
        _raise_first(results)

    async def _settle(self) -> None:
        """Take back a lease whose new holder died, and close what the new holder reads or only it might."""
        for name, held in list(self._held.items()):
            if not held.leaving:
                continue
            # Without a socket of our own there is nothing to read on with.
            if held.is_unread(self._clock(), LEFT_SECONDS) or await self._calls.is_read_elsewhere(name):
                del self._held[name]
                await self._close(held.connection)
                log(logging.INFO, "left the group to the task that has its lease", group=name)
            elif (lease := await self._calls.acquire(name)) is not None:
                held.lease, held.leaving, held.told_ready = lease, False, False

    async def _acquire(self) -> None:
        if self._returning:
            self._returning -= 1
            return
        share = self._share()
        free = [name for name in self._entries if name not in self._held]
        random.shuffle(free)
        for name in free:
            mine = len(self.groups)
            if mine >= self._limit or self._stopping:
                return
            left = mine >= share or await self._has_twin_here(name)
            if left and not await self._is_orphaned(name):
                continue
            lease = await self._calls.acquire(name)
            if lease is not None:
                self._vacant_since.pop(name, None)
                entry = self._entries[name]
                self._held[name] = Held(entry, self._open(entry), lease, self._clock())
                log(logging.INFO, "holding a group", group=name, slot=lease.slot, token=lease.token)

    async def _has_twin_here(self, name: str, *, below: int | None = None) -> bool:
        """Say whether another task in this one's zone holds a group (in a slot ``below``), and any lives elsewhere."""
        if (
            self._holders == 1
            or not self._zone
            or not any(zone_of(task) not in ("", self._zone) for task in self._tasks)
        ):
            return False
        twins = await self._calls.twins(name)
        return any(zone_of(twin) == self._zone for slot, twin in twins.items() if below is None or slot < below)

    async def _is_orphaned(self, name: str) -> bool:
        """Say whether a slot of a group was free for the time of a lease, as if nobody could take it."""
        if not await self._calls.is_vacant(name):
            self._vacant_since.pop(name, None)
            return False
        now = self._clock()
        return now - self._vacant_since.setdefault(name, now) >= self._calls.seconds

    async def _offer(self) -> None:
        """Offer what this task cannot connect to while others might, and one group that others should rather hold."""
        await self._offer_unread()
        self._rest = max(self._rest - 1, 0)
        mine = list(self._held.values())
        if self._rest or not mine or any(held.leaving or held.offered for held in mine):
            return
        held = random.choice(mine)  # noqa: S311 - whichever
        # Of two in one zone, the one with the higher slot goes.
        if len(mine) <= self._share() and not await self._has_twin_here(held.entry.name, below=held.lease.slot):
            return
        held.offered, self._rest = OFFERED_ROUNDS, 2 * OFFERED_ROUNDS
        await self._calls.offer(held.lease)

    async def _offer_unread(self) -> None:
        now = self._clock()
        for name, held in self._held.items():
            if held.is_unread(now, UNREAD_SECONDS) and len(self._tasks) > 1 and not (held.leaving or held.offered):
                held.offered, held.read_at = GIVEN_ROUNDS, now
                await self._calls.offer(held.lease)
                log(logging.WARNING, "no connection for long, another task may try", group=name)

    async def _offer_all(self) -> None:
        await self._calls.leave()
        await asyncio.gather(*(self._calls.offer(held.lease) for held in self._held.values() if not held.leaving))

    async def _tell_ready(self) -> None:
        """Say of each group, once, that its socket reads, so that who had it before may close its own."""
        for held in self._held.values():
            if not held.leaving and not held.told_ready and held.connection.settled:
                held.leaving = not await self._calls.renew(held.lease, ready=True)
                held.told_ready = True

    def _share(self) -> int:
        return fair_share(len(self._entries), self._holders, len(self._tasks))

    async def _attempt(self, *steps: Callable[[], Awaitable[None]]) -> bool:
        """Do steps until the store fails, which is told and cured by a later round."""
        try:
            async with self._at_work:
                for step in steps:
                    if self._stopping:
                        return False
                    await step()
        except _TROUBLE as error:
            self._tell(str(error))
            return False
        return True

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            text = "leases cannot be kept, reading on" if trouble else "leases are kept again"
            log(logging.WARNING, text, error=trouble)
        self.trouble = trouble


def _raise_first(results: list[bool | BaseException]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result
