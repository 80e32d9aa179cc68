"""The calls of leases and members from asyncio: each in a thread, several at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from ecs_tasks.shared.leases import Lease, Leases, Occupant
from ecs_tasks.shared.members import Members

THREADS = 8

_Result = TypeVar("_Result")


class LeaseCalls:
    """Leases of groups, each of which has ``holders`` slots, and the list of the tasks that live.

    Every call may raise :class:`CoordinationUnavailable` or :class:`NoCoordinationTable`.
    """

    def __init__(self, leases: Leases, members: Members, *, holders: int) -> None:
        self._leases = leases
        self._members = members
        self._holders = holders
        # Not asyncio's own threads: while the store does not answer, these wait for it.
        self._threads = ThreadPoolExecutor(THREADS, "leases")

    @property
    def holder(self) -> str:
        """This task's name."""
        return self._leases.holder

    @property
    def seconds(self) -> float:
        """How long a lease lasts without renewal."""
        return self._leases.seconds

    async def beat(self) -> frozenset[str]:
        """Say that this task lives; gives all that do."""
        return await self._call(self._members.beat)

    async def leave(self) -> None:
        """Take this task off the list of the living."""
        await self._call(self._members.leave)

    async def acquire(self, group: str) -> Lease | None:
        """Take a free slot of a group."""
        return await self._call(lambda: self._leases.acquire(group, slots=self._holders))

    async def renew(self, lease: Lease, *, ready: bool) -> bool:
        """Keep a lease; False if it is another's by now. ``ready``: this task reads the group."""
        return await self._call(lambda: self._leases.renew(lease, ready=ready))

    async def offer(self, lease: Lease) -> None:
        """Let another take a lease."""
        await self._call(lambda: self._leases.offer(lease))

    async def release(self, lease: Lease) -> None:
        """Give a lease up."""
        await self._call(lambda: self._leases.release(lease))

    async def is_vacant(self, group: str) -> bool:
        """Say whether a slot of a group could be taken."""
        return None in await self._occupants(group)

    async def is_read_elsewhere(self, group: str) -> bool:
        """Say whether another task that holds the group has said that it reads it."""
        return any(one is not None and one.holder != self.holder and one.ready for one in await self._occupants(group))

    async def twins(self, group: str) -> dict[int, str]:
        """Give the other holders of a group by their slots."""
        found = await self._occupants(group)
        return {slot: one.holder for slot, one in enumerate(found) if one is not None and one.holder != self.holder}

    async def _occupants(self, group: str) -> list[Occupant | None]:
        calls = [self._call(partial(self._leases.look, group, slot)) for slot in range(self._holders)]
        return await asyncio.gather(*calls)

    async def _call(self, call: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
