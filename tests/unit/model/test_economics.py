"""What following directions earns, by hand and against pandas."""

from math import exp, log, sqrt

import numpy as np
import pandas as pd
import pytest

from tests.unit.model.bar_columns import columns
from tests.unit.model.labelled import rows_of
from tests.unit.model.markets import BARS_A_DAY
from tickwire.forecast.trading_signals import Costs
from tickwire.model.economics import economics_of, follow, hold, sharpe_ratios, signals, volatilities
from tickwire.model.rows import LabelledRows, labelled_rows

COST = 0.001


def test_a_position_that_stays_costs_nothing_and_turning_around_costs_twice() -> None:
    rows = rows_of([log(1.01), log(1.02), log(0.99), log(1.01)])
    track = follow(rows, np.array([1.0, 1.0, -1.0, 0.0]), cost=COST)
    assert track.gross == pytest.approx([0.01, 0.02, 0.01, 0.0])
    # In; nothing; around; out at the close at which there is no position any more.
    assert track.turnover == pytest.approx([1, 0, 2, 1])
    assert track.returns == pytest.approx([0.009, 0.02, 0.008, -0.001])
    assert track.equity == pytest.approx(np.cumprod([1.009, 1.02, 1.008, 0.999]))
    assert (track.entries, track.exposure) == (2, 0.75)


def test_the_last_position_is_closed_and_paid_for() -> None:
    track = follow(rows_of([log(1.01)]), np.array([-1.0]), cost=COST)
    assert track.returns == pytest.approx([-0.01 - 2 * COST])


def test_a_position_is_closed_where_the_next_bar_cannot_be_predicted_from() -> None:
    rows = rows_of([log(1.01), log(1.01)], start=[0, 2])
    track = follow(rows, np.array([1.0, 1.0]), cost=COST)
    assert track.turnover == pytest.approx([1, 1, 2])
    assert track.gross == pytest.approx([0.01, 0, 0.01])


def test_instruments_share_the_capital_and_rows_may_be_in_any_order() -> None:
    one = rows_of([log(1.02), log(0.98), log(1.04)])
    instrument = np.array([1, 0, 0])
    # Of instrument 0 the second and the third bar, of instrument 1 the first.
    two = LabelledRows(
        one.start[[0, 2, 1]], one.label[[0, 2, 1]], one.move[[0, 2, 1]], instrument, one.last, one.bars, ("a:B", "a:C")
    )
    track = follow(two, np.ones(3), cost=0.0)
    assert track.gross == pytest.approx([0.01, -0.01, 0.02])
    assert track.turnover == pytest.approx([0.5, 1.0, 0.5])


def test_days_are_those_of_the_bars_in_which_the_money_was_made() -> None:
    random = np.random.default_rng(1)
    rows = rows_of(0.001 * random.standard_normal(3 * BARS_A_DAY))
    track = follow(rows, random.choice([-1.0, 0.0, 1.0], len(rows)), cost=COST)
    # A row that starts at 23:45 is known, and traded, at midnight.
    began = pd.to_datetime(rows.start + 900 * 10**9)
    expected = pd.Series(1 + track.returns, index=began).resample("1D").prod() - 1
    assert track.daily == pytest.approx(expected.to_numpy())
    assert len(track.daily) == 4


def test_buying_and_holding_is_the_mean_of_the_prices_paths() -> None:
    first = columns(close=[100.0, 110.0, 121.0, 100.0])
    second = columns(close=[50.0, 50.0, 40.0, 60.0], volume=[1.0, 1.0, 0.0, 1.0])
    second = type(second)("kraken", "ETH-USD", second.start, **second.columns)
    rows = rows_of([0.1, 0.1, 0.1])
    both = LabelledRows(
        rows.start, rows.label, rows.move, np.array([0, 1, 1]), rows.last, rows.bars, ("kraken:BTC-USD", second.name)
    )
    track = hold([first, second], both, cost=0.0)
    # In the bar without a trade the second one's price stays.
    assert track.equity == pytest.approx([(1.1 + 1) / 2, (1.21 + 1) / 2, (1 + 1.2) / 2])
    assert hold([first, second], both, cost=COST).returns[[0, -1]] == pytest.approx(track.returns[[0, -1]] - COST)


def test_the_figures_are_those_of_the_daily_returns() -> None:
    random = np.random.default_rng(2)
    rows = rows_of(0.0003 + 0.002 * random.standard_normal(60 * BARS_A_DAY))
    track = follow(rows, np.ones(len(rows)), cost=COST)
    found, daily = economics_of(track), track.daily
    assert found.days == len(daily) == 61
    assert found.entries == 1
    assert found.turnover == pytest.approx(2 / 61)
    assert found.total.value == pytest.approx(track.equity[-1] - 1)
    assert found.sharpe.value == pytest.approx(daily.mean() / daily.std(ddof=1) * sqrt(365))
    worth = pd.Series([1.0, *track.equity])
    assert found.drawdown == pytest.approx(float((1 - worth / worth.cummax()).max()))
    assert found.break_even_bps == pytest.approx(1e4 * track.gross.sum() / 2)
    assert found.sharpe.low is not None
    assert found.sharpe.high is not None
    # A. Lo, The Statistics of Sharpe Ratios (2002): the error of a day's ratio is √((1 + ratio² / 2) / days).
    error = sqrt((1 + found.sharpe.value**2 / 365 / 2) / 61) * sqrt(365)
    assert found.sharpe.high - found.sharpe.low == pytest.approx(2 * 1.96 * error, rel=0.2)


def test_what_never_trades_earns_nothing_and_has_no_ratio() -> None:
    found = economics_of(follow(rows_of([0.01, -0.01]), np.zeros(2), cost=COST))
    assert (found.total.value, found.entries, found.drawdown) == (0.0, 0, 0.0)
    assert (found.sharpe.value, found.break_even_bps) == (None, None)


def test_a_draws_ratio_is_that_of_its_days() -> None:
    daily = np.array([0.01, -0.02, 0.03])
    drawn = np.array([0.01, 0.01, 0.03])
    expected = drawn.mean() / drawn.std(ddof=1) * sqrt(365)
    assert sharpe_ratios(daily, np.array([[2.0, 0.0, 1.0]])) == pytest.approx([expected])


def test_the_volatility_is_that_of_the_last_36_returns_of_each_row() -> None:
    random = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(200)))
    bars = columns(close=list(close), high=list(1.1 * close), low=list(0.9 * close))
    rows = labelled_rows([bars])
    expected = (pd.Series(np.log(close)).diff() ** 2).rolling(36).mean() ** 0.5
    assert volatilities([bars], rows) == pytest.approx(expected[rows.start // (900 * 10**9)].to_numpy())


def test_signals_trade_only_what_is_worth_more_than_a_round_trip() -> None:
    # σ·√(2/π)·|2p - 1| is 0.8 % of a σ of 1 % and certainty; a round trip costs 0.2 %.
    costs = Costs(fee=0.0008, slippage=0.0002)
    bound = 0.5 + 0.002 / (2 * 0.01 * sqrt(2 / np.pi))
    probability = np.array([bound + 1e-6, bound - 1e-6, 1 - bound - 1e-6, 1 - bound + 1e-6])
    assert signals(probability, np.full(4, 0.01), costs).tolist() == [1.0, 0.0, -1.0, 0.0]


def test_compounding_is_of_simple_returns() -> None:
    rows = rows_of([0.5, -0.5])
    assert follow(rows, np.ones(2), cost=0.0).equity[-1] == pytest.approx(exp(0.0))
