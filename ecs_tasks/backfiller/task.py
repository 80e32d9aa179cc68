"""The task: looks at what is missing, lets each venue's lanes fill it, and stops them in order."""

import asyncio
import json
import logging
import sys
import time
from dataclasses import asdict
from typing import Any, Protocol

import valkey

from ecs_tasks.backfiller.budgets import NewBudget, own_budget
from ecs_tasks.backfiller.fetch import Fetcher
from ecs_tasks.backfiller.logs import log
from ecs_tasks.backfiller.metrics import SERVICE, BackfillerMetrics, Standing
from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.pause import Pause
from ecs_tasks.backfiller.roster import Roster
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.backfiller.states import ValidatorStates
from ecs_tasks.backfiller.tenure import Tenure
from ecs_tasks.backfiller.venue import Venue
from ecs_tasks.backfiller.window import FillMinutes
from ecs_tasks.ingestor.dead_frames import Send
from ecs_tasks.ingestor.health import HealthServer
from ecs_tasks.ingestor.notices import NoticeBoard
from ecs_tasks.ingestor.publisher import Put
from ecs_tasks.shared.leases import Leases
from ecs_tasks.shared.metrics import LoopWatch, MetricsReport, VenueMetrics
from tickwire.venues.history import new_history

NOTICE = "backfill"
NOTICE_NS = 10_000_000_000
"""The same notice at most every 10 s."""
UNHEALTHY_SECONDS = 60.0
"""No look at the states came to an end, not even to an error: a restart may cure that."""


class Companion(Protocol):
    """Something that runs until it is cancelled, with a dataclass of counts."""

    stats: Any

    async def run(self) -> None:
        """Work for ever."""


