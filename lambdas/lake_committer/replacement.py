"""A compaction's message becomes one commit, or nothing: it must never stop the writer's.

Compacted files hold rows that the table has already. So whatever speaks against putting them in
place (the files they stand for are gone, as when the message came twice; the table keeps changing)
ends in their not being put there, and the next call compacts what is then there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from lambdas.lake_committer.committer import ATTEMPTS, FIRST_WAIT_SECONDS
from lambdas.lake_committer.errors import FileMismatch, LakeConflict, StaleReplacement
from lambdas.lake_committer.lake_table import LakeTable
from lambdas.lake_writer.message import WrittenBatch


@dataclass(frozen=True, slots=True)
class ReplacementResult:
    """What became of a compaction: the rows that moved, why none did, how often another commit came first."""

    rows: int
    refusal: str | None
    conflicts: int


def replace_files(
    batch: WrittenBatch, open_table: Callable[[], LakeTable], *, wait: Callable[[float], None] = time.sleep
) -> ReplacementResult:
    """Put a batch's files in the place of those it replaces, or say why not."""
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            rows = open_table().replace(batch.replaces, batch.files)
        except (StaleReplacement, FileMismatch, FileNotFoundError) as error:
            return ReplacementResult(0, str(error), conflicts=attempt)
        except LakeConflict as error:
            reason = str(error)
            wait(FIRST_WAIT_SECONDS * 2**attempt)
        else:
            return ReplacementResult(rows, None, conflicts=attempt)
    return ReplacementResult(0, f"the table kept changing: {reason}", conflicts=ATTEMPTS)
