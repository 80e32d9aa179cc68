"""One invocation: as many messages as it holds become one commit of the table."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lambdas.lake_committer.errors import LakeConflict
from lambdas.lake_committer.lake_table import LakeTable
from lambdas.lake_committer.plan import CommitPlan, plan_commit
from lambdas.lake_writer.message import WrittenBatch
from tickwire.errors import CounterJump

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What was committed.

    Attributes
    ----------
    plan : the plan that is in the table now
    rows : rows added
    jump : why the messages after ``plan.messages`` were not taken, or None
    conflicts : how often another commit came first
    """

    plan: CommitPlan
    rows: int
    jump: CounterJump | None
    conflicts: int


def commit_batches(
    batches: Sequence[WrittenBatch],
    open_table: Callable[[], LakeTable],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> CommitResult:
    """Commit messages of the writer in order, those before the first jump.

    After a conflict the table is opened again and everything planned anew from its counters, so a
    twin of this invocation that came first leaves nothing to do.

    Raises
    ------
    LakeConflict
        If the table kept changing.
    CountersLost, FileMismatch
        As :class:`LakeTable` does; nothing was committed.
    """
    for attempt in range(ATTEMPTS):
        table = open_table()
        plan, jump = plan_commit(batches, table.counters)
        if not plan.changes:
            return CommitResult(plan, rows=0, jump=jump, conflicts=attempt)
        try:
            return CommitResult(plan, rows=table.commit(plan), jump=jump, conflicts=attempt)
        except LakeConflict:
            if attempt + 1 == ATTEMPTS:
                raise
            wait(FIRST_WAIT_SECONDS * 2**attempt)
    raise AssertionError("unreachable")
