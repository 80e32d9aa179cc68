"""What became of the ids of a symbol within a record, and within a batch that a kernel judged."""

from dataclasses import dataclass, field

from tickwire.intervals import IntervalSet
from tickwire.validation.spans import Span


@dataclass(slots=True)
class Changes:
    """What became of ids since the changes were last taken; see :class:`tickwire.records.Progress`."""

    opened: IntervalSet = field(default_factory=IntervalSet)
    quarantined: IntervalSet = field(default_factory=IntervalSet)
    absent: IntervalSet = field(default_factory=IntervalSet)

    def __bool__(self) -> bool:
        return bool(self.opened or self.quarantined or self.absent)


UNCHANGED = Changes()
"""Of a record that changed none; it is never added to."""


@dataclass(slots=True)
class BatchChanges:
    """What a batch did to the ids of a symbol, beyond accepting the one after the last.

    Attributes
    ----------
    told_from : what is missing or quarantined from this id on is all told here; None: only of new ids is it
    opened : ranges of ids that became missing, those that were found again within the batch too
    missing : ranges that became missing and still are, each with the span that it was opened in
    still_missing : ranges from ``told_from`` on that were missing before, and still are
    quarantined : ids that became known only from a quarantined row
    quarantined_only : those, and earlier ones from ``told_from`` on, of which no good row came after
    """

    told_from: int | None = None
    opened: list[tuple[int, int]] = field(default_factory=list)
    missing: list[tuple[int, int, Span]] = field(default_factory=list)
    still_missing: list[tuple[int, int]] = field(default_factory=list)
    quarantined: list[int] = field(default_factory=list)
    quarantined_only: list[int] = field(default_factory=list)
