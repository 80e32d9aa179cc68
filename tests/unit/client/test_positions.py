"""Positions of a client against the plain set of the numbers that it was given."""

from hypothesis import given
from hypothesis import strategies as st

from tickwire.client.positions import Positions

KEY = ("trades", "binance:BTC-USDT")
RANGES = st.tuples(st.integers(1, 40), st.integers(0, 6)).map(lambda r: (r[0], r[0] + r[1] - 1))


@given(st.integers(0, 20), st.lists(RANGES, max_size=30), st.integers(0, 30))
def test_complete_is_the_longest_unbroken_run(start: int, ranges: list[tuple[int, int]], when: int) -> None:
    positions = Positions()
    for index, (first, last) in enumerate(ranges):
        if index == when:
            positions.snapshot(KEY, {3: start})
        positions.update(KEY, 3, first, last)
    if when >= len(ranges):
        positions.snapshot(KEY, {3: start})
    seen = set(range(1, start + 1)).union(*(range(a, b + 1) for a, b in ranges))
    complete = next(n for n in range(100) if n + 1 not in seen)
    assert positions.known() == {KEY: {3: complete}}
    hole = any(n > complete for n in seen)
    assert positions.holes() == ({KEY: {3: complete}} if hole else {})


@given(st.lists(RANGES, max_size=30))
def test_a_replay_from_the_hole_closes_it_though_few_ranges_are_kept(
    ranges: list[tuple[int, int]],
) -> None:
    positions = Positions(most_ranges=1)
    positions.snapshot(KEY, {3: 0})
    for first, last in ranges:
        positions.update(KEY, 3, first, last)
    positions.update(KEY, 3, positions.known()[KEY][3] + 1, 50)
    assert positions.known() == {KEY: {3: 50}}
    assert positions.holes() == {}


def test_a_reset_forgets_until_the_snapshot() -> None:
    positions = Positions()
    positions.snapshot(KEY, {3: 900})
    positions.reset(KEY, 3)
    assert positions.known() == {}
    positions.update(KEY, 3, 6, 7)
    assert positions.known() == {}
    positions.snapshot(KEY, {3: 5})
    assert positions.known() == {KEY: {3: 7}}


def test_a_key_is_holed_as_long_as_one_of_its_sources_is() -> None:
    positions = Positions()
    positions.update(KEY, 3, 5, 5)
    assert (positions.holed, positions.complete(KEY, 3)) == (set(), 0)
    positions.snapshot(KEY, {3: 2, 64: 7})
    positions.update(KEY, 64, 9, 9)
    assert (positions.holed, positions.complete(KEY, 3), positions.complete(KEY, 64)) == ({KEY}, 2, 7)
    positions.update(KEY, 3, 3, 4)
    assert (positions.holed, positions.complete(KEY, 3)) == ({KEY}, 5)
    positions.reset(KEY, 64)
    assert (positions.holed, positions.complete(KEY, 64)) == (set(), 0)
