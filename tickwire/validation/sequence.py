"""The ids of one symbol's trades: what is new, what is a repeat, what is missing.

Trade ids are contiguous per symbol on every feed, so the ids between the lowest and the highest
seen are all accounted for, each exactly once: accepted, missing, known only from a quarantined row,
or *absent*: not even the venue has them. All but the first are stored, as intervals; what is in none
of them was accepted. So de-duplication is exact, and a symbol without trouble costs a few bytes.

* A later id makes the ids that it skipped missing.
* An id that is missing, absent, or known only from a quarantined row is admitted however old it is.
* Any other id of the range is a duplicate, however old it is.
* The first id seen starts the range. A lower one within the window of :data:`WINDOW` ids extends it
  downwards (a snapshot sent newest first, trades out of order at the start), and the ids between
  become missing; a lower one behind the window is *stale*: it goes to quarantine, never through and
  never silently away. So does an old id of which it had to be forgotten what it was.
* An id more than ``max_jump`` ahead is not believed: it goes to quarantine. When
  :data:`CONFIRMATIONS` different such ids came, each within ``max_jump`` of the one before, and no nearer
  id advanced the range meanwhile, the jump is real (a long outage): the last of them is admitted,
  the ones before it are known from quarantine, everything between is missing.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from enum import IntEnum

from tickwire.intervals import IntervalSet
from tickwire.validation.id_changes import UNCHANGED, BatchChanges, Changes
from tickwire.validation.spans import Span, join_spans, span_within, time_before
from tickwire.validation.symbol_row import Row, SymbolRow

WINDOW = 65_536
CONFIRMATIONS = 3
HEARTBEAT_GRACE = 1_000_000_000
"""ns of exchange time that trades named by a heartbeat have to arrive, before they are missing."""
CAUSES = ("id_jump", "heartbeat", "reopened")
"""Why ids became missing, in the order in which gaps are told."""
MAX_SPANS = 64
"""Of the ids still missing, so many spans keep their own times; the oldest beyond that share theirs."""
MAX_OLD_RANGES = 4_096
"""Ranges behind the window that are remembered, of missing, quarantined and absent ids each.

