from hypothesis import given
from hypothesis import strategies as st

from lambdas.lake_maintenance.plan import FEWEST_FILES, LiveFile, plan_bins

OPEN = 9


def small(day: int, first: int, rows: int = 10) -> LiveFile:
    return LiveFile(day=day, rows=rows, first=first)


def test_files_of_a_day_go_together_by_their_time_and_days_stay_apart():
    files = [small(2, 5), small(1, 9), small(1, 3), small(1, 7), small(2, 1), small(1, 5), small(2, 2), small(2, 9)]
    assert list(plan_bins(files, rows=100, open_from=OPEN)) == [
        [small(1, 3), small(1, 5), small(1, 7), small(1, 9)],
        [small(2, 1), small(2, 2), small(2, 5), small(2, 9)],
    ]


def test_a_group_ends_before_it_gets_more_rows_than_a_file_may():
    files = [small(1, k, rows=30) for k in range(8)]
    assert [[file.first for file in group] for group in plan_bins(files, rows=130, open_from=OPEN)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]


def test_a_group_ends_when_its_addresses_fill_a_message():
    files = [small(1, k) for k in range(9)]
    assert [len(group) for group in plan_bins(files, rows=1_000, count=4, open_from=OPEN)] == [4, 4]


def test_a_file_that_is_half_full_is_left_as_it_is():
    files = [small(1, 0, rows=50), *(small(1, k, rows=49) for k in range(1, 5))]
    assert [len(group) for group in plan_bins(files, rows=100, count=10, open_from=OPEN)] == []
    assert [file.first for group in plan_bins(files, rows=200, count=10, open_from=OPEN) for file in group] == [
        0,
        1,
        2,
        3,
    ]


def test_a_few_late_files_are_not_worth_rewriting():
    assert list(plan_bins([small(1, k) for k in range(FEWEST_FILES - 1)], rows=100, open_from=OPEN)) == []


def test_a_day_of_which_rows_were_deleted_is_left_alone():
    files = [small(1, k) for k in range(5)] + [LiveFile(day=1, rows=10, first=9, amended=True)]
    assert list(plan_bins([*files, *(small(2, k) for k in range(4))], rows=100, open_from=OPEN)) == [
        [small(2, k) for k in range(4)]
    ]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60), st.integers(0, 1000)), max_size=60),
    st.integers(2, 100),
    st.integers(FEWEST_FILES, 10),
)
def test_no_file_is_planned_twice_and_no_group_breaks_a_limit(made, rows, count):
    files = [LiveFile(day=day, rows=held, first=first, task=object()) for day, held, first in made]
    groups = list(plan_bins(files, rows=rows, count=count, open_from=OPEN))
    planned = [id(file) for group in groups for file in group]
    assert len(planned) == len(set(planned))
    for group in groups:
        assert FEWEST_FILES <= len(group) <= count
        assert sum(file.rows for file in group) <= rows
        assert len({file.day for file in group}) == 1
    assert [group[0].day for group in groups] == sorted(group[0].day for group in groups)


def test_a_day_that_still_grows_is_compacted_for_many_files_only():
    files = [small(day, k) for day in (8, 9) for k in range(6)]
    assert [group[0].day for group in plan_bins(files, rows=1_000, open_from=9, fewest_open=7)] == [8]
    assert [group[0].day for group in plan_bins(files, rows=1_000, open_from=9, fewest_open=6)] == [8, 9]
