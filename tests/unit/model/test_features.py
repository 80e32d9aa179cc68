"""Labels and moves, worked by hand."""

import numpy as np
import pytest

from tests.unit.model.bar_columns import columns
from tickwire.model.features import labels_of, moves_of


def test_labels_are_up_down_or_none() -> None:
    labels = labels_of(columns(close=[1, 2, 2, 1, 5, 4], start=[0, 1, 2, 3, 5, 6]))
    # Up; level, so none; down; the next bar is missing; down; the last one.
    np.testing.assert_array_equal(labels, [1, np.nan, 0, np.nan, 0, np.nan])


def test_moves_are_log_returns_to_the_next_bar() -> None:
    moves = moves_of(columns(close=[100, 101, 101, 90], start=[0, 1, 2, 4]))
    np.testing.assert_allclose(moves, [np.log(1.01), 0, np.nan, np.nan])


def test_a_halted_bar_tells_nothing_of_the_move() -> None:
    # The exchange fills the candle of a halt with the last price.
    moves = moves_of(columns(close=[100, 100, 101], volume=[5, 0, 5]))
    assert np.isnan(moves[0])
    assert np.isnan(labels_of(columns(close=[100, 100, 101], volume=[5, 0, 5]))[0])


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_bars_have_none(n: int) -> None:
    bars = columns(close=[100.0] * n)
    assert labels_of(bars).shape == (n,)
    assert np.isnan(labels_of(bars)).all()
