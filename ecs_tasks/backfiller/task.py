"""The task: looks at what is missing, lets each venue's lanes fill it, and stops them in order."""

import asyncio
import json
import logging
import signal
import sys
import time
from collections import Counter
from typing import Any

import valkey

from ecs_tasks.backfiller.budgets import NewBudget, common_budgets, own_budget
from ecs_tasks.backfiller.fetch import Fetcher
from ecs_tasks.backfiller.lane import Lane
from ecs_tasks.backfiller.logs import log
from ecs_tasks.backfiller.market import Market
from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.pause import Pause
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.backfiller.states import Sight, SymbolSight, ValidatorStates
from ecs_tasks.backfiller.tenure import Tenure
from ecs_tasks.backfiller.venue import Venue
from ecs_tasks.ingestor.dead_frames import Send
from ecs_tasks.ingestor.health import HealthServer
from ecs_tasks.ingestor.notices import NoticeBoard
from ecs_tasks.ingestor.publisher import Put
from ecs_tasks.shared.leases import Leases
from tickwire.venues.history import new_history

NOTICE = "backfill"
NOTICE_NS = 10_000_000_000
"""The same notice at most every 10 s."""
LATE_SECONDS = 60.0
"""Ids missing for longer are a reason to look."""
UNHEALTHY_SECONDS = 60.0
"""No look at the states came to an end, not even to an error: a restart may cure that."""


