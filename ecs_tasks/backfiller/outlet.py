"""Sends on what the histories gave: records to trades-raw and dead letters, each awaited until accepted."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from ecs_tasks.backfiller.logs import log
from ecs_tasks.ingestor.aws_errors import CALL_ERRORS, error_code
from ecs_tasks.ingestor.dead_frames import MAX_BATCH, DeadFrame, Send
from ecs_tasks.ingestor.publisher import MAX_KEY_BYTES, Payload, Put
from ecs_tasks.shared.backoff import Backoff
from tickwire.columns import TradeBatch
from tickwire.envelope import MAX_RECORD_BYTES, encode
from tickwire.partitions import partition_of
from tickwire.payloads import encode_within
from tickwire.records import Finding, Header, Heartbeat, Notice, Record, RecordKind
from tickwire.venues.rate_budget import RateBudget, RateRules

MAX_TRADES = 5_000
"""Rows a record: small ones let live records of the partition pass between them."""
MAX_FINDINGS = 500
"""An evidence takes about 300 bytes."""
BACKOFF_SECONDS = (0.05, 5.0)
LOG_EVERY_SECONDS = 5.0


class Outlet:
    """Puts records one at a time per partition, in order, until accepted, and no faster than allowed.

    Parameters
    ----------
    put, send : the calls to Kinesis and SQS
    trades_per_second : over all partitions
    """

    def __init__(self, *, put: Put, send: Send, partitions: int, trades_per_second: int) -> None:
        self._put = put
        self._send = send
        self._partitions = partitions
        self._locks = [asyncio.Lock() for _ in range(partitions)]
        self._pace = RateBudget(RateRules(burst=min(MAX_TRADES, trades_per_second), per_second=trades_per_second))
        self._waiting: dict[object, float] = {}
        self._logged = 0.0
        self.records = 0
        """Records accepted."""
        self.retries = 0

    def stalled_seconds(self) -> float:
        """Give the age of the oldest call that is not accepted, 0 if there is none."""
        return time.monotonic() - min(self._waiting.values()) if self._waiting else 0.0

    async def trades(self, batch: TradeBatch) -> None:
        """Send trades of one symbol; returns when all were accepted."""
        instrument = batch.instruments[0]
        partition = partition_of(instrument.venue, instrument.symbol, self._partitions)
        for start in range(0, len(batch), MAX_TRADES):
            part = _rows(batch, start, start + MAX_TRADES)
            await asyncio.sleep(self._pace.reserve(time.monotonic_ns(), len(part)))
            await self._record(partition, trades=part)

    async def findings(self, findings: Sequence[Finding]) -> None:
        """Send findings of one symbol; returns when all were accepted."""
        for start in range(0, len(findings), MAX_FINDINGS):
            part = tuple(findings[start : start + MAX_FINDINGS])
            await self._record(partition_of(part[0].venue, part[0].symbol, self._partitions), findings=part)

    async def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Send a heartbeat; returns when it was accepted."""
        partition = partition_of(heartbeat.venue, heartbeat.symbol, self._partitions)
        await self._record(partition, heartbeats=(heartbeat,))

    async def notices(self, partition: int, notices: tuple[Notice, ...]) -> None:
        """Send notices of the venues of a partition; returns when they were accepted."""
        await self._record(partition, notices=notices)

    async def letters(self, frames: Sequence[DeadFrame]) -> None:
        """Send dead letters; returns when all were accepted."""
        for start in range(0, len(frames), MAX_BATCH):
            left = list(frames[start : start + MAX_BATCH])

            async def attempt(left: list[DeadFrame] = left) -> list[str]:
                codes = await self._send(left)
                failed = [(frame, code) for frame, code in zip(left, codes, strict=True) if code is not None]
                left[:] = [frame for frame, _ in failed]
                return [code for _, code in failed]

            await self._until_accepted(attempt, "dead letters")

    async def _record(
        self,
        partition: int,
        *,
        trades: TradeBatch | None = None,
        heartbeats: tuple[Heartbeat, ...] = (),
        notices: tuple[Notice, ...] = (),
        findings: tuple[Finding, ...] = (),
    ) -> None:
        created = time.time_ns()
        record = Record(
            header=Header(RecordKind.RAW, partition, created=created, hops=(("backfiller", created),)),
            trades=TradeBatch.empty() if trades is None else trades,
            heartbeats=heartbeats,
            notices=notices,
            findings=findings,
        )
        async with self._locks[partition]:
            for data, part in encode_within(record, MAX_RECORD_BYTES - MAX_KEY_BYTES, encode):
                payload = Payload(partition, data, part, time.monotonic())

                async def attempt(payload: Payload = payload) -> list[str]:
                    return [code for code in await self._put([payload]) if code is not None]

                await self._until_accepted(attempt, "records")
                self.records += 1

    async def _until_accepted(self, attempt: Callable[[], Awaitable[list[str]]], what: str) -> None:
        """Repeat an attempt, which gives the codes of what was not accepted, until it gives none."""
        base, cap = BACKOFF_SECONDS
        backoff = Backoff(base_seconds=base, cap_seconds=cap)
        token = object()
        self._waiting[token] = time.monotonic()
        try:
            while True:
                try:
                    codes = await attempt()
                except CALL_ERRORS as error:
                    codes = [error_code(error)]
                if not codes:
                    return
                self.retries += 1
                now = time.monotonic()
                if now - self._logged >= LOG_EVERY_SECONDS:
                    self._logged = now
                    log(logging.WARNING, f"{what} were not accepted and are retried", codes=sorted(set(codes)))
                await asyncio.sleep(backoff.next_seconds())
        finally:
            del self._waiting[token]


def _rows(batch: TradeBatch, start: int, stop: int) -> TradeBatch:
    return batch if len(batch) <= stop - start else batch.take(np.arange(start, min(stop, len(batch))))
