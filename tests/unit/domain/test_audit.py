"""The audit's comparisons against plain sets, and what its report says."""

from collections import Counter
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.audit.compare import (
    LedgerSymbol,
    compare_lake,
    compare_state,
    from_on,
    intersection,
    without_reason,
)
from tickwire.audit.report import AuditFinding, AuditReport, Kind, Repair, SymbolFigures, finding, percent
from tickwire.audit.stored import StoredIds
from tickwire.cli.audit_missing import together
from tickwire.cli.audit_text import report_lines
from tickwire.intervals import IntervalSet
from tickwire.validation.sequence import TradeSequence

ids = st.integers(1, 60)
some = st.sets(ids, max_size=40)


def interval(values: set[int]) -> IntervalSet:
    return IntervalSet((i, i) for i in sorted(values))


def plain(found: IntervalSet) -> set[int]:
    return {i for first, last in found.ranges() for i in range(first, last + 1)}


def ledger(status: dict[int, str]) -> LedgerSymbol:
    """A symbol whose ids have these statuses, of which the accepted ones are not told."""
    sets = {
        name: interval({i for i, s in status.items() if s == name}) for name in ("missing", "quarantined", "absent")
    }
    return LedgerSymbol(
        venue="v", symbol="A", partition=0, first_id=min(status, default=0), last_id=max(status, default=-1), **sets
    )


@settings(deadline=None)
@given(st.lists(st.lists(ids, max_size=20), max_size=6))
def test_ids_of_the_lake_are_gathered_however_its_files_cut_them(batches):
    stored = StoredIds()
    for batch in batches:
        stored.add(np.array(batch, np.int64))
    rows = Counter(i for batch in batches for i in batch)
    assert plain(stored.ids) == set(rows)
    assert plain(stored.twice) == {i for i, count in rows.items() if count > 1}
    assert stored.rows == rows.total()


@settings(deadline=None)
@given(some, some)
def test_sets_have_in_common_what_plain_sets_have(one, other):
    assert plain(intersection(interval(one), interval(other))) == one & other


@settings(deadline=None)
@given(some, st.one_of(st.none(), ids))
def test_ids_from_one_on(values, from_id):
    assert plain(from_on(interval(values), from_id)) == {i for i in values if from_id is None or i >= from_id}


@settings(deadline=None)
@given(
    st.dictionaries(ids, st.sampled_from(["accepted", "accepted", "missing", "quarantined", "absent"])),
    st.lists(ids, max_size=80),
    st.one_of(st.none(), ids),
)
def test_the_lake_differs_from_the_ledger_as_plain_sets_do(told, rows, from_id):
    status = {i: told.get(i, "accepted") for i in range(min(told, default=1), max(told, default=0) + 1)}
    symbol = ledger(status)
    if from_id is not None:
        symbol = symbol.from_on(from_id)
    stored = StoredIds()
    stored.add(np.array(rows, np.int64))
    difference = compare_lake(symbol, stored, from_id=from_id)
    low = from_id or 0
    accepted = {i for i, s in status.items() if s == "accepted" and i >= low}
    seen = {i for i in rows if i >= low}
    assert plain(difference.lost) == accepted - seen
    assert plain(difference.unaccounted) == seen - accepted
    assert plain(difference.twice) == {i for i in seen if rows.count(i) > 1}


def history(chance: Random) -> list[TradeSequence]:
    """A sequence after each of many steps, as copies."""
    sequence, versions = TradeSequence(), []
    sequence.observe(10, good=True, max_jump=1_000)
    for _ in range(30):
        kind = chance.random()
        if kind < 0.6:
            good = chance.random() < 0.8
            sequence.observe(sequence.last_id + chance.choice([1, 1, 3]), good=good, max_jump=1_000)
        elif kind < 0.8 and sequence.missing:
            first, _ = chance.choice(sequence.missing.oldest(9))
            sequence.observe(first, good=chance.random() < 0.7, max_jump=1_000)
        elif kind < 0.9 and sequence.missing:
            sequence.confirm_absent(*chance.choice(sequence.missing.oldest(9)))
        else:
            middle = chance.randint(sequence.first_id, sequence.last_id)
            sequence.reopen(middle, middle + 1)
        versions.append(
            TradeSequence(
                first_id=sequence.first_id,
                last_id=sequence.last_id,
                missing=IntervalSet(sequence.missing.ranges()),
                quarantined_ids=IntervalSet(sequence.quarantined_ids.ranges()),
                absent=IntervalSet(sequence.absent.ranges()),
            )
        )
    return versions


