"""Order flow worked by hand, and against pandas; tests/property/test_features_order_flow.py has its definition."""

import subprocess
import sys
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tickwire.features
from tests.unit.features.oracles import order_flow_by_definition, trades
from tickwire.capture import read_capture
from tickwire.columns import Side, TradeBatch
from tickwire.errors import UnreadableState
from tickwire.features.order_flow import OrderFlow
from tickwire.symbols import Instrument
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

BTC = Instrument("binance", "BTC-USDT", 2, 3)
ETH = Instrument("binance", "ETH-USDT", 2, 3)
START = 1_700_000_000_000_000_000
HALF = round(30 * log(2) * 1e9)
"""ns in which a weight of 30 s falls to a half, and one of 1 s to 2**-30."""
BUY, SELL, UNKNOWN = Side.BUY, Side.SELL, Side.UNKNOWN


def _rows(*rows: tuple[int, int, Side, int], instrument: Instrument = BTC) -> TradeBatch:
    """Trades of one instrument as (price, size, side, ns after START)."""
    price, size, side, time = zip(*rows, strict=True)
    return trades((instrument,), np.zeros(len(rows)), price, size, side, [START + t for t in time])


def _market(seed: int, *, symbols: int, n: int) -> TradeBatch:
    """Many symbols, sorted by (instrument, id), half of the trades at the time of the one before, some late."""
    random = np.random.default_rng(seed)
    instruments = tuple(Instrument("binance", f"C{i}-USDT", 6, 4) for i in range(symbols))
    gap = np.where(random.random(n) < 0.5, 0, random.exponential(3e8, n)).astype(np.int64)
    late = np.where(random.random(n) < 0.02, 2_000_000_000, 0)
    return trades(
        instruments,
        np.sort(random.integers(0, symbols, n)),
        1e8 * np.exp(np.cumsum(random.normal(0, 1e-4, n))),
        random.integers(1, 10**7, n),
        random.integers(1, 3, n),
        START + np.cumsum(gap) - late,
    )


def _pandas_times(batch: TradeBatch) -> pd.DatetimeIndex:
    """The clock, counted from the first trade: pandas takes times as floats, which today's ns are too large for."""
    clock = np.maximum.accumulate(batch.exchange_time)
    return pd.to_datetime(clock - clock[0], utc=True)


def test_an_older_trade_weighs_half_after_half_its_life():
    got = OrderFlow().update(_rows((100_00, 2_000, BUY, 0), (110_00, 1_000, SELL, HALF)))
    np.testing.assert_allclose(got[0], [100, 100, 100, 1, 0, 0], rtol=1e-12)
    fast = (100 * 2**-30 + 110) / (1 + 2**-30)
    # By size, the older one's half of 2 weighs as much as the newer one's 1: both means lie in the middle.
    expected = [fast, (100 / 2 + 110) / 1.5, 105, 0, 0.1, fast / (160 / 1.5) - 1]
    np.testing.assert_allclose(got[1], expected, rtol=1e-9, atol=1e-10)


def test_trades_of_one_moment_weigh_the_same():
    got = OrderFlow().update(_rows((100_00, 1_000, BUY, 0), (110_00, 3_000, BUY, 0), (99_00, 4_000, SELL, 0)))
    np.testing.assert_allclose(got[2], [103, 103, (100 + 330 + 396) / 8, 0, (0.01 + 0.01) ** 0.5, 0], atol=1e-12)


def test_a_late_trade_counts_as_if_it_came_at_the_newest_time():
    flow, on_time = OrderFlow(), OrderFlow()
    late = flow.update(_rows((100_00, 5, BUY, 10**9), (110_00, 5, SELL, 0), (120_00, 5, BUY, 2 * 10**9)))
    same = on_time.update(_rows((100_00, 5, BUY, 10**9), (110_00, 5, SELL, 10**9), (120_00, 5, BUY, 2 * 10**9)))
    np.testing.assert_array_equal(late, same)
    assert flow.dump() == on_time.dump()


def test_after_a_long_silence_only_the_new_trade_counts():
    got = OrderFlow().update(_rows((100_00, 7, SELL, 0), (200_00, 1, BUY, 10 * 86_400 * 10**9)))
    np.testing.assert_array_equal(got[1], [200, 200, 200, 1, 1, 0])


