"""What several records make of one symbol's sets of ids, as one change. Pure."""

from dataclasses import dataclass, field

from tickwire.intervals import IntervalSet
from tickwire.records import Progress, Ranges


@dataclass(slots=True)
class SetChange:
    """A set afterwards is ``(set before - removed) + added``, whatever it was before."""

    removed: IntervalSet = field(default_factory=IntervalSet)
    added: IntervalSet = field(default_factory=IntervalSet)

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)

    def add(self, ranges: Ranges) -> None:
        """Put ids in, after all that was done before."""
        for first, last in ranges:
            self.added.add(first, last)
            self.removed.remove(first, last)

    def remove(self, ranges: Ranges) -> None:
        """Take ids out, after all that was done before."""
        for first, last in ranges:
            self.added.remove(first, last)
            self.removed.add(first, last)


@dataclass(slots=True)
class LedgerChange:
    """One symbol's change: absolute figures as the last record has them, and what was done to the sets.

    ``counter`` is that of the last record of trades-clean; ``backfilled`` counts the trades from the
    venue's history in all of them, and ``from_history`` are their ids.
    """

    partition: int
    counter: int = 0
    first_id: int = 0
    last_id: int = -1
    accepted: int = 0
    backfilled: int = 0
    from_history: IntervalSet = field(default_factory=IntervalSet)
    time: int = 0
    missing: SetChange = field(default_factory=SetChange)
    quarantined: SetChange = field(default_factory=SetChange)
    absent: SetChange = field(default_factory=SetChange)

    def add(self, progress: Progress, *, counter: int) -> None:
        """Take in the symbol's next progress, in the order that :class:`~tickwire.records.Progress` states."""
        self.counter, self.time = counter, progress.time
        self.first_id, self.last_id, self.accepted = progress.first_id, progress.last_id, progress.accepted
        for first, last in progress.backfilled_ids:
            self.backfilled += last - first + 1
            self.from_history.add(first, last)
        self.missing.add(progress.opened)
        self.missing.remove(progress.accepted_ids)
        self.missing.remove(progress.quarantined_now)
        self.missing.remove(progress.absent_now)
        self.absent.remove(progress.accepted_ids)
        self.absent.remove(progress.quarantined_now)
        self.absent.add(progress.absent_now)
        self.quarantined.add(progress.quarantined_now)
        self.quarantined.remove(progress.accepted_ids)
