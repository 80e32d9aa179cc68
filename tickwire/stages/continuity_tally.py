"""What one record does to the completeness of its symbols: gaps, findings that took effect, progress."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np

from tickwire.records import Finding, FindingKind, Gap, Progress
from tickwire.validation.admission import Admission
from tickwire.validation.sequence import TradeSequence
from tickwire.validation.state import ValidatorState

MAX_GAPS = 1_000
"""Gaps in one record; the rest follow in the next ones, so that a record stays below its size limit."""
MAX_FINDINGS = 1_000
"""Findings in one record, about 400 bytes each, for the same reason. One may take effect in many parts; what has no
room takes none, so that whoever looks finds it once more."""
_MISSING_RANGES = 64

SymbolKey = tuple[str, str]


@dataclass(slots=True)
class ContinuityTally:
    """Collects over one record; ``touched`` are the (venue, symbol) that it says something of."""

    touched: set[SymbolKey] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def reopen(self, state: ValidatorState, findings: tuple[Finding, ...]) -> None:
        """Take in the findings that accepted ids are in no store."""
        for finding in findings:
            symbol = state.symbols.get((finding.venue, finding.symbol))
            if finding.kind is FindingKind.REOPEN and symbol is not None and finding.first <= finding.last:
                ranges = symbol.sequence.reopen(
                    finding.first, finding.last, after_time=finding.after_time, limit=self._room()
                )
                self._took_effect(finding, ranges)

    def confirm(self, state: ValidatorState, findings: tuple[Finding, ...]) -> None:
        """Take in what the venue's history says of missing ids."""
        for finding in findings:
            symbol = state.symbols.get((finding.venue, finding.symbol))
            if symbol is None or finding.first > finding.last:
                continue
            if finding.kind is FindingKind.ABSENT:
                ranges = symbol.sequence.confirm_absent(finding.first, finding.last, limit=self._room())
                self._took_effect(finding, ranges)
            elif finding.kind is FindingKind.UNREADABLE:
                ranges = symbol.sequence.confirm_unreadable(finding.first, finding.last, limit=self._room())
                self._took_effect(finding, ranges)

    def close(
        self, state: ValidatorState, admission: Admission, time: int
    ) -> tuple[tuple[Gap, ...], tuple[Progress, ...]]:
        """Give the gaps and the progress of the touched symbols; ``admission`` has the record's good trades.

        Takes the changes out of the sequences, and lets them forget what is too much.
        """
        came_in = _came_in(admission)
        gaps: list[Gap] = []
        progress: list[Progress] = []
        for venue, symbol in sorted(self.touched & state.symbols.keys()):
            sequence = state.symbols[venue, symbol].sequence
            gaps += [
                Gap(venue, symbol, span.first, span.last, span.cause, time, span.after_time, span.before_time)
                for span in sequence.take_gaps(MAX_GAPS - len(gaps))
            ]
            sequence.forget()
            if not sequence.empty or sequence.quarantined:
                progress.append(_progress(venue, symbol, sequence, came_in.get((venue, symbol), _NOTHING), time))
        return tuple(gaps), tuple(progress)

    def _room(self) -> int:
        return max(0, MAX_FINDINGS - len(self.findings))

    def _took_effect(self, finding: Finding, ranges: list[tuple[int, int]]) -> None:
        self.findings += [msgspec.structs.replace(finding, first=first, last=last) for first, last in ranges]
        if ranges:
            self.touched.add((finding.venue, finding.symbol))


class _CameIn(NamedTuple):
    """What came in of one symbol; see :class:`~tickwire.records.Progress`."""

    ids: list[tuple[int, int]]
    backfilled: list[tuple[int, int]]
    hours: list[tuple[int, int, int, int]]


_NOTHING = _CameIn([], [], [])


def _came_in(admission: Admission) -> dict[SymbolKey, _CameIn]:
    """Give it by symbol, of those of which anything did."""
    from tickwire.validation.arrange_kernel import sum_up

    trades = admission.trades
    if not len(trades):
        return {}
    runs, backfilled = np.empty((len(trades), 3), np.int64), np.empty((len(trades), 3), np.int64)
    hours = np.empty((len(trades), 5), np.int64)
    counts = sum_up(
        *(admission.ends, trades.trade_id, trades.exchange_time, trades.flags),
        *(runs, backfilled, hours),
    )
    found: dict[int, _CameIn] = defaultdict(lambda: _CameIn([], [], []))
    for index, first, last in runs[: counts[0]].tolist():
        found[index].ids.append((first, last))
    for index, first, last in backfilled[: counts[1]].tolist():
        found[index].backfilled.append((first, last))
    for index, *hour in hours[: counts[2]].tolist():
        found[index].hours.append(tuple(hour))
    by_symbol: dict[SymbolKey, _CameIn] = {}
    for index, came_in in found.items():
        instrument = trades.instruments[index]
        by_symbol[instrument.venue, instrument.symbol] = came_in
    return by_symbol


def _progress(venue: str, symbol: str, sequence: TradeSequence, came_in: _CameIn, time: int) -> Progress:
    changes = sequence.take_changes()
    return Progress(
        venue=venue,
        symbol=symbol,
        first_id=sequence.first_id,
        last_id=sequence.last_id,
        accepted=sequence.accepted,
        duplicates=sequence.duplicates,
        quarantined=sequence.quarantined,
        quarantined_ids=sequence.quarantined_ids_count,
        missing=sequence.missing_count,
        missing_ranges=tuple(sequence.missing.oldest(_MISSING_RANGES)),
        time=time,
        absent=sequence.absent_count,
        opened=tuple(changes.opened.ranges()),
        accepted_ids=tuple(came_in.ids),
        backfilled_ids=tuple(came_in.backfilled),
        quarantined_now=tuple(changes.quarantined.ranges()),
        absent_now=tuple(changes.absent.ranges()),
        hours=tuple(sorted(came_in.hours)),
    )
