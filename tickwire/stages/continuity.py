"""What people look at of a symbol's completeness: its last hours, and its gaps and what became of them.

It is kept from the changes that each record's :class:`~tickwire.records.Progress` tells, so whoever
takes in each record exactly once holds exact figures. The memory of a symbol is bounded three ways,
none of which loses an id from the count of its hour:

* beyond :data:`MAX_OPEN_GAPS` open gaps, those next to each other with the fewest ids between become one,
  whose ``live`` then also counts the ids between them;
* of the closed gaps the last :data:`~tickwire.records.MAX_GAPS` stay;
* beyond :data:`MAX_RANGES` ranges of ids, the gap with the lowest ids goes.

What was missing, absent or quarantined of a gap that goes stays in the counts of its hours, and is
brought down again when the symbol's totals show that there are not as many.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tickwire.intervals import IntervalSet
from tickwire.records import MAX_GAPS, MAX_HOURS, Continuity, Gap, HourState, Progress, Ranges
from tickwire.stages.gap_tally import Changes, GapTally, Share, merged, spread

MAX_OPEN_GAPS = 500
MAX_RANGES = 8_192


@dataclass(slots=True)
class HourTally:
    """An hour's trades, their lowest and highest id, and the ids of gaps that are not kept any more."""

    trades: int = 0
    low: int = 0
    high: int = -1
    missing: int = 0
    absent: int = 0
    quarantined: int = 0