class BackfillerTask:
    """One task over all configured venues.

    Parameters
    ----------
    states : what the validator says
    put, send : the calls to Kinesis and SQS
    leases : who fills which venue; None where this task has no others beside it
    new_budget : gives the venues' budgets
    fill_minutes : keeps the minutes that predictions are made from; None where nobody predicts
    companion : works beside the fills while the task runs (bar repair)
    """

    def __init__(
        self,
        settings: BackfillerSettings,
        *,
        states: ValidatorStates,
        put: Put,
        send: Send,
        leases: Leases | None = None,
        new_budget: NewBudget = own_budget,
        fill_minutes: FillMinutes | None = None,
        companion: Companion | None = None,
    ) -> None:
        self.settings = settings
        self._states = states
        self._leases = leases
        self._new_budget = new_budget
        self._companion = companion
        self._outlet = Outlet(
            put=put, send=send, partitions=settings.partitions, trades_per_second=settings.max_trades_per_second
        )
        self._notices = NoticeBoard(partitions=settings.partitions, interval=NOTICE_NS)
        self._pause = Pause()
        self._roster = Roster(settings, outlet=self._outlet, pause=self._pause, fill_minutes=fill_minutes)
        self._running: set[asyncio.Task[None]] = set()
        self._blind = ""
        self._looked = time.monotonic()
        self._loop_watch = LoopWatch()
        self._metrics = BackfillerMetrics()
        self._report = MetricsReport(service=SERVICE, seconds=settings.metrics_seconds, look=self._metrics_now)
        self.scans = 0
        self.port = 0
        """Where ``/health`` and ``/stats`` listen, once the task runs."""

    def stop(self) -> None:
        """Ask :meth:`run` to finish what it is sending on, and to return."""
        self._pause.stop()

    async def run(self) -> bool:
        """Fill until asked to stop; gives whether all that was fetched was sent on.

        Raises
        ------
        ExceptionGroup
            If a part of the task failed by a fault of the programme, or there is no coordination table.
        """
        server = HealthServer({"/health": self.health, "/stats": lambda: (200, self.stats_json())})
        self.port = await server.start(self.settings.health_host, self.settings.health_port)
        say({"event": "listening", "port": self.port})
        drained = False
        try:
            async with Fetcher(timeout_seconds=self.settings.request_timeout_seconds) as fetcher:
                self._open_venues(fetcher)
                async with asyncio.TaskGroup() as group:
                    background = [
                        group.create_task(self._look_for_ever(group)),
                        group.create_task(self._send_notices()),
                        *(group.create_task(venue.tenure.run()) for venue in self._roster.venues.values()),
                    ]
                    if self.settings.metrics_seconds:
                        background.append(group.create_task(self._loop_watch.run()))
                        background.append(group.create_task(self._report.run()))
                    if self._companion is not None:
                        background.append(group.create_task(self._companion.run()))
                    await self._pause.until_stopped()
                    drained = await self._drain()
                    for task in [*background, *self._running]:
                        task.cancel()
                    if self.settings.metrics_seconds:
                        self._report.report()
        finally:
            await server.stop()
        return drained

    def stats_json(self) -> dict[str, Any]:
        """Give ``/stats``."""
        return {
            "scans": self.scans,
            "missing": self._roster.missing(),
            "records": self._outlet.records,
            "put_retries": self._outlet.retries,
            "venues": self._roster.as_json(),
            "bar_repairs": None if self._companion is None else asdict(self._companion.stats),
        }

    def health(self) -> tuple[int, dict[str, Any]]:
        """Give ``/health``: 503 only for what a restart of the task might cure."""
        blind = time.monotonic() - self._looked
        unhealthy = [f"the validator's states were not looked at for {blind:.0f} s"] * (blind >= UNHEALTHY_SECONDS)
        degraded = [f"the validator's states cannot be read: {self._blind}"] if self._blind else []
        degraded += self._roster.complaints()
        stalled = self._outlet.stalled_seconds()
        if stalled >= 5:
            degraded.append(f"a call to Kinesis or SQS waits to be accepted for {stalled:.0f} s")
        status = "unhealthy" if unhealthy else "degraded" if degraded else "ok"
        return (503 if unhealthy else 200), {"status": status, "reasons": unhealthy + degraded}

    def _metrics_now(self) -> VenueMetrics:
        seen = self.scans > 0 and not self._blind
        return self._metrics.look(
            Standing(
                stats={name: venue.stats for name, venue in self._roster.venues.items()},
                missing=self._roster.missing_by_venue() if seen else None,
                stalled_seconds=self._outlet.stalled_seconds(),
                loop=tuple(self._loop_watch.take()),
            )
        )

    def _open_venues(self, fetcher: Fetcher) -> None:
        for entry in self.settings.histories:
            history = new_history(entry.feed)
            self._roster.venues[history.venue] = Venue(
                entry.feed,
                history,
                url=entry.url or history.default_url,
                fetcher=fetcher,
                tenure=Tenure(history.venue, self._leases),
                new_budget=self._new_budget,
                post=self._post,
            )

    async def _look_for_ever(self, group: asyncio.TaskGroup) -> None:
        while not self._pause.stopping:
            started = time.monotonic()
            try:
                sight = await asyncio.to_thread(self._states.look)
            except (valkey.ValkeyError, OSError) as error:
                if not self._blind:
                    log(logging.WARNING, "the validator's states cannot be read", error=str(error))
                self._blind = f"{type(error).__name__}: {error}"[:300]
            else:
                self._blind = ""
                self.scans += 1
                for lane in self._roster.take(sight):
                    self._running.add(group.create_task(lane.run()))
            self._looked = time.monotonic()
            await self._pause.sleep(self.settings.scan_seconds - (time.monotonic() - started))

    async def _send_notices(self) -> None:
        while True:
            now = time.monotonic_ns()
            for partition in range(self.settings.partitions):
                notices = self._notices.take(partition, now)
                if notices:
                    await self._outlet.notices(partition, notices)
            await asyncio.sleep(1.0)

    async def _drain(self) -> bool:
        """Let the lanes send on what they have fetched, within the time allowed, and give up the leases."""
        log(logging.INFO, "stopping")
        left: set[asyncio.Task[None]] = set()
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=self.settings.drain_seconds)
        if left:
            log(logging.ERROR, "stopped before all that was fetched was sent on; it will be fetched again")
        await asyncio.gather(*(venue.tenure.give_up() for venue in self._roster.venues.values()))
        return not left

    def _post(self, venue: str, text: str) -> None:
        self._notices.post(venue, NOTICE, text, time=time.time_ns())


def say(event: dict[str, Any]) -> None:
    """Write a line of JSON to standard output."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()
