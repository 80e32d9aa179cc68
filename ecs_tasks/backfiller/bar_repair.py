"""Bar repair: bars that got late trades when they were final are recomputed from the lake.

The table `bar_repairs` is the only memory. A bar is read from a snapshot of the lake that holds the
record which asked for it, computed whole, and sent to trades-raw with a revision that grows with the
snapshot. Once the stream has it, the request is deleted, unless it was made anew meanwhile. Whatever
dies on the way, the request stays, and the same bar is computed and sent again: sinks keep the highest
revision. Two tasks at once do the work twice and harm nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from ecs_tasks.backfiller.bar_repair_bars import Repair, repaired_bars, repairs
from ecs_tasks.backfiller.bar_repair_lake import Lake, LakeSnapshot
from ecs_tasks.backfiller.bar_repair_plan import RepairRequest, RepairScan, plan_scans
from ecs_tasks.backfiller.bar_repair_requests import RepairRequests, Waiting
from ecs_tasks.backfiller.logs import LOGGER, log
from ecs_tasks.ingestor.aws_errors import CALL_ERRORS, error_code
from ecs_tasks.ingestor.publisher import Payload, Put
from ecs_tasks.shared.backoff import Backoff
from lambdas.lake_committer.lake_table import glue_catalog
from lambdas.postgres.database import Database, DatabaseSettings, connect
from tickwire.envelope import encode
from tickwire.records import LAKE_REVISION

POLL_SECONDS = 1.0
BUSY_SECONDS = 30.0
"""A symbol whose requests never become quiet is served after so long all the same."""
POSTPONED_SECONDS = 30.0
"""How long a request rests after its bar could not be computed."""
BACKOFF_SECONDS = (0.05, 5.0)


@dataclass(slots=True)
class BarRepairStats:
    """Totals since the start, for ``/stats``.

    Attributes
    ----------
    scans : reads of the lake
    bars : bars that trades-raw accepted
    empty : times that the lake had no trade of a bar that was asked for
    failures : scans and passes that failed and are tried again
    retries : times that trades-raw did not accept a record
    """

    scans: int = 0
    bars: int = 0
    empty: int = 0
    failures: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RepairPass:
    """What one look at the table found to do: scans of one snapshot."""

    snapshot: LakeSnapshot | None = None
    scans: list[RepairScan] = field(default_factory=list)


def new_bar_repairs(put: Put, *, database: DatabaseSettings, lake_database: str, lake_bucket: str) -> "BarRepairs":
    """Give a task's bar repair, with a connection and a Glue catalogue of its own; nothing is reached yet."""
    requests = RepairRequests(Database(lambda: connect(database)))
    return BarRepairs(requests, Lake(glue_catalog(), database=lake_database, bucket=lake_bucket), put)


