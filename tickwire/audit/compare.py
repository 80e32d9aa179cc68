"""Holds the ledger of one symbol against what other places say of its ids."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

from tickwire.audit.stored import StoredIds
from tickwire.intervals import IntervalSet
from tickwire.validation.sequence import TradeSequence


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSymbol:
    """What the ledger says of one symbol, as of one record of trades-clean of its partition.

    Ids from ``first_id`` to ``last_id`` that are in none of the sets were accepted.
    """

    venue: str
    symbol: str
    partition: int
    first_id: int
    last_id: int
    missing: IntervalSet = field(default_factory=IntervalSet)
    quarantined: IntervalSet = field(default_factory=IntervalSet)
    absent: IntervalSet = field(default_factory=IntervalSet)

    @property
    def key(self) -> tuple[str, str]:
        """Venue and symbol."""
        return self.venue, self.symbol

    def accepted(self) -> IntervalSet:
        """Give the accepted ids."""
        ids = _span(self.first_id, self.last_id)
        for other in (self.missing, self.quarantined, self.absent):
            ids = ids.difference(other)
        return ids

    def from_on(self, from_id: int) -> "LedgerSymbol":
        """Give what it says of ids from ``from_id`` on."""
        return replace(
            self,
            first_id=max(self.first_id, from_id),
            missing=from_on(self.missing, from_id),
            quarantined=from_on(self.quarantined, from_id),
            absent=from_on(self.absent, from_id),
        )


@dataclass(frozen=True, slots=True)
class LakeDifference:
    """How the lake differs from the ledger.

    Attributes
    ----------
    lost : accepted ids that the lake does not hold
    unaccounted : ids in the lake that the ledger does not call accepted
    twice : ids that have more than one row
    """

    lost: IntervalSet
    unaccounted: IntervalSet
    twice: IntervalSet


def compare_lake(ledger: LedgerSymbol, stored: StoredIds, *, from_id: int | None = None) -> LakeDifference:
    """Compare what both say as of the same record of trades-clean; of ``stored``, ids from ``from_id`` on."""
    accepted = ledger.accepted()
    ids, twice = from_on(stored.ids, from_id), from_on(stored.twice, from_id)
    return LakeDifference(accepted.difference(ids), ids.difference(accepted), twice)


@dataclass(frozen=True, slots=True)
class StateDifference:
    """Ids that the validator's state puts elsewhere than the ledger does, by the set that they are in or lack.

    ``beyond`` are ids that lie in the range of one and not of the other.
    """

    missing: IntervalSet = field(default_factory=IntervalSet)
    quarantined: IntervalSet = field(default_factory=IntervalSet)
    absent: IntervalSet = field(default_factory=IntervalSet)
    beyond: IntervalSet = field(default_factory=IntervalSet)

    def __bool__(self) -> bool:
        return any(getattr(self, item.name) for item in fields(self))

    def still(self, later: "StateDifference") -> "StateDifference":
        """Give what is so in both of two looks: ids on their way differ in one look, never in all."""
        return StateDifference(
            *(intersection(getattr(self, item.name), getattr(later, item.name)) for item in fields(self))
        )


def compare_state(before: LedgerSymbol, state: TradeSequence, after: LedgerSymbol) -> StateDifference:
    """Compare a validator's state with the ledger as it was before the state's record and at or after it.

    The ledger moves on while one looks, so an id is only said to differ if the state puts it elsewhere
    than both do. Ids of which the state had to forget what they were are left out.
    """
    forgot = state.forgotten_missing or state.forgotten_quarantined or state.forgotten_absent
    low = state.forgotten_until + 1 if forgot else None

    def differing(ids: IntervalSet, earlier: IntervalSet, later: IntervalSet) -> IntervalSet:
        in_neither = ids.difference(earlier.union(later))
        in_both = intersection(earlier, later).difference(ids)
        return from_on(in_neither.union(in_both), low)

    return StateDifference(
        missing=differing(state.missing, before.missing, after.missing),
        quarantined=differing(state.quarantined_ids, before.quarantined, after.quarantined),
        absent=differing(state.absent, before.absent, after.absent),
        beyond=differing(
            _span(state.first_id, state.last_id),
            _span(before.first_id, before.last_id),
            _span(after.first_id, after.last_id),
        ),
    )


def without_reason(quarantined: IntervalSet, told: Iterable[tuple[int, int]]) -> IntervalSet:
    """Give the quarantined ids that no dead letter and no finding names."""
    return quarantined.difference(IntervalSet(sorted(told)))


def intersection(one: IntervalSet, other: IntervalSet) -> IntervalSet:
    """Give the integers that are in both."""
    few, many = (one, other) if one.range_count() <= other.range_count() else (other, one)
    return IntervalSet(part for first, last in few.ranges() for part in many.within(first, last))


def from_on(ids: IntervalSet, from_id: int | None) -> IntervalSet:
    """Give the integers from ``from_id`` on; None gives all."""
    if from_id is None:
        return ids
    return IntervalSet((max(first, from_id), last) for first, last in ids.ranges() if last >= from_id)


def _span(first: int, last: int) -> IntervalSet:
    return IntervalSet([(first, last)] if first <= last else ())
