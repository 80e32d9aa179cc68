"""One gap of a symbol: which of its ids still miss, and how the others were filled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tickwire.intervals import IntervalSet
from tickwire.records import MAX_HOURS, Gap, GapState

HOUR = 3_600 * 10**9


class Share(NamedTuple):
    """Ids ``first`` to ``last`` of a gap that lie in one hour (its start, ns UTC)."""

    first: int
    last: int
    hour: int


class Changes(NamedTuple):
    """Ids that a record accepted, quarantined and confirmed absent; ``backfilled`` are among the accepted."""

    accepted: IntervalSet
    quarantined: IntervalSet
    absent: IntervalSet
    backfilled: IntervalSet


@dataclass(slots=True)
class GapTally:
    """The ids ``first`` to ``last``, which were all missing when they were ``noticed``.

    An id is in at most one of the four sets; one in none of them came on a stream after all. Ids that
    are reopened make a gap of their own: this one stays as it was filled.

    Attributes
    ----------
    cause, noticed, after_time, before_time : as in :class:`tickwire.records.Gap`
    shares : the hours that its ids lie in, by id
    missing, absent, quarantined, history : still missing; not had by the venue; known only from
        quarantine; filled from the venue's history
    closed : when nothing was missing any more, ns, else 0
    """

    first: int
    last: int
    cause: str
    noticed: int
    after_time: int
    before_time: int
    shares: list[Share]
    missing: IntervalSet
    absent: IntervalSet = field(default_factory=IntervalSet)
    quarantined: IntervalSet = field(default_factory=IntervalSet)
    history: IntervalSet = field(default_factory=IntervalSet)
    closed: int = 0

    @classmethod
    def of(cls, gap: Gap, shares: list[Share]) -> "GapTally":
        """Give a new gap, all of it missing."""
        missing = IntervalSet([(gap.first, gap.last)])
        return cls(
            gap.first, gap.last, gap.cause, gap.noticed, gap.after_time, gap.before_time, shares, missing=missing
        )

    def apply(self, changes: Changes, time: int) -> bool:
        """Take in what a record of ``time`` (ns) changed; say whether it changed anything here.

        In the order that :class:`~tickwire.records.Progress` states.
        """
        changed = False
        for span in changes.quarantined.within(self.first, self.last):
            for part in self._taken((self.missing, self.absent), span):
                self.quarantined.add(*part)
                changed = True
        for span in changes.accepted.within(self.first, self.last):
            for part in self._taken((self.missing, self.absent, self.quarantined), span):
                for own in changes.backfilled.within(*part):
                    self.history.add(*own)
                changed = True
        for span in changes.absent.within(self.first, self.last):
            for part in self._taken((self.missing,), span):
                self.absent.add(*part)
                changed = True
        if not self.missing and not self.closed:
            self.closed = time
        return changed

    def state(self) -> GapState:
        """Give it in numbers."""
        remaining, absent, quarantined = self.missing.count, self.absent.count, self.quarantined.count
        history = self.history.count
        return GapState(
            self.first,
            self.last,
            self.cause,
            self.noticed,
            self.after_time,
            self.before_time,
            remaining,
            self.last - self.first + 1 - remaining - history - absent - quarantined,
            history,
            absent,
            quarantined,
            self.closed,
        )

    def by_hour(self) -> Iterator[tuple[Share, int, int, int]]:
        """Give, of each hour that has any, the numbers of missing, absent and quarantined ids."""
        for share in self.shares if self.missing or self.absent or self.quarantined else ():
            counts = [
                sum(last - first + 1 for first, last in ids.within(share.first, share.last))
                for ids in (self.missing, self.absent, self.quarantined)
            ]
            if any(counts):
                yield share, counts[0], counts[1], counts[2]

    def ranges(self) -> int:
        """Give how many ranges of ids it holds."""
        return sum(ids.range_count() for ids in (self.missing, self.absent, self.quarantined, self.history))

    @staticmethod
    def _taken(sets: tuple[IntervalSet, ...], span: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Take the ids of ``span`` out of sets, and give those that were in one."""
        for ids in sets:
            for part in ids.within(*span):
                ids.remove(*part)
                yield part


def spread(first: int, last: int, after_time: int, before_time: int, *, noticed: int) -> list[Share]:
    """Give the hours of ids whose times nobody knows: evenly between the times (ns, 0 unknown) around them.

    A time later than an hour after they were ``noticed`` is not believed: it would come to stand among
    the newest hours for good.
    """
    known = [time for time in (after_time, before_time) if time] or [noticed]
    end = min(max(known), noticed + HOUR)
    begin = min(*known, end)
    final = end // HOUR * HOUR
    number, position = last - first + 1, first
    shares: list[Share] = []
    for hour in range(max(begin // HOUR * HOUR, final - (MAX_HOURS - 1) * HOUR), final, HOUR):
        # The k-th of n ids lies at begin + (end - begin) * k / (n + 1); so many lie before the hour's end.
        before = -(-(hour + HOUR - begin) * (number + 1) // (end - begin)) - 1
        if first + before > position:
            shares.append(Share(position, first + before - 1, hour))
            position = first + before
    if position <= last:
        shares.append(Share(position, last, final))
    return shares


def merged(gaps: Sequence[GapTally], limit: int) -> list[GapTally]:
    """Give at most ``limit`` gaps: those with the fewest ids between them become one."""
    by_id = sorted(gaps, key=lambda gap: (gap.first, gap.last))
    holes = [(by_id[k + 1].first - by_id[k].last, k) for k in range(len(by_id) - 1)]
    joined = {k for _, k in sorted(holes)[: max(0, len(by_id) - limit)]}
    result: list[GapTally] = []
    for k, gap in enumerate(by_id):
        if k - 1 in joined:
            result[-1] = _join(result[-1], gap)
        else:
            result.append(gap)
    return result


def _join(a: GapTally, b: GapTally) -> GapTally:
    """Put ``b``, which begins at or after ``a``, into ``a``."""
    sets = [(getattr(a, name), getattr(b, name)) for name in ("missing", "absent", "quarantined", "history")]
    for into, ids in sets:
        for span in ids.ranges():
            into.add(*span)
    if b.first <= a.last:
        # Ids that one of them counts as filled were reopened, and are what the other says.
        for k, (stronger, _) in enumerate(sets):
            for span in stronger.within(b.first, a.last):
                for weaker, _ in sets[k + 1 :]:
                    weaker.remove(*span)
    a.shares = _joined_shares(a, b)
    a.last = max(a.last, b.last)
    older = min(a, b, key=lambda gap: gap.noticed)
    a.cause, a.noticed = older.cause, older.noticed
    a.after_time = min(a.after_time, b.after_time) or max(a.after_time, b.after_time)
    a.before_time = max(a.before_time, b.before_time)
    return a


def _joined_shares(a: GapTally, b: GapTally) -> list[Share]:
    """Give the hours of every id from the first of ``a`` on; where they overlap, those of ``a``."""
    joined = list(a.shares)
    for share in b.shares:
        if share.last > a.last:
            first = max(share.first, a.last + 1)
            if joined[-1].hour == share.hour:
                first, *_ = joined.pop()
            else:
                joined[-1] = joined[-1]._replace(last=first - 1)
            joined.append(share._replace(first=first))
    return joined