class BarRepairs:
    """Takes requests from the table, and their bars from the lake to trades-raw.

    :meth:`plan`, :meth:`compute` and :meth:`answered` are synchronous, one call at a time; :meth:`run`
    calls them for ever from threads.

    Parameters
    ----------
    put : sends payloads to trades-raw
    now : monotonic seconds
    clock : ns UTC, for the headers of records
    """

    def __init__(
        self,
        requests: RepairRequests,
        lake: Lake,
        put: Put,
        *,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.stats = BarRepairStats()
        self._requests = requests
        self._lake = lake
        self._put = put
        self._now = now
        self._clock = clock
        self._busy_since: dict[tuple[str, str], float] = {}
        self._postponed: dict[RepairRequest, float] = {}

    async def run(self) -> None:
        """Repair bars until cancelled; failures are logged and what failed is tried again."""
        backoff = Backoff(base_seconds=POLL_SECONDS, cap_seconds=POSTPONED_SECONDS)
        while True:
            wait = POLL_SECONDS
            try:
                await self.run_pass()
                backoff.reset()
            except Exception:
                # Database or lake out of reach. Backfilling goes on without bars, and these wait.
                self.stats.failures += 1
                LOGGER.exception("bar repair failed and is tried again")
                wait = max(wait, backoff.next_seconds())
            if wait > POLL_SECONDS or not self._requests.more:
                await asyncio.sleep(wait)

    async def run_pass(self) -> None:
        """Serve one page of the table."""
        work = await asyncio.to_thread(self.plan)
        for scan in work.scans:
            try:
                found = await asyncio.to_thread(self.compute, work, scan)
            except Exception:
                # One unreadable file or symbol must not keep all others from their bars.
                self.stats.failures += 1
                self._postpone(scan.requests)
                LOGGER.exception("bars were not recomputed: %s %s", scan.venue, scan.symbol)
                continue
            for repair in found:
                await self._send(repair)
                await asyncio.to_thread(self.answered, repair)

    def plan(self) -> RepairPass:
        """Read a page of requests and decide which of them the lake can answer now."""
        chosen = [request for request in self._chosen(self._requests.page()) if not self._is_postponed(request)]
        if not chosen:
            return RepairPass()
        snapshot = self._lake.snapshot()
        held = [request for request in chosen if request.counter <= snapshot.counters.get(request.partition, 0)]
        return RepairPass(snapshot, plan_scans(held))

    def compute(self, work: RepairPass, scan: RepairScan) -> list[Repair]:
        """Recompute the bars of a scan.

        Raises
        ------
        UnreadableTrades, UnknownSymbol
        Exception
            Whatever reading S3 may raise.
        """
        if work.snapshot is None:
            raise ValueError("a pass without a snapshot has no scans")
        self.stats.scans += 1
        revision = LAKE_REVISION + work.snapshot.counters[scan.partition]
        bars = repaired_bars(work.snapshot.trades(scan), scan.requests, revision=revision)
        answers = [(request, bar) for request, bar in zip(scan.requests, bars, strict=True) if bar is not None]
        empty = [request for request, bar in zip(scan.requests, bars, strict=True) if bar is None]
        if empty:
            self._report_empty(empty)
        requests, found = [request for request, _ in answers], [bar for _, bar in answers]
        return repairs(requests, found, created=self._clock())

    def answered(self, repair: Repair) -> None:
        """Delete the requests of a record that trades-raw has accepted."""
        self._requests.delete(repair.requests)
        self.stats.bars += len(repair.requests)

    async def _send(self, repair: Repair) -> None:
        """Put a record until it is accepted."""
        base, cap = BACKOFF_SECONDS
        backoff = Backoff(base_seconds=base, cap_seconds=cap)
        payload = Payload(repair.record.header.partition, encode(repair.record), repair.record, self._now())
        while True:
            try:
                (code,) = await self._put([payload])
            except CALL_ERRORS as error:
                code = error_code(error)
            if code is None:
                return
            self.stats.retries += 1
            log(logging.WARNING, "recomputed bars were not accepted and are retried", code=code)
            await asyncio.sleep(backoff.next_seconds())

    def _chosen(self, page: list[Waiting]) -> Iterator[RepairRequest]:
        """Leave out what is still being asked for, unless its symbol has been so for long."""
        now = self._now()
        for symbol, group in groupby(page, key=lambda waiting: (waiting.request.venue, waiting.request.symbol)):
            of_symbol = list(group)
            patient = True
            if all(waiting.quiet for waiting in of_symbol):
                self._busy_since.pop(symbol, None)
            elif now - self._busy_since.setdefault(symbol, now) >= BUSY_SECONDS:
                del self._busy_since[symbol]
                patient = False
            yield from (waiting.request for waiting in of_symbol if waiting.quiet or not patient)

    def _is_postponed(self, request: RepairRequest) -> bool:
        until = self._postponed.get(request)
        if until is None:
            return False
        if self._now() < until:
            return True
        del self._postponed[request]
        return False

    def _postpone(self, requests: tuple[RepairRequest, ...] | list[RepairRequest]) -> None:
        now = self._now()
        # Those deleted by another task are never asked about again.
        self._postponed = {request: until for request, until in self._postponed.items() if until > now}
        self._postponed.update(dict.fromkeys(requests, now + POSTPONED_SECONDS))

    def _report_empty(self, requests: list[RepairRequest]) -> None:
        self.stats.empty += len(requests)
        self._postpone(requests)
        first = requests[0]
        log(
            logging.ERROR,
            "the lake has no trade of bars that it must hold; their requests stay",
            venue=first.venue,
            symbol=first.symbol,
            bars=len(requests),
            starts=[request.start for request in requests[:10]],
        )
