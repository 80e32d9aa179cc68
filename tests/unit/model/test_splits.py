"""Splits that never look ahead."""

import numpy as np
import pytest

from tests.unit.model.markets import BARS_A_DAY, INTERVAL
from tickwire.features.bar_features import LOOKBACK
from tickwire.model.features import WINDOW
from tickwire.model.rows import PURGE
from tickwire.model.splits import walk_forward, with_validation

START = np.arange(2_000) * INTERVAL


def seen(rows: np.ndarray) -> tuple[int, int]:
    """The first bar that rows are made of, and the last one, which they predict."""
    return int(START[rows].min()) - (WINDOW + LOOKBACK - 2) * INTERVAL, int(START[rows].max()) + INTERVAL


@pytest.mark.parametrize("embargo", [0, BARS_A_DAY * INTERVAL])
def test_each_fold_learns_from_before_and_sees_no_bar_of_the_later_side(embargo: int) -> None:
    tried: list[int] = []
    for learn, judge in walk_forward(START, folds=5, purge=PURGE, embargo=embargo):
        assert 0 < seen(judge)[0] - seen(learn)[1] - embargo <= 2 * INTERVAL
        tried += judge.tolist()
    assert tried == sorted(set(tried))
    assert tried[-1] == 1999
    assert tried[0] == pytest.approx(2000 / 6, abs=1)


def test_a_fold_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="fold 1 of 5 has 0 rows to learn from"):
        list(walk_forward(START[:40], folds=5, purge=PURGE))


def test_rows_to_stop_early_by_are_the_newest_and_share_no_bar_with_those_to_fit_on() -> None:
    rows = np.arange(100, 1_101)
    fit, validate = with_validation(START, rows, share=0.2, purge=PURGE)
    assert (fit[0], validate[0], validate[-1]) == (100, 900, 1_100)
    assert 0 < seen(validate)[0] - seen(fit)[1] <= 2 * INTERVAL


@pytest.mark.parametrize("rows", [0, 1, 90])
def test_too_few_rows_to_part_are_refused(rows: int) -> None:
    with pytest.raises(ValueError, match="rows"):
        with_validation(START, np.arange(rows), share=0.2, purge=PURGE)
