"""Absence takes two looks, some time apart."""

from hypothesis import given
from hypothesis import strategies as st

from tickwire.backfill.second_look import SecondLook
from tickwire.intervals import IntervalSet


def test_what_a_page_lacks_is_looked_for_again_before_it_is_confirmed():
    looks = SecondLook(seconds=5)
    assert looks.take([(3, 6)], 10.0) == ([], [(3, 6)])
    assert looks.take([(3, 6)], 14.9) == ([], [(3, 6)])
    assert looks.take([(3, 6)], 15.0) == ([(3, 6)], [])


def test_only_ids_that_both_looks_lack_are_confirmed():
    looks = SecondLook(seconds=5)
    looks.take([(3, 4)], 10.0)
    assert looks.take([(4, 8)], 20.0) == ([(4, 4)], [(5, 8)])
    assert looks.take([(4, 8)], 25.0) == ([(4, 8)], [])


def test_ids_that_came_meanwhile_begin_anew():
    looks = SecondLook(seconds=5)
    looks.take([(3, 9)], 10.0)
    looks.keep(IntervalSet([(5, 6)]))
    assert looks.take([(3, 9)], 20.0) == ([(5, 6)], [(3, 4), (7, 9)])


def test_without_a_time_between_the_first_look_is_believed():
    assert SecondLook(seconds=0).take([(3, 9)], 10.0) == ([(3, 9)], [])


@given(st.lists(st.tuples(st.sets(st.integers(1, 20)), st.integers(0, 4)), max_size=12))
def test_against_the_times_of_plain_ids(pages):
    looks, first_lacked, now = SecondLook(seconds=3), {}, 0
    for lacking, pause in pages:
        now += pause
        confirmed, again = looks.take([(i, i) for i in sorted(lacking)], float(now))
        for trade_id in lacking:
            first_lacked.setdefault(trade_id, now)
        expected = {i for i in lacking if now - first_lacked[i] >= 3}
        assert {i for first, last in confirmed for i in range(first, last + 1)} == expected
        assert {i for first, last in again for i in range(first, last + 1)} == lacking - expected