def test_a_market_at_rest_gives_its_price_exactly():
    random = np.random.default_rng(1)
    times = np.cumsum(random.integers(0, 10**9, 5000))
    got = OrderFlow().update(_rows(*((4567, int(s), BUY, int(t)) for s, t in zip(times % 997 + 1, times, strict=True))))
    price = 4567 * 0.01
    np.testing.assert_array_equal(got, np.tile([price, price, price, 1, 0, 0], (5000, 1)))


def test_a_row_that_is_no_trade_changes_nothing():
    good = [(100_00, 5, BUY, 0), (101_00, 6, SELL, 10**9)]
    flow, undisturbed = OrderFlow(), OrderFlow()
    got = flow.update(_rows((0, 5, BUY, 0), good[0], (-1, 1, BUY, 5), (100_00, 0, BUY, 10**15), good[1]))
    np.testing.assert_array_equal(got[[1, 4]], undisturbed.update(_rows(*good)))
    assert np.isnan(got[[0, 2, 3]]).all()
    assert flow.dump() == undisturbed.dump()


def test_a_trade_of_unknown_side_is_volume_but_neither_bought_nor_sold():
    got = OrderFlow().update(_rows((100, 3_000, BUY, 0), (100, 1_000, UNKNOWN, 0)))
    assert got[1, 3] == 0.75


def test_a_symbol_whose_scales_change_goes_on():
    finer = BTC._replace(price_scale=4, size_scale=5)
    flow, as_before = OrderFlow(), OrderFlow()
    first = _rows((100_00, 2_000, BUY, 0))
    flow.update(first)
    as_before.update(first)
    got = flow.update(_rows((110_0000, 1_00000, SELL, HALF), instrument=finer))
    np.testing.assert_allclose(got, as_before.update(_rows((110_00, 1_000, SELL, HALF))), rtol=1e-14, atol=1e-15)


def test_thousands_of_symbols_come_out_as_each_alone():
    batch = _market(2, symbols=3000, n=30_000)
    got = OrderFlow().update(batch)
    for symbol in range(0, 3000, 7):
        mine = batch.instrument == symbol
        np.testing.assert_array_equal(got[mine], OrderFlow().update(batch.take(mine)))


def test_symbols_that_alternate_come_out_as_grouped():
    batch = _market(3, symbols=20, n=2_000)
    position = np.arange(2_000) - np.searchsorted(batch.instrument, batch.instrument)
    in_turn = np.lexsort((batch.instrument, position))
    np.testing.assert_array_equal(OrderFlow().update(batch.take(in_turn)), OrderFlow().update(batch)[in_turn])


def test_a_batch_with_another_table_of_instruments_finds_its_symbols():
    flow, alone = OrderFlow(), OrderFlow()
    both = trades((BTC, ETH), [0, 1], [100, 7], [1, 1], [1, 1], [START, START])
    flow.update(both)
    alone.update(_rows((7, 1, BUY, 0), instrument=ETH))
    turned = trades((ETH, BTC), [0], [9], [4], [2], [START + 5])
    np.testing.assert_array_equal(flow.update(turned), alone.update(turned))


def test_saved_and_loaded_in_the_middle_nothing_changes():
    batch = _market(4, symbols=50, n=4_000)
    order = np.argsort(batch.exchange_time, kind="stable")
    first, second = batch.take(order[:2_000]), batch.take(order[2_000:])
    flow = OrderFlow()
    flow.update(first)
    loaded = OrderFlow.load(flow.dump())
    assert loaded.dump() == flow.dump()
    np.testing.assert_array_equal(loaded.update(second), flow.update(second))
    assert loaded.dump() == flow.dump()


def test_the_bytes_do_not_tell_in_which_order_symbols_came():
    btc, eth = _rows((100, 5, BUY, 0)), _rows((7, 3, SELL, 1), instrument=ETH)
    one, other = OrderFlow(), OrderFlow()
    for batch in (btc, eth):
        one.update(batch)
    for batch in (eth, btc):
        other.update(batch)
    assert one.dump() == other.dump()
    assert OrderFlow.load(OrderFlow().dump()).dump() == OrderFlow().dump()


