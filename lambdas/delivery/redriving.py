"""Redrives dead letters: tries each again, sends the trades, and marks the letters once all are accepted."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lambdas.postgres.letters import LetterName, StoredLetter
from tickwire.dead_letter import FetchBody, UnreadableBody
from tickwire.records import Record
from tickwire.redrive import Redrive, raw_records, redrive

BATCH = 100
"""Letters that are tried, sent and marked together. A body in the table is at most 64 KiB, one in S3 64 MiB."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one letter came to; ``trades`` counts those that were, or would be, sent."""

    kind: str
    key: str
    done: bool
    trades: int
    outcome: str


class Marks(Protocol):
    """Where it is noted what became of letters; :class:`LetterTable` is one."""

    def now(self) -> datetime:
        """Give the time that ``mark`` compares with."""
        ...

    def mark(self, outcomes: Sequence[tuple[LetterName, str, bool]], *, began: datetime) -> None:
        """Note what a try came to: (name, outcome, redriven) of each letter."""
        ...


def redrive_letters(
    table: Marks,
    batches: Iterable[Sequence[StoredLetter]],
    *,
    fetch: FetchBody,
    put: Callable[[Sequence[Record]], None] | None,
    partitions: int,
    clock: Callable[[], int] = time.time_ns,
) -> Iterable[Tried]:
    """Redrive letters batch by batch, giving what each came to once its batch is accepted and marked.

    A crash, or a stream that does not accept a batch, leaves the batch's letters unmarked; redriving
    them again sends what the validator knows by its ids.

    Parameters
    ----------
    put : puts records into trades-raw, all or an exception; None tries the letters and changes nothing
    """
    for letters in batches:
        tried = [(letter, _try(letter, fetch)) for letter in letters]
        if put is not None:
            began = table.now()
            put(raw_records([result.trades for _, result in tried], partitions=partitions, now=clock()))
            table.mark(
                [((letter.kind, letter.key), result.outcome, result.done) for letter, result in tried], began=began
            )
        for letter, result in tried:
            yield Tried(letter.kind, letter.key, result.done, len(result.trades), result.outcome)


def _try(letter: StoredLetter, fetch: FetchBody) -> Redrive:
    try:
        message = letter.message(fetch)
    except UnreadableBody as error:
        return Redrive(f"cannot be redriven: {error}")
    return redrive(letter.kind, message, fetch)
