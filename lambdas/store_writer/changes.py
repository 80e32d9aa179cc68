"""What some records of market-events change in the database, each row once. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from lambdas.store_writer.conclusions import Conclusions
from lambdas.store_writer.ledger_change import LedgerChange
from tickwire.records import Bar, Finding, Gap, GapState, Notice, Progress, Quarantined, Record, StaleBar

SymbolKey: TypeAlias = tuple[str, str]
"""venue, symbol."""

BarKey: TypeAlias = tuple[str, str, int, int]
"""venue, symbol, interval in seconds, start in ns."""

NoticeKey: TypeAlias = tuple[int, int, int]
"""Partition, counter, and place within the record."""

GapKey: TypeAlias = tuple[str, str, int, int, int]
"""venue, symbol, first and last id, when it was noticed in ns."""

FindingKey: TypeAlias = tuple[str, str, int, int, str, int]
"""venue, symbol, first and last id, kind, time in ns."""

HourKey: TypeAlias = tuple[str, str, int]
"""venue, symbol, start of the hour in ns."""


@dataclass(slots=True)
class HourChange:
    """Trades accepted in one hour, and the lowest and highest of their ids."""

    trades: int
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Repair:
    """A bar to compute again, once the lake holds the CLEAN record ``counter`` of its partition."""

    partition: int
    counter: int
    trades: int


@dataclass(slots=True)
class Changes:
    """Rows to write. Of a bar only the last revision is left, of a symbol's progress the last word."""

    bars: dict[BarKey, Bar] = field(default_factory=dict)
    progress: dict[SymbolKey, Progress] = field(default_factory=dict)
    ledger: dict[SymbolKey, LedgerChange] = field(default_factory=dict)
    hours: dict[HourKey, HourChange] = field(default_factory=dict)
    gaps: dict[GapKey, Gap] = field(default_factory=dict)
    gap_states: dict[GapKey, GapState] = field(default_factory=dict)
    findings: dict[FindingKey, Finding] = field(default_factory=dict)
    repairs: dict[BarKey, Repair] = field(default_factory=dict)
    quarantined: dict[str, Quarantined] = field(default_factory=dict)
    notices: dict[NoticeKey, Notice] = field(default_factory=dict)
    conclusions: Conclusions = field(default_factory=Conclusions)

    def add(self, record: Record) -> None:
        """Take the next record of its partition in."""
        for bar in record.bars:
            key = (bar.venue, bar.symbol, bar.interval, bar.start)
            if key not in self.bars or bar.revision > self.bars[key].revision:
                self.bars[key] = bar
        for progress in record.progress:
            self._add_progress(progress, record)
        for gap in record.gaps:
            self.gaps.setdefault((gap.venue, gap.symbol, gap.first, gap.last, gap.noticed), gap)
        for continuity in record.continuity:
            for state in continuity.gaps:
                place = (continuity.venue, continuity.symbol, state.first, state.last, state.noticed)
                self.gap_states[place] = state
        for finding in record.findings:
            self.findings.setdefault(
                (finding.venue, finding.symbol, finding.first, finding.last, finding.kind.value, finding.time), finding
            )
        for stale in record.stale_bars:
            self._add_repair(stale, record)
        for row in record.quarantined:
            self.quarantined.setdefault(row.key, row)
        for ordinal, notice in enumerate(record.notices):
            self.notices[record.header.partition, record.header.counter, ordinal] = notice
        self.conclusions.add(record)

    def _add_progress(self, progress: Progress, record: Record) -> None:
        symbol = (progress.venue, progress.symbol)
        self.progress[symbol] = progress
        if symbol not in self.ledger:
            self.ledger[symbol] = LedgerChange(record.header.partition)
        self.ledger[symbol].add(progress, counter=int(record.header.source))
        for start, trades, first_id, last_id in progress.hours:
            hour = self.hours.get((*symbol, start))
            if hour is None:
                self.hours[*symbol, start] = HourChange(trades, first_id, last_id)
            else:
                hour.trades += trades
                hour.first_id = min(hour.first_id, first_id)
                hour.last_id = max(hour.last_id, last_id)

    def _add_repair(self, stale: StaleBar, record: Record) -> None:
        key = (stale.venue, stale.symbol, stale.interval, stale.start)
        before = self.repairs.get(key)
        self.repairs[key] = Repair(
            partition=record.header.partition,
            counter=max(int(record.header.source), before.counter if before is not None else 0),
            trades=stale.trades + (before.trades if before is not None else 0),
        )


def changes_of(records: Iterable[Record]) -> Changes:
    """Gather the changes of records, each partition's in order."""
    changes = Changes()
    for record in records:
        changes.add(record)
    return changes
