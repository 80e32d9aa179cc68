"""IntervalSet against Python's own sets."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.intervals import IntervalSet

_IDS = st.integers(-40, 40)
_RANGES = st.tuples(_IDS, st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
_CHANGES = st.lists(st.tuples(st.sampled_from(["add", "remove"]), _RANGES), max_size=40)


def _as_set(intervals: IntervalSet) -> set[int]:
    return {value for first, last in intervals.ranges() for value in range(first, last + 1)}


def _apply(changes: list[tuple[str, tuple[int, int]]]) -> tuple[IntervalSet, set[int]]:
    intervals, model = IntervalSet(), set[int]()
    for change, (first, last) in changes:
        getattr(intervals, change)(first, last)
        (model.update if change == "add" else model.difference_update)(range(first, last + 1))
    return intervals, model


@given(_CHANGES)
def test_adding_and_removing_ranges_gives_the_members_of_a_set(changes):
    intervals, model = _apply(changes)
    assert _as_set(intervals) == model
    assert intervals.count == len(model)
    assert bool(intervals) == bool(model)
    assert all((value in intervals) == (value in model) for value in range(-60, 70))


@given(_CHANGES)
def test_ranges_are_sorted_and_never_touch(changes):
    ranges = list(_apply(changes)[0].ranges())
    assert all(first <= last for first, last in ranges)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(ranges))


@given(_CHANGES, _RANGES)
def test_the_ranges_within_bounds_hold_the_members_among_them(changes, bounds):
    intervals, model = _apply(changes)
    inside = [value for first, last in intervals.within(*bounds) for value in range(first, last + 1)]
    assert inside == sorted(model & set(range(bounds[0], bounds[1] + 1)))


@given(_CHANGES, _IDS)
def test_ranges_below_a_bound_are_those_that_end_before_it(changes, bound):
    intervals, _ = _apply(changes)
    assert intervals.ranges_below(bound) == sum(last < bound for _, last in intervals.ranges())


@given(_CHANGES, _CHANGES)
def test_union_and_difference_are_those_of_sets_and_leave_their_operands(left_changes, right_changes):
    left, left_model = _apply(left_changes)
    right, right_model = _apply(right_changes)
    assert _as_set(left.union(right)) == left_model | right_model
    assert _as_set(left.difference(right)) == left_model - right_model
    assert _as_set(left) == left_model
    assert _as_set(right) == right_model


@given(_CHANGES, st.integers(0, 50))
def test_removing_the_oldest_ranges_keeps_the_newest(changes, number):
    intervals, model = _apply(changes)
    kept = list(intervals.ranges())[number:]
    removed = intervals.remove_oldest(number)
    assert list(intervals.ranges()) == kept
    assert removed == len(model) - intervals.count


@given(st.lists(st.integers(-(2**63), 2**63 - 2), max_size=60, unique=True))
def test_compact_bytes_are_read_back_as_the_same_set(ids):
    intervals = IntervalSet((value, value + 1) for value in ids)
    again = IntervalSet.from_bytes(intervals.to_bytes())
    assert again == intervals
    assert again.count == intervals.count
    assert again.to_bytes() == intervals.to_bytes()


@given(st.binary(max_size=60))
def test_any_bytes_are_a_set_or_a_value_error(data):
    try:
        intervals = IntervalSet.from_bytes(data)
    except ValueError:
        return
    assert IntervalSet(intervals.ranges()) == intervals


def test_single_holes_cost_two_bytes_a_range():
    intervals = IntervalSet((value, value) for value in range(6_486_989_273, 6_486_989_273 + 2_000, 2))
    assert len(intervals.to_bytes()) == 2 * 1_000 + 4


def test_a_range_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match="ends before it starts"):
        IntervalSet().add(5, 4)
    with pytest.raises(ValueError, match="ends before it starts"):
        IntervalSet().remove(5, 4)
