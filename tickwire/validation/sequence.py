"""The ids of one symbol's trades: what is new, what is a repeat, what is missing.

Trade ids are contiguous per symbol on every feed, so the ids between the lowest and the highest
seen are all accounted for, each exactly once: accepted, missing, or known only from a quarantined
row. Only the last two are stored, as intervals; what is in neither was accepted. So de-duplication
is exact, and a symbol without trouble costs a few bytes.

* A later id makes the ids that it skipped missing.
* A missing id, and one known only from a quarantined row, is admitted however old it is.
* Any other id of the last :data:`WINDOW` ids is a duplicate; any other older one is *stale*: it goes to
  quarantine, never through and never silently away.
* The first id seen starts the range. A lower one within the window extends it downwards (a
  snapshot sent newest first, trades out of order at the start), and the ids between become
  missing; a lower one behind the window is stale.
* An id more than ``max_jump`` ahead is not believed: it goes to quarantine. When
  :data:`CONFIRMATIONS` different such ids came, each within ``max_jump`` of the one before, and no nearer
  id advanced the range meanwhile, the jump is real (a long outage): the last of them is admitted,
  the ones before it are known from quarantine, everything between is missing.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from tickwire.intervals import IntervalSet

WINDOW = 65_536
CONFIRMATIONS = 3
HEARTBEAT_GRACE = 1_000_000_000
"""ns of exchange time that trades named by a heartbeat have to arrive, before they are missing."""
MAX_OLD_RANGES = 4_096
"""Ranges behind the window that are remembered, of missing and of quarantined ids each.

