"""Records to Kinesis: one of a partition at a time, in order, until accepted, whatever it takes.

``PutRecords`` fails record by record without order. So a call carries at most one record of a
partition, and the next one of that partition goes after the first is accepted. Partitions do not
wait for each other: those of a slow call are left out of the next one.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ecs_tasks.ingestor.aws_errors import CALL_ERRORS, error_code
from ecs_tasks.ingestor.batcher import Batcher
from ecs_tasks.ingestor.logs import log
from ecs_tasks.ingestor.stats import PublishStats
from ecs_tasks.ingestor.traces import RecordTraces
from ecs_tasks.shared.backoff import Backoff
from tickwire.envelope import MAX_RECORD_BYTES, encode
from tickwire.payloads import encode_within
from tickwire.records import Record

MAX_CALL_BYTES = 4 * 1024 * 1024
"""Kinesis takes 5 MiB a call, keys included."""
MAX_CALL_RECORDS = 500
MAX_KEY_BYTES = 256
"""The partition key counts towards a record's size; ours are a few digits."""
BACKOFF_SECONDS = (0.05, 5.0)
LOG_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Payload:
    """One encoded record on its way."""

    partition: int
    data: bytes
    record: Record
    ready: float
    """Monotonic seconds when it was made."""


Put = Callable[[Sequence[Payload]], Awaitable[Sequence[str | None]]]
"""Sends payloads in one call; gives per payload None if accepted, else the error's code."""


@dataclass(slots=True)
class _Lane:
    """One partition's payloads that are not accepted yet, oldest first."""

    backoff: Backoff
    outbox: deque[Payload] = field(default_factory=deque)
    busy: bool = False
    retry_at: float = 0.0


class Publisher:
    """Takes records from the batcher, sends them and retries what was not accepted.

    ``accepted`` is called after each call that moved something, so that the host can let the
    sockets be read again. ``traces`` says which records are traced; None: none is.
    """

    def __init__(
        self,
        *,
        put: Put,
        batcher: Batcher,
        partitions: int,
        stats: PublishStats,
        accepted: Callable[[], None] = lambda: None,
        traces: RecordTraces | None = None,
        flush_seconds: float = 0.02,
        flush_rows: int = 4096,
        concurrency: int = 8,
        max_record_bytes: int = MAX_RECORD_BYTES - MAX_KEY_BYTES,
    ) -> None:
        base, cap = BACKOFF_SECONDS
        self._put = put
        self._batcher = batcher
        self._stats = stats
        self._accepted = accepted
        self._traces = traces
        self._flush_seconds = flush_seconds
        self._flush_rows = flush_rows
        self._concurrency = concurrency
        self._max_record_bytes = max_record_bytes
        self._lanes = [_Lane(Backoff(base_seconds=base, cap_seconds=cap)) for _ in range(partitions)]
        self._calls: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._first = 0
        self._logged = 0.0
        self.unaccepted_trades = 0
        """Trades in records that Kinesis has not accepted."""

    def added(self) -> None:
        """Say that rows came: a partition with a full batch goes at once, without awaiting the flush."""
        if not self._wake.is_set() and any(
            self._batcher.rows(p) >= self._flush_rows for p, lane in enumerate(self._lanes) if self._is_free(lane)
        ):
            self._wake.set()

    def stalled_seconds(self) -> float:
        """Give the age of the oldest record that is not accepted, 0 if there is none."""
        oldest = min((lane.outbox[0].ready for lane in self._lanes if lane.outbox), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def run(self, before_flush: Callable[[], None]) -> None:
        """Flush for ever, every ``flush_seconds`` or when a batch is full; ``before_flush`` brings in rows."""
        while True:
            try:
                async with asyncio.timeout(self._flush_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            before_flush()
            self._start_calls(final=False)
            self._check_calls()

    async def drain(self, seconds: float) -> bool:
        """Send all that the batcher holds; gives whether everything was accepted in that time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._start_calls(final=True)
            if self._calls:
                await asyncio.wait(self._calls, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
                self._check_calls()
            elif any(lane.outbox for lane in self._lanes):
                await asyncio.sleep(0.01)
            else:
                return True
        return False

    def _is_free(self, lane: _Lane) -> bool:
        return not lane.busy and time.monotonic() >= lane.retry_at

    def _start_calls(self, *, final: bool) -> None:
        while len(self._calls) < self._concurrency:
            payloads = self._gather(final=final)
            if not payloads:
                return
            task = asyncio.create_task(self._call(payloads))
            self._calls.add(task)

    def _check_calls(self) -> None:
        """Forget calls that are done; what such a task raised is a fault of the programme and goes up."""
        done = {task for task in self._calls if task.done()}
        self._calls -= done
        for task in done:
            task.result()

    def _gather(self, *, final: bool) -> list[Payload]:
        """Give at most one payload of each partition that is not waiting, within a call's limits."""
        now = time.monotonic_ns()
        payloads: list[Payload] = []
        size = 0
        partitions = len(self._lanes)
        for step in range(partitions):
            partition = (self._first + step) % partitions
            lane = self._lanes[partition]
            if not self._is_free(lane):
                continue
            if not lane.outbox and (final or self._batcher.is_due(partition, now)):
                self._fill(lane, partition, now=now, final=final)
            if not lane.outbox:
                continue
            if len(payloads) == MAX_CALL_RECORDS or size + len(lane.outbox[0].data) > MAX_CALL_BYTES:
                # The next call begins here, so that no partition is last for ever.
                self._first = partition
                break
            payloads.append(lane.outbox[0])
            size += len(lane.outbox[0].data)
            lane.busy = True
        return payloads

    def _fill(self, lane: _Lane, partition: int, *, now: int, final: bool) -> None:
        record = self._batcher.take(partition, now=now, created=time.time_ns(), final=final)
        if record is None:
            return
        if self._traces is not None:
            record = self._traces.sample(record)
        ready = time.monotonic()
        for data, part in encode_within(record, self._max_record_bytes, encode):
            lane.outbox.append(Payload(partition, data, part, ready))
        self.unaccepted_trades += len(record.trades)

    async def _call(self, payloads: list[Payload]) -> None:
        codes: Sequence[str | None]
        try:
            codes = await self._put(payloads)
        except CALL_ERRORS as error:
            codes = [error_code(error)] * len(payloads)
        now = time.monotonic()
        failures: dict[str, int] = {}
        for payload, code in zip(payloads, codes, strict=True):
            lane = self._lanes[payload.partition]
            lane.busy = False
            if code is None:
                lane.outbox.popleft()
                lane.backoff.reset()
                lane.retry_at = 0.0
                self.unaccepted_trades -= len(payload.record.trades)
                accepted = time.time_ns()
                self._stats.accepted(payload.record, len(payload.data), seconds=now - payload.ready, now=accepted)
                if self._traces is not None:
                    self._traces.accepted(payload.record, put=(payload.record.header.created, accepted))
            else:
                failures[code] = failures.get(code, 0) + 1
                lane.retry_at = now + lane.backoff.next_seconds()
                self._stats.retries += 1
        if failures and now - self._logged >= LOG_EVERY_SECONDS:
            self._logged = now
            log(logging.WARNING, "records were not accepted and are retried", codes=failures, of=len(payloads))
        if any(code is None for code in codes):
            self._accepted()
        if any(self._has_more(payload.partition) for payload in payloads):
            self._wake.set()

    def _has_more(self, partition: int) -> bool:
        lane = self._lanes[partition]
        return self._is_free(lane) and (bool(lane.outbox) or self._batcher.rows(partition) >= self._flush_rows)
