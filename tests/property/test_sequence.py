"""TradeSequence against a model of plain sets that remembers everything."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.intervals import IntervalSet
from tickwire.validation.sequence import WINDOW, TradeSequence, Verdict

_MAX_JUMP = 10 * WINDOW
# Clusters a window apart, so that few ids meet every case around its edges.
_IDS = st.builds(lambda cluster, near: 1 + cluster * WINDOW + near, st.integers(0, 3), st.integers(0, 12))
_ROWS = st.lists(st.tuples(_IDS, st.sampled_from([True, True, True, False])), max_size=60)


class _Model:
    def __init__(self) -> None:
        self.accepted: set[int] = set()
        self.bad: set[int] = set()
        self.first = self.last = 0
        self.counts = {"duplicates": 0, "quarantined": 0}

    def observe(self, trade_id: int, good: bool) -> Verdict:
        verdict = self._verdict(trade_id)
        if verdict is Verdict.NEW:
            self.first = min(self.first or trade_id, trade_id)
            self.last = max(self.last, trade_id)
            (self.accepted if good else self.bad).add(trade_id)
            self.bad -= self.accepted
        if not good or verdict is Verdict.STALE:
            self.counts["quarantined"] += 1
        elif verdict is Verdict.DUPLICATE:
            self.counts["duplicates"] += 1
        return verdict

    def _verdict(self, trade_id: int) -> Verdict:
        in_range = self.first and self.first <= trade_id <= self.last
        if not self.first or trade_id > self.last or (in_range and trade_id not in self.accepted):
            return Verdict.NEW
        if trade_id in self.accepted:
            return Verdict.DUPLICATE
        return Verdict.STALE if trade_id <= self.last - WINDOW else Verdict.NEW

    def missing(self) -> set[int]:
        return set(range(self.first, self.last + 1)) - self.accepted - self.bad if self.first else set()


@settings(max_examples=60, deadline=None)
@given(_ROWS)
def test_verdicts_and_totals_are_those_of_plain_sets(rows):
    sequence, model = TradeSequence(), _Model()
    for trade_id, good in rows:
        verdict = sequence.observe(trade_id, good=good, max_jump=_MAX_JUMP)
        assert verdict is model.observe(trade_id, good)
        total = sequence.accepted + sequence.missing_count + sequence.quarantined_ids_count
        assert sequence.last_id - sequence.first_id + 1 == total
    missing = model.missing()
    assert sequence.accepted == len(model.accepted)
    assert sequence.missing.count == len(missing)
    assert all(first in missing and last in missing for first, last in sequence.missing.ranges())
    assert sequence.quarantined_ids.count == len(model.bad)
    assert all(value in sequence.quarantined_ids for value in model.bad)
    assert (sequence.duplicates, sequence.quarantined) == tuple(model.counts.values())


@given(st.permutations(range(1, 60)), st.lists(st.integers(1, 59), max_size=30), st.randoms())
def test_any_order_with_any_repeats_accepts_each_id_exactly_once(order, repeats, random):
    ids = [*order, *repeats]
    random.shuffle(ids)
    sequence = TradeSequence()
    accepted = [i for i in ids if sequence.observe(i, good=True, max_jump=_MAX_JUMP) is Verdict.NEW]
    assert sorted(accepted) == list(range(1, 60))
    assert (sequence.duplicates, sequence.missing_count, sequence.quarantined) == (len(repeats), 0, 0)


@given(_ROWS)
def test_gaps_reported_are_what_became_missing_and_still_is(rows):
    sequence = TradeSequence()
    for start in range(0, len(rows), 5):
        before = IntervalSet(sequence.missing.ranges())
        for trade_id, good in rows[start : start + 5]:
            sequence.observe(trade_id, good=good, max_jump=_MAX_JUMP)
        gaps = [(span.first, span.last) for span in sequence.take_gaps(1_000)]
        assert IntervalSet(gaps) == sequence.missing.difference(before)
        assert sum(last - first + 1 for first, last in gaps) == IntervalSet(gaps).count


_IDS_NEAR = st.integers(1, 30)
_RANGE = st.tuples(_IDS_NEAR, _IDS_NEAR).map(lambda pair: (min(pair), max(pair)))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("good"), st.tuples(_IDS_NEAR, st.none())),
        st.tuples(st.just("bad"), st.tuples(_IDS_NEAR, st.none())),
        st.tuples(st.sampled_from(["absent", "unreadable", "reopen"]), _RANGE),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(_STEPS, st.integers(1, 7))
def test_admission_and_the_changes_told_are_those_of_plain_sets(steps, size):
    """Every id is in one of four sets; sinks that apply the changes told record by record get the same ones."""
    sequence = TradeSequence()
    accepted, missing, bad, absent = set(), set(), set(), set()
    ledger = {name: IntervalSet() for name in ("missing", "quarantined", "absent")}
    for start in range(0, len(steps), size):
        came = IntervalSet()
        # The order within a record, as the validator keeps it.
        kinds = ("reopen", "good bad", "absent", "unreadable")
        for kind, (first, last) in sorted(
            steps[start : start + size], key=lambda step: next(n for n, names in enumerate(kinds) if step[0] in names)
        ):
            known = accepted | missing | bad | absent
            if kind in ("good", "bad"):
                fresh = first not in accepted
                if known:
                    missing |= set(range(min(*known, first), max(*known, first))) - known - {first}
                if fresh:
                    for ids in (missing, bad, absent):
                        ids.discard(first)
                    (accepted if kind == "good" else bad).add(first)
                    if kind == "good":
                        came.add(first, first)
                verdict = sequence.observe(first, good=kind == "good", max_jump=_MAX_JUMP)
                assert (verdict is Verdict.NEW) == fresh
            else:
                source = accepted if kind == "reopen" else missing
                moved = {value for value in source if first <= value <= last}
                source -= moved
                {"reopen": missing, "absent": absent, "unreadable": bad}[kind].update(moved)
                act = {
                    "reopen": sequence.reopen,
                    "absent": sequence.confirm_absent,
                    "unreadable": sequence.confirm_unreadable,
                }[kind]
                assert _values(act(first, last)) == moved
        changes = sequence.take_changes()
        ledger["missing"] = (
            ledger["missing"].union(changes.opened).difference(came.union(changes.quarantined).union(changes.absent))
        )
        ledger["absent"] = ledger["absent"].difference(came.union(changes.quarantined)).union(changes.absent)
        ledger["quarantined"] = ledger["quarantined"].union(changes.quarantined).difference(came)
        for name, ids, kept in (
            ("missing", missing, sequence.missing),
            ("quarantined", bad, sequence.quarantined_ids),
            ("absent", absent, sequence.absent),
        ):
            assert _values(kept.ranges()) == ids
            assert ledger[name] == kept
        assert sequence.accepted == len(accepted)
        assert all(sequence.missing.within(span.first, span.last) for span in sequence.take_gaps(1_000))


def _values(ranges) -> set[int]:
    return {value for first, last in ranges for value in range(first, last + 1)}