Beyond that, the oldest are only counted: they can no longer be told from stale ids. This bounds
the state of a symbol whose feed loses trades without end.
"""


class Verdict(IntEnum):
    """What an id is to the sequence."""

    NEW = 0
    DUPLICATE = 1
    STALE = 2
    JUMP = 3


@dataclass(slots=True)
class TradeSequence:
    """The ids of one (venue, symbol).

    ``last_id - first_id + 1 == accepted + missing_count + quarantined_ids_count`` always holds;
    ``first_id`` 0 and ``last_id`` -1 mean that none was seen.

    Attributes
    ----------
    missing : ids in the range that were neither accepted nor quarantined
    quarantined_ids : ids in the range that are known only from quarantined rows
    accepted, duplicates, quarantined : rows, in total
    forgotten_missing, forgotten_quarantined : ids counted but no longer remembered one by one
    far_ids : ids too far ahead that wait for others to confirm them
    tail_id, tail_time : a heartbeat's last trade id beyond ``last_id``, and when it was shown (ns)
    gaps, tail_gaps : ranges that became missing and were not yet taken by :meth:`take_gaps`
    """

    first_id: int = 0
    last_id: int = -1
    missing: IntervalSet = field(default_factory=IntervalSet)
    quarantined_ids: IntervalSet = field(default_factory=IntervalSet)
    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    forgotten_missing: int = 0
    forgotten_quarantined: int = 0
    far_ids: list[int] = field(default_factory=list)
    tail_id: int = 0
    tail_time: int = 0
    gaps: IntervalSet = field(default_factory=IntervalSet)
    tail_gaps: IntervalSet = field(default_factory=IntervalSet)

    @property
    def empty(self) -> bool:
        """Whether no id was seen yet."""
        return self.last_id < self.first_id

    @property
    def missing_count(self) -> int:
        """How many ids of the range are missing."""
        return self.missing.count + self.forgotten_missing

    @property
    def quarantined_ids_count(self) -> int:
        """How many ids of the range are known only from quarantined rows."""
        return self.quarantined_ids.count + self.forgotten_quarantined

    def observe(self, trade_id: int, *, good: bool, max_jump: int) -> Verdict:
        """Take in a positive id; ``good`` says whether its row kept the rules.

        Only a good row with a new id is accepted. A row that broke a rule accounts for its id
        (as quarantined) unless the id is a repeat, stale, or too far ahead.
        """
        verdict = self._place(trade_id, good=good, max_jump=max_jump)
        if not good or verdict is Verdict.STALE or verdict is Verdict.JUMP:
            self.quarantined += 1
            if verdict is Verdict.NEW:
                self.quarantined_ids.add(trade_id, trade_id)
        elif verdict is Verdict.NEW:
            self.accepted += 1
        else:
            self.duplicates += 1
        return verdict

    def heartbeat(self, last_trade_id: int, time: int, *, max_jump: int) -> None:
        """Take in a venue's word on its last trade id, said at ``time`` (exchange time, ns).

        Ids beyond ours become missing once a later heartbeat, :data:`HEARTBEAT_GRACE` or more after
        the first that showed them, does not take them back.
        """
        if self.empty:
            return
        if self.last_id < self.tail_id <= last_trade_id <= self.tail_id + max_jump and time >= self.tail_time:
            if time - self.tail_time < HEARTBEAT_GRACE:
                return
            self._skip_to(self.tail_id + 1, self.tail_gaps)
            self.last_id = self.tail_id
            self.far_ids.clear()
        self.tail_id, self.tail_time = (last_trade_id, time) if last_trade_id > self.last_id else (0, 0)

    def take_gaps(self, limit: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Give the ranges that became missing since they were last taken and still are.

        First those that a later id showed, then those that a heartbeat showed; together at most
        ``limit``, the others stay for the next call.
        """
        gaps, tail_gaps = (
            [still for opened in ranges.ranges() for still in self.missing.within(*opened)]
            for ranges in (self.gaps, self.tail_gaps)
        )
        tail_limit = max(0, limit - len(gaps))
        self.gaps, self.tail_gaps = IntervalSet(gaps[limit:]), IntervalSet(tail_gaps[tail_limit:])
        return gaps[:limit], tail_gaps[:tail_limit]

    def forget(self) -> None:
        """Keep what is remembered behind the window within :data:`MAX_OLD_RANGES`."""
        bound = self.last_id - WINDOW + 1
        self.forgotten_missing += _forget(self.missing, bound)
        self.forgotten_quarantined += _forget(self.quarantined_ids, bound)

    def _place(self, trade_id: int, *, good: bool, max_jump: int) -> Verdict:
        last = self.last_id
        if trade_id > last:
            if last < self.first_id:
                self.first_id = trade_id
            elif trade_id - last > max_jump:
                return self._far(trade_id, max_jump) if good else Verdict.JUMP
            elif trade_id > last + 1:
                self._skip_to(trade_id, self.gaps)
            self.last_id = trade_id
            self.far_ids.clear()
            return Verdict.NEW
        if self.missing and trade_id in self.missing:
            self.missing.remove(trade_id, trade_id)
            return Verdict.NEW
        if self.quarantined_ids and trade_id in self.quarantined_ids:
            if good:
                self.quarantined_ids.remove(trade_id, trade_id)
            return Verdict.NEW
        if trade_id <= last - WINDOW:
            return Verdict.STALE
        if trade_id >= self.first_id:
            return Verdict.DUPLICATE
        if trade_id < self.first_id - 1:
            self._open(trade_id + 1, self.first_id - 1, self.gaps)
        self.first_id = trade_id
        return Verdict.NEW

    def _far(self, trade_id: int, max_jump: int) -> Verdict:
        far = self.far_ids
        if trade_id in far:
            return Verdict.JUMP
        if far and abs(trade_id - far[-1]) > max_jump:
            far.clear()
        far.append(trade_id)
        if len(far) < CONFIRMATIONS:
            return Verdict.JUMP
        newest = max(far)
        self._skip_to(newest + 1, self.gaps)
        self.last_id = newest
        for confirmed in far:
            self.missing.remove(confirmed, confirmed)
            if confirmed != trade_id:
                self.quarantined_ids.add(confirmed, confirmed)
        far.clear()
        return Verdict.NEW

    def _skip_to(self, trade_id: int, gaps: IntervalSet) -> None:
        self._open(self.last_id + 1, trade_id - 1, gaps)

    def _open(self, first: int, last: int, gaps: IntervalSet) -> None:
        self.missing.add(first, last)
        gaps.add(first, last)


def _forget(ids: IntervalSet, bound: int) -> int:
    surplus = ids.ranges_below(bound) - MAX_OLD_RANGES if ids.range_count() > MAX_OLD_RANGES else 0
    return ids.remove_oldest(surplus) if surplus > 0 else 0
