"""Kinesis event-source mappings as AWS documents them, for emulators whose own lose records.

The rules, from "Using AWS Lambda with Amazon Kinesis" in the Lambda developer guide:

- A shard's records go to the function in order, one batch at a time. A batch closes at
  ``batch_size`` records, at 6 MB of payload, or when the batching window has passed.
- A batch that fails (the invocation raised) is tried again until it succeeds, its records become
  older than ``maximum_record_age``, or ``maximum_retry_attempts`` are used up. With ``bisect`` it is
  halved and each half tried by itself; halving uses up no attempt.
- With ``ReportBatchItemFailures`` the lowest reported sequence number is the checkpoint: what lies
  before it is done, what follows from it on is tried again, and that is all the halving there is:
  a batch reported as failing at its first record comes again whole. An empty list is success; an
  item that names no record of the batch fails the whole batch, like an exception.
- Throttling is waited out and uses up no attempt.
- Records given up go, as the invocation's payload, to the on-failure destination in S3.
"""

import base64
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_MAX_BACKOFF_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSourceMapping:
    """The settings of one Kinesis mapping, in the units of CloudFormation.

    ``maximum_retry_attempts`` and ``maximum_record_age_seconds`` are -1 for no limit.
    ``on_failure_bucket`` is the name of the S3 bucket for records given up, or None.
    """

    function_name: str
    stream_name: str
    batch_size: int = 100
    maximum_batching_window_seconds: float = 0.0
    bisect: bool = False
    maximum_retry_attempts: int = -1
    maximum_record_age_seconds: int = -1
    report_batch_item_failures: bool = False
    on_failure_bucket: str | None = None
    starting_position: str = "TRIM_HORIZON"


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One record as GetRecords gives it; ``arrived`` is Unix seconds."""

    sequence_number: str
    partition_key: str
    data: bytes
    arrived: float


class Invocation(Protocol):
    """Calls the function; gives (function error or None, response). Raises Throttled to be asked again."""

    def __call__(self, event: Mapping[str, Any]) -> tuple[str | None, Any]: ...


class Throttled(Exception):
    """The function had no free concurrency, or the service none: try again later."""


@dataclass(slots=True)
class MappingStatistics:
    """What a mapping did so far, over all shards; ``running`` counts the invocations under way."""

    records: int = 0
    invocations: int = 0
    running: int = 0
    errors: int = 0
    retried_records: int = 0
    given_up: int = 0
    last_error: str = ""
    seconds_invoking: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **counts: float) -> None:
        """Add to the named counters."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class ShardDelivery:
    """Delivers one shard's batches to one function, by the rules above. Knows no AWS client."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        *,
        shard_id: str,
        invoke: Invocation,
        give_up: Callable[[Sequence[StreamRecord], Mapping[str, Any]], None],
        stopping: threading.Event,
        statistics: MappingStatistics,
        region: str = "us-east-1",
        first_backoff_seconds: float = 0.05,
    ) -> None:
        self._mapping = mapping
        self._shard_id = shard_id
        self._invoke = invoke
        self._give_up = give_up
        self._stopping = stopping
        self._statistics = statistics
        self._region = region
        self._first_backoff = first_backoff_seconds

    def deliver(self, batch: Sequence[StreamRecord]) -> bool:
        """Deliver a batch to its end: done, or given up. False if stopped before that."""
        # A stack of what is still to do, first part on top, so that order holds while halving.
        parts: list[tuple[Sequence[StreamRecord], int]] = [(batch, 0)]
        backoff = self._first_backoff
        while parts:
            if self._stopping.is_set():
                return False
            part, attempts = parts.pop()
            expired = self._expired(part)
            if expired:
                self._abandon(part[:expired], "RecordAgeExceeded", attempts)
                part = part[expired:]
                if not part:
                    continue
            failed_from, error, raised = self._try(part)
            if failed_from is None:
                backoff = self._first_backoff
                continue
            if failed_from > 0:
                # Progress was made; what is left starts afresh.
                parts.append((part[failed_from:], 0))
                continue
            self._statistics.add(errors=1, retried_records=len(part))
            self._statistics.last_error = error[:500]
            if raised and self._mapping.bisect and len(part) > 1:
                half = len(part) // 2
                parts.append((part[half:], attempts))
                parts.append((part[:half], attempts))
                self._stopping.wait(self._first_backoff)
                continue
            limit = self._mapping.maximum_retry_attempts
            if 0 <= limit <= attempts:
                self._abandon(part, "RetryAttemptsExhausted", attempts + 1)
                continue
            parts.append((part, attempts + 1))
            self._stopping.wait(backoff * random.uniform(0.5, 1.0))  # noqa: S311 (jitter, no secret)
            backoff = min(backoff * 2, _MAX_BACKOFF_SECONDS)
        return True

    def _try(self, part: Sequence[StreamRecord]) -> tuple[int | None, str, bool]:
        """Invoke once. Gives (index of the first record to try again or None, why, whether it raised)."""
        event = {"Records": [self._event_record(record) for record in part]}
        while True:
            started = time.monotonic()
            self._statistics.add(running=1)
            try:
                error, response = self._invoke(event)
            except Throttled:
                if self._stopping.wait(0.1):
                    return 0, "stopping", False
                continue
            finally:
                self._statistics.add(running=-1)
            self._statistics.add(invocations=1, seconds_invoking=time.monotonic() - started)
            break
        if error is not None:
            return 0, error, True
        if not self._mapping.report_batch_item_failures:
            return None, "", False
        failures = (response or {}).get("batchItemFailures") or []
        if not failures:
            return None, "", False
        positions = {record.sequence_number: k for k, record in enumerate(part)}
        named = [positions.get(failure.get("itemIdentifier")) for failure in failures]
        if any(position is None for position in named):
            return 0, "batchItemFailures names no record of the batch", True
        lowest = min(position for position in named if position is not None)
        return lowest, f"batchItemFailures from record {lowest} of {len(part)}", False

    def _expired(self, part: Sequence[StreamRecord]) -> int:
        limit = self._mapping.maximum_record_age_seconds
        if limit < 0:
            return 0
        oldest = time.time() - limit
        return sum(1 for record in part if record.arrived < oldest)

    def _abandon(self, part: Sequence[StreamRecord], condition: str, attempts: int) -> None:
        self._statistics.add(given_up=len(part))
        self._give_up(
            part,
            {
                "requestContext": {
                    "requestId": str(uuid.uuid4()),
                    "functionArn": self._mapping.function_name,
                    "condition": condition,
                    "approximateInvokeCount": attempts,
                },
                "version": "1.0",
                "KinesisBatchInfo": {
                    "shardId": self._shard_id,
                    "startSequenceNumber": part[0].sequence_number,
                    "endSequenceNumber": part[-1].sequence_number,
                    "batchSize": len(part),
                    "streamArn": self._mapping.stream_name,
                },
                "payload": json.dumps({"Records": [self._event_record(record) for record in part]}),
            },
        )

    def _event_record(self, record: StreamRecord) -> dict[str, Any]:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.partition_key,
                "sequenceNumber": record.sequence_number,
                "data": base64.b64encode(record.data).decode(),
                "approximateArrivalTimestamp": record.arrived,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self._shard_id}:{record.sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/local",
            "awsRegion": self._region,
            "eventSourceARN": f"arn:aws:kinesis:{self._region}:000000000000:stream/{self._mapping.stream_name}",
        }


class Batcher:
    """Cuts a shard's records into batches by count, payload bytes and window."""

    def __init__(self, *, batch_size: int, window_seconds: float) -> None:
        self._batch_size = batch_size
        self._window = window_seconds
        self._waiting: list[StreamRecord] = []
        self._opened = 0.0

    def add(self, records: Sequence[StreamRecord], now: float) -> None:
        """Take records read at ``now`` (monotonic seconds)."""
        if records and not self._waiting:
            self._opened = now
        self._waiting.extend(records)

    @property
    def waiting(self) -> int:
        """How many records wait for a batch."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether a batch can be cut without regard to the window."""
        return self._cut() < len(self._waiting) or len(self._waiting) >= self._batch_size

    def take(self, now: float, *, flush: bool = False) -> list[StreamRecord]:
        """Give the next batch if one is due, else an empty list."""
        if not self._waiting or not (flush or self.full or now - self._opened >= self._window):
            return []
        count = self._cut()
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._opened = now
        return batch

    def _cut(self) -> int:
        total = 0
        for count, record in enumerate(self._waiting[: self._batch_size]):
            total += len(record.data) * 4 // 3 + 400
            if total > MAX_PAYLOAD_BYTES and count:
                return count
        return min(len(self._waiting), self._batch_size)
