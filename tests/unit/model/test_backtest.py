"""Trades worked by hand."""

from math import log

import numpy as np
import pytest

from tests.unit.model.bar_columns import columns
from tests.unit.model.labelled import rows_of
from tests.unit.model.markets import INTERVAL
from tickwire.model.backtest import trades_of

CLOSE = [100.0, 101.0, 102.0, 101.0, 100.0, 102.0]
BARS = [columns(close=CLOSE)]
MOVES = list(np.diff(np.log(CLOSE)))


def test_neighbours_with_one_position_are_one_trade() -> None:
    trades = trades_of(rows_of(MOVES), np.array([1.0, 1.0, -1.0, 0.0, 1.0]), bars=BARS, cost=0.001)
    assert [(one.direction, one.entry, one.exit) for one in trades] == [(1, 100, 102), (-1, 102, 101), (1, 100, 102)]
    # The first bar closes at the end of its interval.
    assert [(one.entered // INTERVAL, one.left // INTERVAL) for one in trades] == [(1, 3), (3, 4), (5, 6)]
    assert [one.gross for one in trades] == pytest.approx([0.02, 1 / 102, 0.02])
    assert [one.net for one in trades] == pytest.approx([0.018, 1 / 102 - 0.002, 0.018])


def test_a_gap_ends_a_trade() -> None:
    rows = rows_of([MOVES[0], MOVES[2], log(2)], start=[0, 2, 3]).take(np.array([1, 0]))
    trades = trades_of(rows, np.array([1.0, 1.0]), bars=BARS, cost=0.0)
    assert [(one.entry, one.exit) for one in trades] == [(100, 101), (102, 101)]


def test_no_position_is_no_trade() -> None:
    assert trades_of(rows_of(MOVES), np.zeros(5), bars=BARS, cost=0.0) == ()