@dataclass(slots=True)
class SymbolContinuity:
    """The completeness of one symbol.

    Attributes
    ----------
    gaps : in the order in which they were noticed
    hours : by start, ns UTC; the newest :data:`~tickwire.records.MAX_HOURS`
    told : when it was last told, ns by the records' clock; 0 for never
    changed, urgent : whether anything, and whether a gap, changed since
    """

    gaps: list[GapTally] = field(default_factory=list)
    hours: dict[int, HourTally] = field(default_factory=dict)
    told: int = 0
    changed: bool = False
    urgent: bool = False

    def take(self, progress: Progress | None, gaps: Sequence[Gap], reopened: Ranges, *, time: int) -> None:
        """Take in what one record of ``time`` (ns) says: progress, new gaps, and ids that were reopened."""
        for first, last in reopened:
            for share in self._by_trades(first, last):
                hour = self.hours[share.hour]
                hour.trades = max(0, hour.trades - (share.last - share.first + 1))
        if progress is not None:
            self._apply(progress, time)
        for gap in gaps:
            self.gaps.append(GapTally.of(gap, self._shares(gap)))
        self.changed |= bool(reopened or gaps or (progress is not None and progress.hours))
        self.urgent |= bool(gaps)
        if self.urgent:
            self._keep_within_bounds()
        if progress is not None:
            self._correct("missing", progress.missing)
            self._correct("absent", progress.absent)
        for start in sorted(self.hours)[:-MAX_HOURS]:
            del self.hours[start]

    def due(self, now: int, *, pace: int) -> bool:
        """Say whether to tell it: at once where a gap changed, else every ``pace`` ns."""
        # A clock set back does not hold it back.
        waits = self.told and self.told <= now < self.told + pace
        return self.urgent or (self.changed and not waits)

    def tell(self, venue: str, symbol: str, *, time: int) -> Continuity:
        """Give it as it stands."""
        self.told, self.changed, self.urgent = time, False, False
        newest = sorted(self.gaps, key=lambda gap: (not gap.missing, -gap.noticed, -gap.first))[:MAX_GAPS]
        shown = sorted(newest, key=lambda gap: (gap.noticed, gap.first))
        return Continuity(venue, symbol, time, tuple(self._hour_states()), tuple(gap.state() for gap in shown))

    def _apply(self, progress: Progress, time: int) -> None:
        for start, trades, low, high in progress.hours:
            hour = self.hours.setdefault(start, HourTally())
            hour.low, hour.high = (min(hour.low, low), max(hour.high, high)) if hour.low <= hour.high else (low, high)
            hour.trades += trades
        ranges = (progress.accepted_ids, progress.quarantined_now, progress.absent_now, progress.backfilled_ids)
        lowest = min((some[0][0] for some in ranges if some), default=None)
        if lowest is None:
            return
        touched = [gap for gap in self.gaps if gap.last >= lowest and (gap.missing or gap.absent or gap.quarantined)]
        if touched:
            changes = Changes(*map(IntervalSet, ranges))
            for gap in touched:
                if gap.apply(changes, time):
                    self.changed = self.urgent = True

    def _shares(self, gap: Gap) -> list[Share]:
        if gap.cause == "reopened":
            # They were accepted once, so they lie among the ids of their hour.
            shares = self._by_trades(gap.first, gap.last)
            if shares and shares[0].first == gap.first:
                return shares
            rest = shares[0].first - 1 if shares else gap.last
            return [*spread(gap.first, rest, gap.after_time, gap.before_time, noticed=gap.noticed), *shares]
        return spread(gap.first, gap.last, gap.after_time, gap.before_time, noticed=gap.noticed)

    def _by_trades(self, first: int, last: int) -> list[Share]:
        """Give the hours of accepted ids; those before the oldest hour's are left out."""
        shares: list[Share] = []
        known = sorted((start, hour) for start, hour in self.hours.items() if hour.low <= hour.high)
        if known:
            first = max(first, known[0][1].low)
        for start, hour in known:
            if first > last:
                break
            if hour.high >= first or start == known[-1][0]:
                until = last if start == known[-1][0] else min(last, hour.high)
                shares.append(Share(first, until, start))
                first = until + 1
        return shares

    def _hour_states(self) -> Iterable[HourState]:
        counts = {
            start: [hour.trades, hour.missing, hour.absent, hour.quarantined] for start, hour in self.hours.items()
        }
        for gap in self.gaps:
            for share, *ids in gap.by_hour():
                row = counts.setdefault(share.hour, [0, 0, 0, 0])
                for column, number in enumerate(ids, 1):
                    row[column] += number
        return (HourState(start, *counts[start]) for start in sorted(counts)[-MAX_HOURS:])

    def _keep_within_bounds(self) -> None:
        opened = [gap for gap in self.gaps if gap.missing]
        closed = [gap for gap in self.gaps if not gap.missing]
        for gap in closed[:-MAX_GAPS]:
            self._let_go(gap)
        if len(opened) > MAX_OPEN_GAPS:
            opened = merged(opened, MAX_OPEN_GAPS)
            self.gaps = sorted([*closed[-MAX_GAPS:], *opened], key=lambda gap: gap.noticed)
        by_id = sorted(self.gaps, key=lambda gap: gap.first)
        ranges = sum(gap.ranges() for gap in by_id)
        for lowest in by_id:
            if ranges <= MAX_RANGES:
                break
            ranges -= lowest.ranges()
            self._let_go(lowest)

    def _let_go(self, gap: GapTally) -> None:
        # By identity: two gaps of the same ids may be equal.
        self.gaps = [other for other in self.gaps if other is not gap]
        for share, missing, absent, quarantined in gap.by_hour():
            hour = self.hours.setdefault(share.hour, HourTally())
            hour.missing += missing
            hour.absent += absent
            hour.quarantined += quarantined

    def _correct(self, name: str, total: int) -> None:
        """Bring what hours count of gaps that went down to what can still be so, the oldest first."""
        hours = [hour for _, hour in sorted(self.hours.items()) if getattr(hour, name)]
        if not hours:
            return
        kept = sum(getattr(gap, name).count for gap in self.gaps)
        surplus = sum(getattr(hour, name) for hour in hours) - max(0, total - kept)
        for hour in hours:
            if surplus <= 0:
                break
            less = min(surplus, getattr(hour, name))
            setattr(hour, name, getattr(hour, name) - less)
            surplus -= less
            self.changed = True
