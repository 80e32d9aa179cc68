"""Runs a pure stage over the records of an invocation, exactly once in effect.

For each logical partition: load its state → process its records → put the outputs in order → send
dead letters → save the state by compare-and-set. A crash anywhere repeats the partition from the
saved state and gives the same outputs with the same counters, which the next stage skips. A late
twin of an invocation loses the compare-and-set and stops.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic

import valkey
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.delivery.dead_letters import DeadLetterQueue, DeadLettersNotAccepted, record_letter
from lambdas.delivery.event import (
    FOREIGN_PARTITION,
    BatchResponse,
    StreamInput,
    decode_event,
    decode_input,
    failed,
    inputs_by_partition,
    unbundled,
)
from lambdas.delivery.output import OutputStream
from lambdas.delivery.partition_work import PartitionWork, StageCounts
from lambdas.delivery.retrying import Remaining
from lambdas.delivery.state import PartitionState, PartitionStates
from lambdas.delivery.tracing import RecordSegments
from tickwire.errors import DamagedRecord, TickwireError, UnknownRecordVersion
from tickwire.records import Record, RecordKind
from tickwire.stages.stage import Stage, State

MAX_LETTERS = 50_000
"""Dead letters of one invocation, a fourth of its time at 4,000 a second; what follows comes again.

Without a bound, a batch with more of them than can be sent in time would come again whole for ever:
Lambda halves a batch that raised, but not one whose first record is reported as failed.
"""

_log = Logger()


class TooManyLetters(TickwireError):
    """An invocation has as many dead letters as it may send."""


class StreamStage(Generic[State]):
    """Runs one stage for every event that its function is invoked with.

    Parameters
    ----------
    stage : the pure logic
    input_kind : which stream it reads. On trades-raw the Kinesis sequence number orders a
        partition's inputs, and an unreadable record goes to the dead letters; after it the record's
        own dense counter does, and an unreadable record stops its partition, as it may not be skipped.
    dead_letters : where quarantined rows and unreadable records go; None for a stage that has none
    saved : is told each output once it was put and the state after it was saved
    """

    def __init__(
        self,
        stage: Stage[State],
        *,
        input_kind: RecordKind,
        states: PartitionStates[State],
        output: OutputStream,
        dead_letters: DeadLetterQueue | None = None,
        saved: Callable[[Record], None] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        stage.prepare()
        self._stage = stage
        self._input_kind = input_kind
        self._states = states
        self._output = output
        self._dead_letters = dead_letters
        self._saved = saved
        self._clock = clock
        self._segments = RecordSegments(stage.name)

    def run(self, event: Mapping[str, Any], *, remaining: Remaining) -> tuple[BatchResponse, StageCounts]:
        """Process a Kinesis event; give what to retry, and the counts for metrics.

        ``remaining`` gives the seconds left to the invocation; retries stop before it is used up.
        """
        began = self._clock()
        inputs = decode_event(event)
        groups = inputs_by_partition(inputs if self._input_kind is RecordKind.RAW else unbundled(inputs))
        try:
            states = self._states.load(partition for partition in groups if partition != FOREIGN_PARTITION)
        except valkey.ValkeyError as error:
            works = [PartitionWork[State](inputs) for inputs in groups.values()]
            _abandon(works, error)
        else:
            works = []
            room = MAX_LETTERS
            for partition, inputs in groups.items():
                works.append(self._advance(inputs, states.get(partition), room))
                room -= len(works[-1].letters)
            put = self._clock()
            self._put(works, remaining)
            accepted = self._clock()
            self._send_letters(works, remaining)
            self._save(works)
            if self._saved is not None:
                for output in (output for work in works if not work.abandoned for output in work.outputs):
                    self._saved(output)
            traced = [header for work in works if not work.abandoned for header in work.traced]
            self._segments.send(traced, work=(began, self._clock()), put=(put, accepted))
        return failed(work.failed_at for work in works if work.failed_at is not None), self._counts(works)

    def _advance(
        self, inputs: Sequence[StreamInput], held: PartitionState[State] | None, room: int
    ) -> PartitionWork[State]:
        """Process a partition's inputs up to the first that cannot be, or until ``room`` letters are full."""
        work = PartitionWork(inputs, held)
        for position, item in enumerate(inputs):
            if len(work.letters) >= room:
                work.stop(item, TooManyLetters(f"{MAX_LETTERS} dead letters are enough for one invocation"))
                break
            try:
                record = decode_input(item, kind=self._input_kind)
            except (DamagedRecord, UnknownRecordVersion) as error:
                if self._input_kind is RecordKind.RAW:
                    work.divert(record_letter(item, error))
                    continue
                work.stop(item, error)
                break
            assert held is not None, "decode_input lets no record of a foreign partition through"  # noqa: S101
            source = item.source if self._input_kind is RecordKind.RAW else record.header.counter
            try:
                output = self._stage.process(held.state, record, source)
            except Exception as error:
                # Whatever it is, the other partitions go on. The record may be half applied, so
                # what came before it is done again from the state as it was loaded.
                work = self._advance(inputs[:position], self._states.rewound(held), room)
                work.inputs = inputs
                work.stop(item, error)
                break
            work.add(record, output)
        return work

    def _put(self, works: Iterable[PartitionWork[State]], remaining: Remaining) -> None:
        outputs = {work.held.partition: work for work in works if work.held is not None and work.outputs}
        try:
            refused = self._output.put(
                {partition: work.outputs for partition, work in outputs.items()},
                stage=self._stage.name,
                remaining=remaining,
            )
        except (BotoCoreError, ClientError) as error:
            _abandon(outputs.values(), error)
        else:
            for partition, reason in refused.items():
                outputs[partition].abandon(reason)

    def _send_letters(self, works: Iterable[PartitionWork[State]], remaining: Remaining) -> None:
        senders = [work for work in works if work.letters and not work.abandoned]
        if not senders:
            return
        try:
            if self._dead_letters is None:
                raise DeadLettersNotAccepted(f"stage {self._stage.name} has no dead-letter queue")
            self._dead_letters.send([letter for work in senders for letter in work.letters], remaining=remaining)
        except DeadLettersNotAccepted as error:
            _abandon(senders, error)

    def _save(self, works: Iterable[PartitionWork[State]]) -> None:
        savers = {work.held.partition: work for work in works if work.held is not None and not work.abandoned}
        try:
            conflicts = self._states.save(work.held for work in savers.values() if work.held is not None)
        except valkey.ValkeyError as error:
            _abandon(savers.values(), error)
        else:
            for partition, conflict in conflicts.items():
                savers[partition].abandon(conflict)

    def _counts(self, works: Sequence[PartitionWork[State]]) -> StageCounts:
        counts = StageCounts()
        for work in works:
            if work.error is not None:
                _log.error(
                    "partition failed",
                    stage=self._stage.name,
                    partition=work.inputs[0].partition,
                    sequence_number=work.failed_at,
                    error=type(work.error).__name__,
                    reason=str(work.error),
                    exc_info=work.error,
                )
            work.count_into(counts)
        newest = max((work.inputs[-1].arrival for work in works), default=None)
        if newest is not None:
            counts.iterator_age_ms = max(0.0, (self._clock() - newest) / 1e6)
        return counts


def _abandon(works: Iterable[PartitionWork[State]], error: Exception) -> None:
    for work in works:
        work.abandon(error)
