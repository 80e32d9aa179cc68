"""What one record does to the completeness of its symbols: gaps, findings that took effect, progress."""

from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from tickwire.columns import TradeBatch, TradeFlag
from tickwire.records import Finding, FindingKind, Gap, Progress, Ranges
from tickwire.validation.sequence import TradeSequence
from tickwire.validation.state import ValidatorState

MAX_GAPS = 1_000
"""Gaps in one record; the rest follow in the next ones, so that a record stays below its size limit."""
MAX_FINDINGS = 1_000
"""Findings in one record, about 400 bytes each, for the same reason. One may take effect in many parts; what has no
room takes none, so that whoever looks finds it once more."""
_MISSING_RANGES = 64
_HOUR = 3_600 * 10**9

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
        self, state: ValidatorState, accepted: TradeBatch, time: int
    ) -> tuple[tuple[Gap, ...], tuple[Progress, ...]]:
        """Give the gaps and the progress of the touched symbols; ``accepted`` are the record's good trades.

        Takes the changes out of the sequences, and lets them forget what is too much.
        """
        rows = {(i.venue, i.symbol): accepted.instrument == n for n, i in enumerate(accepted.instruments)}
        gaps: list[Gap] = []
        progress: list[Progress] = []
        for venue, symbol in sorted(self.touched & state.symbols.keys()):
            sequence = state.symbols[venue, symbol].sequence
            gaps += [
                Gap(venue, symbol, span.first, span.last, span.cause, time, span.after_time, span.before_time)
                for span in sequence.take_gaps(MAX_GAPS - len(gaps))
            ]
            sequence.forget()
            good = accepted.take(np.flatnonzero(rows[venue, symbol])) if (venue, symbol) in rows else TradeBatch.empty()
            if not sequence.empty or sequence.quarantined:
                progress.append(_progress(venue, symbol, sequence, good, time))
        return tuple(gaps), tuple(progress)

    def _room(self) -> int:
        return max(0, MAX_FINDINGS - len(self.findings))

    def _took_effect(self, finding: Finding, ranges: list[tuple[int, int]]) -> None:
        self.findings += [msgspec.structs.replace(finding, first=first, last=last) for first, last in ranges]
        if ranges:
            self.touched.add((finding.venue, finding.symbol))


def ranges_of(ids: npt.NDArray[np.int64]) -> Ranges:
    """Give the ranges of rising, distinct ids."""
    if not len(ids):
        return ()
    breaks = np.flatnonzero(np.diff(ids) != 1)
    firsts = ids[np.concatenate(([0], breaks + 1))].tolist()
    return tuple(zip(firsts, ids[np.concatenate((breaks, [len(ids) - 1]))].tolist(), strict=True))


def _hours(trades: TradeBatch) -> tuple[tuple[int, int, int, int], ...]:
    if not len(trades):
        return ()
    hours = trades.exchange_time // _HOUR
    return tuple(
        (hour * _HOUR, int(np.count_nonzero(rows)), int(trades.trade_id[rows].min()), int(trades.trade_id[rows].max()))
        for hour in np.unique(hours).tolist()
        for rows in (hours == hour,)
    )


def _progress(venue: str, symbol: str, sequence: TradeSequence, good: TradeBatch, time: int) -> Progress:
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
        accepted_ids=ranges_of(good.trade_id),
        backfilled_ids=ranges_of(good.trade_id[good.flags & TradeFlag.BACKFILL != 0]),
        quarantined_now=tuple(changes.quarantined.ranges()),
        absent_now=tuple(changes.absent.ranges()),
        hours=_hours(good),
    )