class BackfillerTask:
    """One task over all configured venues.

    Parameters
    ----------
    states : what the validator says
    put, send : the calls to Kinesis and SQS
    leases : who fills which venue; None where this task has no others beside it
    new_budget : gives the venues' budgets
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
    ) -> None:
        self.settings = settings
        self._states = states
        self._leases = leases
        self._new_budget = new_budget
        self._outlet = Outlet(
            put=put, send=send, partitions=settings.partitions, trades_per_second=settings.max_trades_per_second
        )
        self._notices = NoticeBoard(partitions=settings.partitions, interval=NOTICE_NS)
        self._pause = Pause()
        self._venues: dict[str, Venue] = {}
        self._markets: dict[tuple[str, str], Market] = {}
        self._lanes: dict[str, Lane] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._unserved: dict[tuple[str, str], int] = {}
        self._unreadable: dict[int, str] = {}
        self._blind = ""
        self._looked = time.monotonic()
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
                        *(group.create_task(venue.tenure.run()) for venue in self._venues.values()),
                    ]
                    await self._pause.until_stopped()
                    drained = await self._drain()
                    for task in [*background, *self._running]:
                        task.cancel()
        finally:
            await server.stop()
        return drained

    def stats_json(self) -> dict[str, Any]:
        """Give ``/stats``."""
        venues: dict[str, Any] = {
            name: {
                "held": venue.tenure.held,
                "trouble": venue.trouble,
                "unavailable": venue.stats.unavailable,
                "refused": venue.stats.refused,
                "rate_limited": venue.stats.rate_limited,
                "symbols": {},
            }
            for name, venue in self._venues.items()
        }
        fills = Counter((lane.venue, symbol) for lane in self._lanes.values() for symbol, _ in lane.turns.all())
        for (name, symbol), market in self._markets.items():
            venues[name]["symbols"][symbol] = market.stats.as_json(
                last_id=market.tail.last_id, missing=market.missing.count, fills=fills[name, symbol]
            )
        return {
            "scans": self.scans,
            "missing": sum(market.missing.count for market in self._markets.values()),
            "records": self._outlet.records,
            "put_retries": self._outlet.retries,
            "venues": venues,
        }

    def health(self) -> tuple[int, dict[str, Any]]:
        """Give ``/health``: 503 only for what a restart of the task might cure."""
        now = time.monotonic()
        unhealthy, degraded = [], []
        if now - self._looked >= UNHEALTHY_SECONDS:
            unhealthy.append(f"the validator's states were not looked at for {now - self._looked:.0f} s")
        if self._blind:
            degraded.append(f"the validator's states cannot be read: {self._blind}")
        degraded += [f"partition {p}: {reason}" for p, reason in sorted(self._unreadable.items())]
        degraded += [
            f"{v} {s}: {n} ids missing, and {v} has no history here" for (v, s), n in self._unserved.items() if n
        ]
        for name, one in self._venues.items():
            degraded += [f"{name}: {text}" for text in (one.trouble, one.tenure.trouble) if text]
        for (venue, symbol), market in self._markets.items():
            seconds = market.oldest_seconds(now)
            if seconds >= LATE_SECONDS:
                degraded.append(f"{venue} {symbol}: {market.missing.count} ids missing for up to {seconds:.0f} s")
        stalled = self._outlet.stalled_seconds()
        if stalled >= 5:
            degraded.append(f"a call to Kinesis or SQS waits to be accepted for {stalled:.0f} s")
        status = "unhealthy" if unhealthy else "degraded" if degraded else "ok"
        return (503 if unhealthy else 200), {"status": status, "reasons": unhealthy + degraded}

    def _open_venues(self, fetcher: Fetcher) -> None:
        for entry in self.settings.histories:
            history = new_history(entry.feed)
            self._venues[history.venue] = Venue(
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
                self._take(sight, group)
            self._looked = time.monotonic()
            await self._pause.sleep(self.settings.scan_seconds - (time.monotonic() - started))

    def _take(self, sight: Sight, group: asyncio.TaskGroup) -> None:
        now = time.monotonic()
        self._unreadable = dict(sight.unreadable)
        for (venue, symbol), seen in sight.symbols.items():
            if venue in self._venues:
                self._market(self._venues[venue], symbol, seen, group).observe(seen, now)
            else:
                self._unserved[venue, symbol] = seen.missing.count
        for lane in self._lanes.values():
            lane.scanned()

    def _market(self, venue: Venue, symbol: str, seen: SymbolSight, group: asyncio.TaskGroup) -> Market:
        market = self._markets.get((venue.name, symbol))
        if market is not None:
            return market
        settings = self.settings
        market = self._markets[venue.name, symbol] = Market(
            symbol,
            venue.history,
            stats=venue.stats.of(symbol),
            grace_seconds=settings.grace_seconds,
            tail_check_seconds=settings.tail_check_seconds,
            retry_seconds=settings.retry_seconds,
            max_retry_seconds=settings.max_retry_seconds,
        )
        key = venue.history.budget_key(symbol)
        if key not in self._lanes:
            lane = self._lanes[key] = Lane(
                key, venue, outlet=self._outlet, settle_seconds=settings.settle_seconds, pause=self._pause
            )
            self._running.add(group.create_task(lane.run()))
        self._lanes[key].markets[symbol] = market
        return market

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
        await asyncio.gather(*(venue.tenure.give_up() for venue in self._venues.values()))
        return not left

    def _post(self, venue: str, text: str) -> None:
        self._notices.post(venue, NOTICE, text, time=time.time_ns())


def say(event: dict[str, Any]) -> None:
    """Write a line of JSON to standard output."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


async def run_task(settings: BackfillerSettings) -> int:
    """Run the task against AWS until SIGTERM or SIGINT; gives the exit status, 1 if something was not sent on."""
    import secrets
    import socket

    from ecs_tasks.ingestor.aws import KinesisPut, SqsSend, client
    from lambdas.delivery.state import connect

    leases: Leases | None = None
    new_budget: NewBudget = own_budget
    if settings.coordination_table:
        dynamodb = client("dynamodb", connections=16)
        holder = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        leases = Leases(dynamodb, table=settings.coordination_table, holder=holder)
        new_budget = common_budgets(dynamodb, table=settings.coordination_table, address=settings.address)
    task = BackfillerTask(
        settings,
        states=ValidatorStates(connect(settings.state_url), partitions=settings.partitions),
        put=KinesisPut(
            client("kinesis", connections=8), stream=settings.raw_stream, partitions=settings.partitions, concurrency=8
        ),
        send=SqsSend(client("sqs", connections=4), queue_url=settings.frames_dlq_url, concurrency=4),
        leases=leases,
        new_budget=new_budget,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.stop)
    drained = await task.run()
    say({"event": "stopped", "stats": task.stats_json()})
    return 0 if drained else 1
