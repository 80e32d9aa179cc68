"""One invocation: its records' rows and the partitions' checkpoints in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from lambdas.delivery.event import BatchResponse, DecodedEvent, DecodedInput, failed, records_by_partition
from lambdas.postgres.database import Connection, Database
from lambdas.store_writer import conclusion_rows, rows
from lambdas.store_writer.changes import Changes, changes_of
from lambdas.store_writer.conclusions import times_of
from lambdas.store_writer.moments import month_of
from tickwire.counters import CounterCursor
from tickwire.errors import CounterJump, TickwireError
from tickwire.records import Header, Record, RecordKind

SINK = "store_writer"

_CREATE_CHECKPOINTS = """
INSERT INTO stream_checkpoints (sink, partition, counter)
SELECT %s, partition, 0 FROM unnest(%s::int[]) AS partition ORDER BY partition
ON CONFLICT DO NOTHING
"""
# In order of partition, so that two invocations that share some never wait for each other in a ring.
_LOCK_CHECKPOINTS = """
SELECT partition, counter FROM stream_checkpoints
WHERE sink = %s AND partition = ANY(%s::int[]) ORDER BY partition FOR UPDATE
"""
_ADVANCE_CHECKPOINT = """
UPDATE stream_checkpoints SET counter = %s, source = %s, updated_at = now() WHERE sink = %s AND partition = %s
"""


@dataclass(slots=True)
class WriteResult:
    """What an invocation did.

    Attributes
    ----------
    records : records stored now
    repeats : records that were stored before
    changes : what the stored ones changed
    traced : headers of the stored ones that a trace follows
    failures : sequence number of a partition's first record that cannot be stored → why
    """

    records: int = 0
    repeats: int = 0
    changes: Changes = field(default_factory=Changes)
    traced: list[Header] = field(default_factory=list)
    failures: dict[str, TickwireError] = field(default_factory=dict)

    @property
    def response(self) -> BatchResponse:
        """What Lambda is told."""
        return failed(self.failures)


class StoreWriter:
    """Writes events through one kept connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._months: set[datetime] = set()
        self._conclusion_months: set[datetime] = set()

    def write_event(self, event: Mapping[str, Any]) -> WriteResult:
        """Store a Kinesis event's records, each once however often it comes.

        A partition with a jump, or a record that cannot be read, is stored up to there and reported.

        Raises
        ------
        psycopg.Error
            If the database fails; nothing was stored then, and the whole batch must come again.
        """
        decoded = records_by_partition(event, kind=RecordKind.EVENTS)
        self._ensure_months(decoded)
        result = self._database.run(lambda connection: _store(connection, decoded.partitions))
        result.failures.update(decoded.undecodable)
        return result

    def _ensure_months(self, decoded: DecodedEvent) -> None:
        """Create the tables' missing months, apart from the main transaction, which it would lock out."""
        records = [item.record for inputs in decoded.partitions.values() for item in inputs]
        for month in rows.months(bar for record in records for bar in record.bars) - self._months:
            self._database.run(partial(rows.ensure_partition, month=month))
            self._months.add(month)
        concluded = {month_of(time) for record in records for time in times_of(record)}
        for month in concluded - self._conclusion_months:
            self._database.run(partial(conclusion_rows.ensure_partitions, month=month))
            self._conclusion_months.add(month)


def _store(connection: Connection, partitions: Mapping[int, list[DecodedInput]]) -> WriteResult:
    result = WriteResult()
    if not partitions:
        return result
    fresh: list[Record] = []
    for partition, stored in _lock(connection, sorted(partitions)).items():
        cursor = CounterCursor(partition, stored)
        source = "0"
        for item in partitions[partition]:
            try:
                admitted = cursor.admit(item.record.header.counter)
            except CounterJump as jump:
                result.failures[item.input.sequence_number] = jump
                break
            if admitted:
                fresh.append(item.record)
                source = item.record.header.source
            else:
                result.repeats += 1
        if cursor.last > stored:
            connection.execute(_ADVANCE_CHECKPOINT, [cursor.last, int(source), SINK, partition])
    result.records = len(fresh)
    result.traced = [record.header for record in fresh if record.header.trace is not None]
    result.changes = changes_of(fresh)
    rows.write(connection, result.changes)
    return result


def _lock(connection: Connection, partitions: list[int]) -> dict[int, int]:
    connection.execute(_CREATE_CHECKPOINTS, [SINK, partitions])
    return dict(connection.execute(_LOCK_CHECKPOINTS, [SINK, partitions]).fetchall())