def test_damaged_state_is_refused():
    flow = OrderFlow()
    flow.update(_rows((100, 5, BUY, 0)))
    data = flow.dump()
    for damaged in (b"", b"\x00" + data[1:], data[:-1], data[:1] + b"\xc1", data[:1] + b"\x93\x90\xc4\x08" + bytes(9)):
        with pytest.raises(UnreadableState):
            OrderFlow.load(damaged)


def test_what_does_not_fit_is_refused_and_nothing_taken_in():
    flow, batch = OrderFlow(), _rows((100, 5, BUY, 0), (101, 5, BUY, 0))
    flow.update(batch)
    before = flow.dump()
    with pytest.raises(IndexError):
        flow.update(trades((BTC,), [0, 1], [1, 1], [1, 1], [1, 1], [START, START]))
    with pytest.raises(IndexError):
        flow.update(trades((BTC,), [0, -1], [1, 1], [1, 1], [1, 1], [START, START]))
    with pytest.raises(ValueError, match="rows"):
        flow.update(batch, out=np.empty((3, 6)))
    with pytest.raises(TypeError):
        flow.update(batch, out=np.empty((2, 6), np.float32))
    with pytest.raises(TypeError):
        flow.update(batch.take(np.array([0, 0, 1, 1])).take(slice(None, None, 2)))
    assert flow.dump() == before


def test_results_can_go_into_an_array_of_the_caller():
    batch, out = _market(5, symbols=5, n=100), np.empty((100, 6))
    assert OrderFlow().update(batch, out=out) is out
    np.testing.assert_array_equal(out, OrderFlow().update(batch))
    assert OrderFlow().update(TradeBatch.empty()).shape == (0, 6)


def test_both_means_are_those_of_pandas():
    batch = _market(6, symbols=1, n=10_000)
    times = _pandas_times(batch)
    price, got = pd.Series(batch.price * 1e-6), OrderFlow().update(batch)
    for column, seconds in ((0, 1), (1, 30)):
        expected = price.ewm(halflife=pd.Timedelta(round(seconds * log(2) * 1e9), "ns"), times=times).mean()
        np.testing.assert_allclose(got[:, column], expected, rtol=1e-9)


def test_a_million_trades_later_it_is_still_the_definition():
    batch = _market(7, symbols=1, n=1_000_000)
    got = OrderFlow().update(batch)
    # What came more than 800 s before weighs exp(-800 / 30), 3e-12 of a trade: it may be left out.
    tail = batch.take(slice(-6_000, None))
    assert tail.exchange_time[-100] - tail.exchange_time[0] > 800 * 10**9
    expected = order_flow_by_definition(tail, last=100)
    np.testing.assert_allclose(got[-100:], expected, rtol=1e-9, atol=1e-12)


def test_a_real_capture_comes_out_as_pandas_has_it(realdata: Path):
    feed, out = new_feed("binance"), ParsedFrames()
    for captured in read_capture(realdata / "captures" / "binance_spot_ethusdt_20240808.gz"):
        feed.parse(captured.frame, captured.receive_time or 0, out)
    batch = out.trades.batch()
    batch = batch.take(np.argsort(batch.trade_id))
    (instrument,) = batch.instruments
    price, size = batch.price * 10.0**-instrument.price_scale, batch.size * 10.0**-instrument.size_scale
    decayed = {"halflife": pd.Timedelta(HALF, "ns"), "times": _pandas_times(batch)}
    # The weights' own sum falls out of a quotient of two of pandas' means.
    mean_size = pd.Series(size).ewm(**decayed).mean()
    got = OrderFlow().update(batch)
    assert len(got) == 6_106
    vwap = pd.Series(price * size).ewm(**decayed).mean() / mean_size
    imbalance = pd.Series(np.where(batch.side == BUY, size, -size)).ewm(**decayed).mean() / mean_size
    np.testing.assert_allclose(got[:, 2], vwap, rtol=1e-9)
    np.testing.assert_allclose(got[:, 3], imbalance, rtol=1e-9, atol=1e-9)


def test_every_name_is_explained():
    for name in OrderFlow.FEATURES:
        assert f"| ``{name}`` |" in (tickwire.features.__doc__ or "")


def test_numba_is_not_imported_before_it_is_needed():
    code = "import sys, tickwire.features.order_flow, tickwire.features.indicators; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
