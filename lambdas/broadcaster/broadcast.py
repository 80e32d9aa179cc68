"""Takes event records to everyone who listens, in as few messages as possible.

A screen is not a store: nothing here fails the batch. A message that cannot be posted is dropped and
counted; what it said is in the next update or the next snapshot.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.broadcaster.conflation import Said
from lambdas.broadcaster.last_values_table import LastValuesTable
from lambdas.broadcaster.latency import HERE, Latencies, LatencyReport
from lambdas.broadcaster.messages import ANY_SYMBOL
from lambdas.broadcaster.partition import Numbered, Partition
from lambdas.broadcaster.replay_log import ReplayLog
from lambdas.broadcaster.replay_rows import Block, Checkpoint
from lambdas.broadcaster.roll_up import RollUp
from lambdas.broadcaster.screens import Screens
from lambdas.broadcaster.value import Value
from lambdas.broadcaster.values import values_of
from lambdas.delivery.event import StreamInput, decode_event, decode_input, inputs_by_partition, unbundled
from lambdas.delivery.tracing import RecordSegments
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Header, Record, RecordKind

MINUTES_READ = 6_000
"""Bars of a minute that are read for a partition in one invocation: an hour of a hundred symbols."""

_log = Logger()
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class BroadcastCounts:
    """What one invocation did, for metrics; ``latency`` where a report of it was due."""

    records: int = 0
    repeats: int = 0
    damaged: int = 0
    values: int = 0
    messages: int = 0
    dropped: int = 0
    gone: int = 0
    throttled: int = 0
    rows_stored: int = 0
    not_logged: int = 0
    jumps: int = 0
    iterator_age_ms: float = 0.0
    latency: LatencyReport | None = None


@dataclass(slots=True)
class _Taken:
    """What an invocation's records say, numbered, and what is to be logged of it."""

    numbered: list[tuple[int, Numbered]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)


class Broadcast:
    """Runs for every market-events event that the function is invoked with."""

    def __init__(
        self,
        screens: Screens,
        log: ReplayLog,
        table: LastValuesTable,
        *,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screens = screens
        self._log = log
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self._partitions: dict[int, Partition] = {}
        self._latencies = Latencies()
        self._segments = RecordSegments(HERE)

    def run(self, event: Mapping[str, Any]) -> BroadcastCounts:
        """Log and send what the event's records say, then store the last values that are due."""
        began = self._clock()
        counts = BroadcastCounts()
        traced: list[Header] = []
        inputs = unbundled(decode_event(event))
        taken = _Taken()
        for source, group in inputs_by_partition(inputs).items():
            for records in self._new(source, group, counts):
                traced += [record.header for record in records if record.header.trace is not None]
                self._number(source, records, taken, counts)
        # Before anything is posted: what a client misses of it must be there.
        counts.not_logged = self._log.write(taken.blocks, taken.checkpoints.items())
        for source, numbered in taken.numbered:
            self._screens.add(source, numbered)
            counts.values += len(numbered.said)
        now = self._clock()
        counts.latency = self._latencies.report(now=now)
        if counts.latency is not None:
            data = counts.latency.data
            self._screens.add_unnumbered(("health", ANY_SYMBOL), Said(0, 1, data.order, msgspec.Raw(_encode(data))))
            counts.values += 1
        delivered = self._screens.flush()
        counts.messages, counts.dropped, counts.gone = delivered.posted, delivered.dropped, delivered.gone
        counts.throttled = delivered.throttled
        self._segments.send(traced, work=(began, self._clock()))
        self._store(counts)
        if inputs:
            counts.iterator_age_ms = max(0.0, (now - inputs[-1].arrival) / 1e6)
        return counts

    def _new(self, source: int, inputs: Iterable[StreamInput], counts: BroadcastCounts) -> list[list[Record]]:
        """Decode a partition's inputs and leave out repeats; gives records that follow each other, run by run."""
        runs: list[list[Record]] = []
        partition = self._partitions.get(source)
        last = None if partition is None else partition.last
        for item in inputs:
            try:
                record = decode_input(item, kind=RecordKind.EVENTS)
            except (DamagedRecord, UnknownRecordVersion) as error:
                # The store's writer stops at this record; stopping the screens too would help nobody.
                _log.error("record left out", sequence_number=item.sequence_number, reason=str(error))
                counts.damaged += 1
                continue
            counter = record.header.counter
            if last is not None and counter <= last:
                counts.repeats += 1
                continue
            if not runs or counter != runs[-1][-1].header.counter + 1:
                runs.append([])
            runs[-1].append(record)
            last = counter
            self._latencies.add(record, now=self._clock())
        return runs

    def _number(self, source: int, records: list[Record], taken: _Taken, counts: BroadcastCounts) -> None:
        first = records[0].header.counter
        seconds = self._clock() // 1_000_000_000
        partition = self._partitions.get(source)
        if partition is None or first != partition.last + 1:
            # Another process had the records between: what is remembered here is out of date.
            self._screens.drop(source)
            recovered = self._log.recover(source, before=first)
            counts.jumps += not recovered.whole
            partition = self._partitions[source] = Partition(source, recovered, last=first - 1)
        checkpoint = partition.checkpoint(self._monotonic(), time=seconds)
        if checkpoint is not None:
            taken.checkpoints[source] = checkpoint
        values = values_of(records, partition=source)
        numbered = partition.number(records, [*values, *self._rolled_up(partition.roll_up, values)], time=seconds)
        taken.blocks.append(partition.block(first, numbered))
        taken.numbered += [(source, one) for one in numbered]
        counts.records += len(records)

    def _rolled_up(self, roll_up: RollUp, values: Sequence[Value]) -> list[Value]:
        """Give the longer bars after these values; those whose minutes cannot be read now come with a later record."""
        roll_up.take(values)
        unread = roll_up.unread(MINUTES_READ)
        if unread:
            try:
                roll_up.continue_from(self._table.read(unread))
            except (BotoCoreError, ClientError) as error:
                _log.warning("bars of a minute not read", reason=str(error))
        return roll_up.values()

    def _store(self, counts: BroadcastCounts) -> None:
        now = self._monotonic()
        try:
            for partition in self._partitions.values():
                unread = partition.values.unread()
                if unread:
                    partition.values.continue_from(self._table.read(unread))
            rows = {source: partition.values.due(now) for source, partition in self._partitions.items()}
            lost = self._table.write(rows)
            for source, places in lost.items():
                self._partitions[source].values.not_stored(places)
            stored = [row for some in rows.values() for row in some]
            self._table.name_symbols((row.place.topic, row.place.symbol) for row in stored)
            counts.rows_stored = len(stored) - sum(map(len, lost.values()))
        except (BotoCoreError, ClientError) as error:
            _log.warning("last values not stored", reason=str(error))
