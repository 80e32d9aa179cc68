"""Whether this task is the one that fills a venue's gaps: a lease in DynamoDB, renewed while it is held."""

import asyncio
import logging
import time
from collections.abc import Callable

from ecs_tasks.backfiller.logs import log
from ecs_tasks.shared.leases import Lease, Leases
from ecs_tasks.shared.table import CoordinationUnavailable


class Tenure:
    """Holds the lease ``backfill#<venue>`` whenever it is to be had; without ``leases`` it is held for good.

    That two tasks fill for a moment (a lease lost without notice) does no harm: the validator knows
    repeats by their ids.
    """

    def __init__(self, venue: str, leases: Leases | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = f"backfill#{venue}"
        self._leases = leases
        self._clock = clock
        self._lease: Lease | None = None
        self._until = 0.0
        self._leaving = False
        self.trouble = ""
        """Why the lease could not be asked for, last time."""

    @property
    def held(self) -> bool:
        """Whether this task is to fill now."""
        return self._leases is None or (self._lease is not None and self._clock() < self._until)

    async def run(self) -> None:
        """Keep the lease for ever.

        Raises
        ------
        NoCoordinationTable
        """
        if self._leases is None:
            return
        while True:
            await self.check()
            await asyncio.sleep(self._leases.seconds / 3)

    async def check(self) -> None:
        """Renew the lease, or try to get it."""
        leases = self._leases
        if leases is None or self._leaving:
            return
        # The lease's time runs from before the call, as the store's does at the latest.
        started = self._clock()
        try:
            if self._lease is not None and not await asyncio.to_thread(leases.renew, self._lease):
                log(logging.WARNING, "lost the lease", name=self._name)
                self._lease = None
            if self._lease is None:
                self._lease = await asyncio.to_thread(leases.acquire, self._name)
                if self._lease is not None:
                    log(logging.INFO, "got the lease", name=self._name, token=self._lease.token)
            self._until = started + leases.seconds
            self.trouble = ""
        except CoordinationUnavailable as error:
            self.trouble = str(error)

    async def give_up(self) -> None:
        """Release the lease, so that another task need not wait for its end."""
        self._leaving = True
        lease, self._lease = self._lease, None
        if lease is not None and self._leases is not None:
            try:
                await asyncio.to_thread(self._leases.release, lease)
            except CoordinationUnavailable as error:
                log(logging.WARNING, "lease not released; it ends by itself", name=self._name, error=str(error))
