from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from lambdas.store_writer.changes import changes_of
from lambdas.store_writer.ledger_change import SetChange
from lambdas.store_writer.multirange import ids_of, multirange_text
from tickwire.intervals import IntervalSet
from tickwire.records import Header, Progress, Ranges, Record, RecordKind, StaleBar

HIGHEST = 2**63 - 1
spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=4
)


def expanded(ranges: Ranges | list[tuple[int, int]]) -> set[int]:
    return {i for first, last in ranges for i in range(first, last + 1)}


@settings(deadline=None)
@given(before=spans, steps=st.lists(st.tuples(st.booleans(), spans), max_size=8))
def test_many_changes_of_a_set_are_one(before, steps):
    """The oracle: a plain set to which the steps are done one by one."""
    change, expected = SetChange(), expanded(before)
    for put_in, ranges in steps:
        (change.add if put_in else change.remove)(tuple(ranges))
        expected = expected | expanded(ranges) if put_in else expected - expanded(ranges)
    found = (expanded(before) - expanded(list(change.removed.ranges()))) | expanded(list(change.added.ranges()))
    assert found == expected
    assert not expanded(list(change.removed.ranges())) & expanded(list(change.added.ranges()))


@dataclass
class Sets:
    missing: set[int]
    absent: set[int]
    quarantined: set[int]


@pytest.mark.parametrize("seed", range(20))
def test_the_progress_of_several_records_is_applied_in_the_documented_order(seed):
    chance = Random(seed)
    sets = Sets(set(range(0, 60, 2)), set(range(1, 60, 4)), set(range(3, 60, 4)))
    before = Sets(set(sets.missing), set(sets.absent), set(sets.quarantined))
    records = []
    for counter in range(1, 6):
        opened, accepted, quarantined, absent = (set(chance.sample(range(70), chance.randint(0, 12))) for _ in range(4))
        sets.missing = sets.missing | opened
        sets.missing -= accepted | quarantined | absent
        sets.absent = (sets.absent - accepted - quarantined) | absent
        sets.quarantined = (sets.quarantined | quarantined) - accepted
        ranges = (tuple(IntervalSet((i, i) for i in ids).ranges()) for ids in (opened, accepted, quarantined, absent))
        names = ("opened", "accepted_ids", "quarantined_now", "absent_now")
        said = Progress("v", "A", 0, 70, 0, 0, 0, 0, 0, (), counter, **dict(zip(names, ranges, strict=True)))
        records.append(Record(header=Header(RecordKind.EVENTS, 4, counter, str(counter)), progress=(said,)))
    change = changes_of(records).ledger["v", "A"]
    assert (change.partition, change.counter, change.time) == (4, 5, 5)
    for name in ("missing", "absent", "quarantined"):
        held: SetChange = getattr(change, name)
        after = (getattr(before, name) - expanded(list(held.removed.ranges()))) | expanded(list(held.added.ranges()))
        assert after == getattr(sets, name), name


def test_hours_of_several_records_add_up():
    hours = [((0, 5, 10, 14),), ((0, 2, 8, 16), (3_600, 1, 17, 17))]
    records = [
        Record(
            header=Header(RecordKind.EVENTS, 1, n, str(n)),
            progress=(Progress("v", "A", 8, 17, 8, 0, 0, 0, 0, (), n, hours=some),),
        )
        for n, some in enumerate(hours, 1)
    ]
    found = changes_of(records).hours
    assert {start: (h.trades, h.first_id, h.last_id) for (_, _, start), h in found.items()} == {
        0: (7, 8, 16),
        3_600: (1, 17, 17),
    }


def test_a_bar_asked_for_twice_is_asked_for_as_of_the_newest_record():
    records = [
        Record(header=Header(RecordKind.EVENTS, 2, n, source), stale_bars=(StaleBar("v", "A", 1, 0, n),))
        for n, source in enumerate(("7", "9"), 1)
    ]
    (repair,) = changes_of(records).repairs.values()
    assert (repair.partition, repair.counter, repair.trades) == (2, 9, 3)


@pytest.mark.parametrize(
    ("ranges", "text"),
    [
        ((), "{}"),
        (((5, 7), (9, 9)), "{[5,7],[9,9]}"),
        (((HIGHEST, HIGHEST),), f"{{[{HIGHEST},)}}"),
    ],
)
def test_ranges_as_postgresql_writes_them(ranges, text):
    assert multirange_text(ranges) == text


def test_multiranges_as_psycopg_gives_them():
    given_back = Multirange([Range(5, 8), Range(9, 10), Range(HIGHEST - 1, None)])
    assert list(ids_of(given_back).ranges()) == [(5, 7), (9, 9), (HIGHEST - 1, HIGHEST)]
    assert not ids_of(Multirange())
