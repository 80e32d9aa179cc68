"""What an invocation does for one partition, and what all of it comes to for metrics."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from lambdas.delivery.dead_letters import Letter, trade_letter
from lambdas.delivery.event import StreamInput
from lambdas.delivery.state import PartitionState, StateConflict
from tickwire.records import Header, Record
from tickwire.stages.stage import StageOutput, State


@dataclass(slots=True)
class StageCounts:
    """What an invocation did. Only what is saved counts as done; an abandoned partition comes again.

    ``damaged`` are records that could not be decoded, ``quarantined`` rows by rule, ``repeats``
    records that were seen before, ``duplicates`` trades that were.
    """

    records: int = 0
    trades: int = 0
    outputs: int = 0
    repeats: int = 0
    duplicates: int = 0
    damaged: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    failed_partitions: int = 0
    state_conflicts: int = 0
    iterator_age_ms: float = 0.0


@dataclass(slots=True)
class PartitionWork(Generic[State]):
    """One partition's inputs, the state they advance, and what comes of them.

    ``failed_at`` is the sequence number that Lambda must retry from. A stopped partition keeps what
    came before that record; an abandoned one keeps nothing. ``traced`` are the headers of the inputs that a trace
    follows.
    """

    inputs: Sequence[StreamInput]
    held: PartitionState[State] | None = None
    outputs: list[Record] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    traced: list[Header] = field(default_factory=list)
    failed_at: str | None = None
    error: Exception | None = None
    abandoned: bool = False
    _counts: StageCounts = field(default_factory=StageCounts)

    def add(self, record: Record, output: StageOutput) -> None:
        """Take what one input became."""
        self._counts.records += 1
        self._counts.repeats += output.repeat
        self._counts.duplicates += output.duplicates
        if not output.repeat:
            self._counts.trades += len(record.trades)
            if record.header.trace is not None:
                self.traced.append(record.header)
        if output.record is not None:
            self.outputs.append(output.record)
            self._counts.outputs += 1
        for row in output.quarantined:
            self.letters.append(trade_letter(row))
            self._counts.quarantined[row.rule] += 1

    def divert(self, letter: Letter) -> None:
        """Take the dead letter of an input that cannot be decoded."""
        self.letters.append(letter)
        self._counts.damaged += 1

    def stop(self, item: StreamInput, error: Exception) -> None:
        """Let ``item`` and what follows it come again."""
        self.failed_at = item.sequence_number
        self.error = error

    def abandon(self, error: Exception) -> None:
        """Let everything come again."""
        self.stop(self.inputs[0], error)
        self.abandoned = True

    def count_into(self, total: StageCounts) -> None:
        """Add what this partition did to the invocation's counts."""
        total.failed_partitions += self.error is not None
        total.state_conflicts += isinstance(self.error, StateConflict)
        if self.abandoned:
            return
        for name in ("records", "trades", "outputs", "repeats", "duplicates", "damaged"):
            setattr(total, name, getattr(total, name) + getattr(self._counts, name))
        total.quarantined += self._counts.quarantined
