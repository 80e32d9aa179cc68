"""One invocation's messages, in order: the writer's become commits together, each compaction its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.lake_table import LakeTable
from lambdas.lake_committer.replacement import replace_files
from lambdas.lake_writer.message import WrittenBatch
from tickwire.errors import CounterJump

# A compaction that a committer did not survive twice is not worth a third time: the lake waits meanwhile.
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Received:
    """A message's batch, and how often SQS has handed it out, this time included."""

    batch: WrittenBatch
    times: int


@dataclass(slots=True)
class Outcome:
    """What an invocation did.

    Attributes
    ----------
    messages : how many messages are done with, from the first on
    rows, repeats : rows added; messages that brought nothing new
    rows_compacted, refusals : rows that moved to compacted files; why compactions were left out
    conflicts : how often another commit came first
    jump : why the messages after ``messages`` were not taken, or None
    """

    messages: int = 0
    rows: int = 0
    repeats: int = 0
    rows_compacted: int = 0
    refusals: list[str] = field(default_factory=list)
    conflicts: int = 0
    jump: CounterJump | None = None


def commit_received(
    received: Sequence[Received], open_table: Callable[[], LakeTable], *, in_time: Callable[[], bool]
) -> Outcome:
    """Commit messages in order, up to the first jump.

    ``in_time`` says whether a compaction would still end before the invocation must.

    Raises
    ------
    LakeConflict, CountersLost, FileMismatch
        As :func:`commit_batches` does; what came before is in the table, and comes again as repeats.
    """
    outcome = Outcome()
    for is_compaction, group in groupby(received, key=lambda item: bool(item.batch.replaces)):
        if is_compaction:
            for item in group:
                _compact(item, open_table, outcome, in_time=in_time())
            continue
        result = commit_batches([item.batch for item in group], open_table)
        outcome.messages += result.plan.messages
        outcome.rows += result.rows
        outcome.repeats += result.plan.repeats
        outcome.conflicts += result.conflicts
        if result.jump is not None:
            outcome.jump = result.jump
            break
    return outcome


def _compact(item: Received, open_table: Callable[[], LakeTable], outcome: Outcome, *, in_time: bool) -> None:
    outcome.messages += 1
    if item.times > _TRIES:
        outcome.refusals.append(f"it was tried {_TRIES} times and never came to an end")
        return
    if not in_time:
        outcome.refusals.append("too little time was left for it")
        return
    result = replace_files(item.batch, open_table)
    outcome.rows_compacted += result.rows
    outcome.conflicts += result.conflicts
    if result.refusal is not None:
        outcome.refusals.append(result.refusal)
