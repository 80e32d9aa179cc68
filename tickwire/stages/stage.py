"""The shape that every stream stage shares: (state, record) in, (state, at most one record) out.

A stage is pure and deterministic, so batch boundaries, bisecting and retries change nothing: the
host may run a record again from the same state and gets the same record with the same counter,
which the next stage knows and skips.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from tickwire.records import Quarantined, Record

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What one input record became.

    ``record`` goes to the next stream, or is None where there is nothing to say or the input was
    a repeat. ``quarantined`` are all rows that broke a rule; they go to the dead-letter queue.
    ``repeat`` (the input was seen before) and ``duplicates`` (trades that were) are for metrics.
    """

    record: Record | None
    quarantined: tuple[Quarantined, ...] = ()
    repeat: bool = False
    duplicates: int = 0


class StateCodec(ABC, Generic[State]):
    """How the states of a stage, by whose name they are kept, become bytes."""

    name: str

    @abstractmethod
    def new_state(self) -> State:
        """Give the state of a partition that has seen nothing."""

    @abstractmethod
    def load(self, data: bytes) -> State:
        """Read a state that :meth:`dump` wrote."""

    @abstractmethod
    def dump(self, state: State) -> bytes:
        """Give the bytes of a state, the same bytes for the same state."""


class Stage(StateCodec[State]):
    """One stage's logic for one logical partition at a time."""

    def prepare(self) -> None:
        """Load what :meth:`process` needs, so that the first record does not wait for it."""

    @abstractmethod
    def process(self, state: State, record: Record, source: int) -> StageOutput:
        """Advance ``state`` in place by one input record.

        ``source`` orders the inputs of a partition: the Kinesis sequence number on trades-raw,
        the record's own dense counter after that. A source not above the last one is a repeat
        and gives ``StageOutput(None)``.

        Raises
        ------
        CounterJump
            If a dense counter skipped.
        """