def as_ledger(sequence: TradeSequence) -> LedgerSymbol:
    return LedgerSymbol(
        venue="v", symbol="A", partition=0, first_id=sequence.first_id, last_id=sequence.last_id,
        missing=sequence.missing, quarantined=sequence.quarantined_ids, absent=sequence.absent,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_a_ledger_that_moves_on_while_it_is_looked_at_is_no_difference(seed):
    """An id may seem to differ in one look, if it changed twice between, and not in a look of a quiet time."""
    versions = history(Random(seed))
    for k in range(len(versions) - 1):
        assert not compare_state(as_ledger(versions[k]), versions[k], as_ledger(versions[k + 1]))
        assert not compare_state(as_ledger(versions[k]), versions[k + 1], as_ledger(versions[k + 1]))
    once = compare_state(as_ledger(versions[0]), versions[15], as_ledger(versions[-1]))
    assert not once.still(compare_state(as_ledger(versions[-1]), versions[-1], as_ledger(versions[-1])))


@pytest.mark.parametrize("name", ["missing", "quarantined", "absent"])
def test_a_state_that_lacks_an_id_or_has_one_more_is_told(name):
    here = ledger({1: "accepted", 2: name, 3: "accepted", 4: "accepted"})
    attribute = "quarantined_ids" if name == "quarantined" else name
    state = TradeSequence(first_id=1, last_id=4)
    assert plain(getattr(compare_state(here, state, here), name)) == {2}
    setattr(state, attribute, IntervalSet([(2, 3)]))
    found = compare_state(here, state, here)
    assert plain(getattr(found, name)) == {3}
    assert bool(found)


def test_a_state_that_ends_elsewhere_is_told_and_forgotten_ids_are_not():
    here = ledger(dict.fromkeys(range(1, 11), "accepted") | {2: "missing", 9: "missing"})
    assert plain(compare_state(here, TradeSequence(first_id=1, last_id=12), here).beyond) == {11, 12}
    assert plain(compare_state(here, TradeSequence(), here).beyond) == set(range(1, 11))
    forgetful = TradeSequence(first_id=1, last_id=10, forgotten_missing=1, forgotten_until=5)
    assert plain(compare_state(here, forgetful, here).missing) == {9}


@settings(deadline=None)
@given(some, some)
def test_quarantined_ids_without_a_reason(quarantined, told):
    assert plain(without_reason(interval(quarantined), [(i, i) for i in told])) == quarantined - told


@pytest.mark.parametrize(
    ("accounted", "total", "text"),
    [
        (1, 1, "100 %"),
        (0, 0, "100 %"),
        (769_999, 770_000, "99.99987 %"),
        (99, 100, "99.00 %"),
        (0, 7, "0.00 %"),
        (2, 3, "66.66 %"),
        (10**18 - 1, 10**18, "99.99999999999999990 %"),
    ],
)
def test_a_share_is_never_rounded_up_and_shows_what_lacks(accounted, total, text):
    assert percent(accounted, total) == text


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 3_000)), max_size=30))
def test_ranges_are_asked_for_together_when_a_page_spans_them(spans):
    ranges = list(IntervalSet((first, first + length) for first, length in spans).ranges())
    joined = together(ranges)
    whole = IntervalSet(joined)
    assert all(whole.within(first, last) == [(first, last)] for first, last in ranges)
    singles = {last - first + 1 for first, last in ranges}
    assert all(last - first + 1 <= 1_000 or last - first + 1 in singles for first, last in joined)
    assert len(joined) <= len(ranges)


def figures(**changes: int | None) -> SymbolFigures:
    values = {"ids": 100, "accepted": 90, "stored": 88, "quarantined": 4, "absent": 3, "missing": 3} | changes
    return SymbolFigures(
        venue="v", symbol="A-USD", partition=0, first_id=1, last_id=100, completeness=0.95, quarantined_by_rule={},
        **values,
    )  # fmt: skip


def report(*found: AuditFinding, repair: Repair | None = None) -> AuditReport:
    complete = not any(one.problem for one in found)
    return AuditReport(1, 0, None, [figures()], list(found), {"lake": "done"}, complete, repair)


def test_lines_name_ids_and_leave_the_rest_to_json():
    many = finding(Kind.LOST, ("v", "A-USD"), [(2 * k, 2 * k) for k in range(1, 9)], "accepted, and not in the lake")
    lines = report_lines(report(many, repair=Repair(8, 7, 6, 1.25)))
    assert lines == [
        "v:A-USD   ids 1–100   stored 88   quarantined 4   absent 3   missing 3   95.00 %",
        "",
        "✗ v:A-USD: lost 2, 4, 6, 8, 10 and 3 more ranges (8 ids): accepted, and not in the lake",
        "",
        "repair: 8 ids reopened, 7 trades sent, 6 of them in the ledger after 1.2 s",
        "compared with: lake done",
        "not complete: 1 problem in 100 ids",
    ]
    flood = [finding(Kind.MISSING, ("v", f"S{k}"), [(1, 1)], "id_jump") for k in range(25)]
    assert "  … and 5 more of missing: --json gives all" in report_lines(report(*flood))


def test_a_complete_report_says_so_and_nothing_in_it_steers_a_terminal():
    evil = finding(Kind.ABSENT, ("v", "A\x1b[2J"), [(5, 5)], "the venue does not have them", "a\nb", problem=False)
    lines = report_lines(report(evil))
    assert lines[-1] == "complete: each of 100 ids is stored, quarantined with a reason, or confirmed absent"
    assert not any("\x1b" in line or "\n" in line for line in lines)


def test_the_json_has_the_documented_names():
    found = msgspec.json.decode(msgspec.json.encode(report(finding(Kind.LOST, ("v", "A"), [(1, 2)], "gone"))))
    assert set(found) == {"version", "time", "since", "symbols", "findings", "checks", "complete", "repair"}
    assert found["findings"] == [
        {"kind": "lost", "venue": "v", "symbol": "A", "ids": 2, "ranges": [[1, 2]], "cause": "gone", "detail": "",
         "problem": True}
    ]  # fmt: skip