Beyond that, the oldest are only counted: they can no longer be told from stale ids. This bounds
the state of a symbol whose feed loses trades without end.
"""


class Verdict(IntEnum):
    """What an id is to the sequence."""

    NEW = 0
    DUPLICATE = 1
    STALE = 2
    JUMP = 3


class TradeSequence(SymbolRow):
    """The ids of one (venue, symbol).

    ``last_id - first_id + 1 == accepted + missing_count + quarantined_ids_count + absent_count``
    always holds; ``first_id`` 0 and ``last_id`` -1 mean that none was seen.

    What nearly every trade changes lies in a row of integers, which :meth:`bind` moves into a table of many
    symbols; there a kernel judges most trades without this object.

    Attributes
    ----------
    missing : ids in the range that were neither accepted nor quarantined, and that the venue may have
    quarantined_ids : ids in the range that are known only from quarantined rows
    absent : ids in the range that the venue itself does not have
    accepted, duplicates, quarantined : rows, in total; of ``accepted``, less what was reopened
    forgotten_missing, forgotten_quarantined, forgotten_absent : ids counted but no longer remembered
        one by one, none of them above ``forgotten_until``
    far_ids : ids too far ahead that wait for others to confirm them
    tail_id, tail_time : a heartbeat's last trade id beyond ``last_id``, and when it was shown (ns)
    last_time : exchange time of the good row that set ``last_id``, ns; 0 where none did
    spans : of the missing ids, by rising ``first``: which became missing together, and when
    unreported : by the cause of :class:`~tickwire.records.Gap`, ids that became missing and were not
        yet taken by :meth:`take_gaps`
    changes : since :meth:`take_changes`; no part of the state between records
    """

    __slots__ = (
        "absent",
        "changes",
        "far_ids",
        "forgotten_absent",
        "forgotten_missing",
        "forgotten_quarantined",
        "forgotten_until",
        "missing",
        "quarantined_ids",
        "spans",
        "tail_id",
        "tail_time",
        "unreported",
    )

    def __init__(
        self,
        *,
        first_id: int = 0,
        last_id: int = -1,
        last_time: int = 0,
        accepted: int = 0,
        duplicates: int = 0,
        quarantined: int = 0,
        missing: IntervalSet | None = None,
        quarantined_ids: IntervalSet | None = None,
        absent: IntervalSet | None = None,
        forgotten_missing: int = 0,
        forgotten_quarantined: int = 0,
        forgotten_absent: int = 0,
        forgotten_until: int = 0,
        far_ids: Iterable[int] = (),
        tail_id: int = 0,
        tail_time: int = 0,
        spans: Iterable[Span] = (),
        unreported: Mapping[str, IntervalSet] | None = None,
    ) -> None:
        super().__init__()
        self.missing = missing or IntervalSet()
        self.quarantined_ids = quarantined_ids or IntervalSet()
        self.absent = absent or IntervalSet()
        self.forgotten_missing = forgotten_missing
        self.forgotten_quarantined = forgotten_quarantined
        self.forgotten_absent = forgotten_absent
        self.forgotten_until = forgotten_until
        self.far_ids = list(far_ids)
        self.tail_id = tail_id
        self.tail_time = tail_time
        self.spans = list(spans)
        self.unreported = {cause: (unreported or {}).get(cause) or IntervalSet() for cause in CAUSES}
        self.changes = Changes()
        self.first_id, self.last_id, self.last_time = first_id, last_id, last_time
        self.accepted, self.duplicates, self.quarantined = accepted, duplicates, quarantined
        self._note()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TradeSequence):
            return NotImplemented
        return self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # it changes with every trade

    def __repr__(self) -> str:
        return f"TradeSequence{self._state()}"

    def _state(self) -> tuple[object, ...]:
        slots = [name for name in self.__slots__ if name != "changes"]
        numbers = (self.first_id, self.last_id, self.last_time, self.accepted, self.duplicates, self.quarantined)
        return (*numbers, *(getattr(self, name) for name in slots))

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

    @property
    def absent_count(self) -> int:
        """How many ids of the range the venue itself does not have."""
        return self.absent.count + self.forgotten_absent

    def observe(self, trade_id: int, *, good: bool, max_jump: int, time: int = 0, redriven: bool = False) -> Verdict:
        """Take in a positive id; ``good`` says whether its row kept the rules, ``time`` its exchange time.

        A ``redriven`` row of a dead letter was counted when it first came, so that it is no further
        duplicate or quarantined row, and it does not confirm a jump.

        Only a good row with a new id is accepted. A row that broke a rule accounts for its id
        (as quarantined) unless the id is a repeat, stale, or too far ahead.
        """
        verdict = self._place(trade_id, good=good, max_jump=max_jump, time=time, confirms=good and not redriven)
        if self.far_ids or self._row[Row.ASK_ALWAYS]:
            self._row[Row.ASK_ALWAYS] = len(self.far_ids) > 0
        if not good or verdict is Verdict.STALE or verdict is Verdict.JUMP:
            self.quarantined += not redriven
            if verdict is Verdict.NEW:
                self._quarantine(trade_id)
        elif verdict is Verdict.NEW:
            self.accepted += 1
            if trade_id == self.last_id:
                self.last_time = time
        else:
            self.duplicates += not redriven
        return verdict

    def heartbeat(self, last_trade_id: int, time: int, *, max_jump: int) -> None:
        """Take in a venue's word on its last trade id, said at ``time`` (exchange time, ns).

        Ids beyond ours become missing once a later heartbeat, :data:`HEARTBEAT_GRACE` or more after
        the first that showed them, does not take them back. An id more than ``max_jump`` ahead is not
        believed however often it is said: if it is real, trades beyond it come and confirm the jump.
        """
        if self.empty:
            return
        if last_trade_id - self.last_id > max_jump:
            self.tail_id, self.tail_time = 0, 0
            return
        if self.last_id < self.tail_id <= last_trade_id and time >= self.tail_time:
            if time - self.tail_time < HEARTBEAT_GRACE:
                return
            self._open(self.last_id + 1, self.tail_id, "heartbeat", self.last_time, self.tail_time)
            self.last_id = self.tail_id
            self.far_ids.clear()
            self._row[Row.ASK_ALWAYS] = 0
        self.tail_id, self.tail_time = (last_trade_id, time) if last_trade_id > self.last_id else (0, 0)

    def reopen(self, first: int, last: int, *, after_time: int = 0, limit: int | None = None) -> list[tuple[int, int]]:
        """Make the accepted ids among ``first`` to ``last`` missing again; give those, as at most ``limit`` ranges.

        ``after_time`` is the exchange time of a trade before them, ns, or 0.
        """
        low, high = max(first, self.first_id, self.forgotten_until + 1), min(last, self.last_id)
        if low > high:
            return []
        accepted = IntervalSet([(low, high)])
        for other in (self.missing, self.quarantined_ids, self.absent):
            for span in other.within(low, high):
                accepted.remove(*span)
        ranges = list(accepted.ranges())[:limit]
        for span in ranges:
            self.accepted -= span[1] - span[0] + 1
            self._open(*span, "reopened", after_time, 0)
        return ranges

    def confirm_absent(self, first: int, last: int, *, limit: int | None = None) -> list[tuple[int, int]]:
        """Take in that the venue has none of ``first`` to ``last``; give those that were missing.

        At most ``limit`` ranges of them, the lowest, are taken so.
        """
        ranges = self.missing.within(first, last)[:limit]
        for span in ranges:
            self.missing.remove(*span)
            self.absent.add(*span)
            self.changes.absent.add(*span)
        return ranges

    def confirm_unreadable(self, first: int, last: int, *, limit: int | None = None) -> list[tuple[int, int]]:
        """Take in that ids ``first`` to ``last`` are known only from dead letters; give those that were missing.

        ``limit`` is as in :meth:`confirm_absent`.
        """
        ranges = self.missing.within(first, last)[:limit]
        for span in ranges:
            self.missing.remove(*span)
            self.quarantined_ids.add(*span)
            self.changes.quarantined.add(*span)
        return ranges

    def time_before(self, trade_id: int) -> int | None:
        """Give the exchange time (ns) of a trade before a missing id, if that is known."""
        return time_before(self.spans, trade_id)

    def take_batch(self, batch: BatchChanges) -> None:
        """Take in what a batch did to ids, whose row it has changed already."""
        if batch.told_from is not None and batch.told_from <= self.last_id:
            self.missing.remove(batch.told_from, self.last_id)
            self.quarantined_ids.remove(batch.told_from, self.last_id)
        for first, last in batch.opened:
            self.changes.opened.add(first, last)
        for first, last in batch.still_missing:
            self.missing.add(first, last)
        for first, last, span in batch.missing:
            self.missing.add(first, last)
            self.unreported[span.cause].add(first, last)
            if not (self.spans and self.spans[-1] == span):
                insort(self.spans, span, key=lambda other: other.first)
        for trade_id in batch.quarantined:
            self.changes.quarantined.add(trade_id, trade_id)
        for trade_id in batch.quarantined_only:
            self.quarantined_ids.add(trade_id, trade_id)
        self._note()

    def take_gaps(self, limit: int) -> list[Span]:
        """Give what became missing since it was last taken and still is, at most ``limit`` ranges.

        The others stay for the next call.
        """
        taken: list[Span] = []
        for cause, opened in self.unreported.items():
            if not opened:
                continue
            still = [part for span in opened.ranges() for part in self.missing.within(*span)]
            room = max(0, limit - len(taken))
            self.unreported[cause] = IntervalSet(still[room:])
            taken += [span_within(self.spans, first, last, cause) for first, last in still[:room]]
        return taken

    def take_changes(self) -> Changes:
        """Give what became of ids since it was last taken."""
        if not self.changes:
            return UNCHANGED
        changes, self.changes = self.changes, Changes()
        return changes

    def forget(self) -> None:
        """Keep what is remembered behind the window within :data:`MAX_OLD_RANGES`."""
        if not (self.missing or self.quarantined_ids or self.absent or self.spans):
            self._row[Row.ASK_UNTIL] = self.forgotten_until
            return
        bound = self.last_id - WINDOW + 1
        self.forgotten_missing += self._forget(self.missing, bound)
        self.forgotten_quarantined += self._forget(self.quarantined_ids, bound)
        self.forgotten_absent += self._forget(self.absent, bound)
        if self.spans:
            spans = [span for span in self.spans if self.missing.within(span.first, span.last)]
            surplus = len(spans) - MAX_SPANS
            self.spans = [join_spans(spans[: surplus + 1]), *spans[surplus + 1 :]] if surplus > 0 else spans
        self._note()

    def _place(self, trade_id: int, *, good: bool, max_jump: int, time: int, confirms: bool) -> Verdict:
        last = self.last_id
        if trade_id > last:
            if last < self.first_id:
                self.first_id = trade_id
            elif trade_id - last > max_jump:
                return self._far(trade_id, max_jump, time) if confirms else Verdict.JUMP
            elif trade_id > last + 1:
                self._open(last + 1, trade_id - 1, "id_jump", self.last_time, time)
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
        if self.absent and trade_id in self.absent:
            self.absent.remove(trade_id, trade_id)
            return Verdict.NEW
        if trade_id <= last - WINDOW and (trade_id < self.first_id or trade_id <= self.forgotten_until):
            return Verdict.STALE
        if trade_id >= self.first_id:
            return Verdict.DUPLICATE
        if trade_id < self.first_id - 1:
            self._open(trade_id + 1, self.first_id - 1, "id_jump", time, self.last_time)
        self.first_id = trade_id
        return Verdict.NEW

    def _far(self, trade_id: int, max_jump: int, time: int) -> Verdict:
        far = self.far_ids
        if trade_id in far:
            return Verdict.JUMP
        if far and abs(trade_id - far[-1]) > max_jump:
            far.clear()
        far.append(trade_id)
        if len(far) < CONFIRMATIONS:
            return Verdict.JUMP
        newest = max(far)
        self._open(self.last_id + 1, newest, "id_jump", self.last_time, time)
        self.last_id = newest
        for confirmed in far:
            self.missing.remove(confirmed, confirmed)
            if confirmed != trade_id:
                self._quarantine(confirmed)
        far.clear()
        return Verdict.NEW

    def _note(self) -> None:
        """Write into the row up to which id the sets must be asked, and whether ids wait to be confirmed."""
        tops = [ids.highest for ids in (self.missing, self.quarantined_ids, self.absent) if ids]
        self._row[Row.ASK_UNTIL] = max([self.forgotten_until, *tops])
        self._row[Row.ASK_ALWAYS] = len(self.far_ids) > 0

    def _quarantine(self, trade_id: int) -> None:
        self.quarantined_ids.add(trade_id, trade_id)
        self.changes.quarantined.add(trade_id, trade_id)
        self._row[Row.ASK_UNTIL] = max(self._row[Row.ASK_UNTIL], trade_id)

    def _open(self, first: int, last: int, cause: str, after_time: int, before_time: int) -> None:
        self.missing.add(first, last)
        self.changes.opened.add(first, last)
        self._row[Row.ASK_UNTIL] = max(self._row[Row.ASK_UNTIL], last)
        for other, ids in self.unreported.items():
            if other == cause:
                ids.add(first, last)
            else:
                ids.remove(first, last)
        insort(self.spans, Span(first, last, cause, after_time, before_time), key=lambda span: span.first)

    def _forget(self, ids: IntervalSet, bound: int) -> int:
        surplus = ids.ranges_below(bound) - MAX_OLD_RANGES if ids.range_count() > MAX_OLD_RANGES else 0
        if surplus <= 0:
            return 0
        self.forgotten_until = max(self.forgotten_until, ids.oldest(surplus)[-1][1])
        return ids.remove_oldest(surplus)
