"""What some records of market-events change in the database, each row once. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from tickwire.records import Bar, Gap, Notice, Progress, Quarantined, Record

BarKey: TypeAlias = tuple[str, str, int, int]
"""venue, symbol, interval in seconds, start in ns."""

NoticeKey: TypeAlias = tuple[int, int, int]
"""Partition, counter, and place within the record."""


@dataclass(slots=True)
class Changes:
    """Rows to write. Of a bar only the last revision is left, of a symbol's progress the last word."""

    bars: dict[BarKey, Bar] = field(default_factory=dict)
    progress: dict[tuple[str, str], Progress] = field(default_factory=dict)
    gaps: dict[tuple[str, str, int, int], Gap] = field(default_factory=dict)
    quarantined: dict[str, Quarantined] = field(default_factory=dict)
    notices: dict[NoticeKey, Notice] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take the next record of its partition in."""
        for bar in record.bars:
            key = (bar.venue, bar.symbol, bar.interval, bar.start)
            if key not in self.bars or bar.revision > self.bars[key].revision:
                self.bars[key] = bar
        for progress in record.progress:
            self.progress[progress.venue, progress.symbol] = progress
        for gap in record.gaps:
            self.gaps.setdefault((gap.venue, gap.symbol, gap.first, gap.last), gap)
        for row in record.quarantined:
            self.quarantined.setdefault(row.key, row)
        for ordinal, notice in enumerate(record.notices):
            self.notices[record.header.partition, record.header.counter, ordinal] = notice


def changes_of(records: Iterable[Record]) -> Changes:
    """Gather the changes of records, each partition's in order."""
    changes = Changes()
    for record in records:
        changes.add(record)
    return changes
