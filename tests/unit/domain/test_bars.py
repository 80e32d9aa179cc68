"""Bars worked by hand; tests/property/test_bars.py holds them against pandas."""

from dataclasses import replace as replace_columns
from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace

from tickwire.bar_table import BarTable
from tickwire.bars import bars_from_trades, resample, vwap
from tickwire.columns import Side, TradeBatch, TradeFlag, TradeRows
from tickwire.records import Bar
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
BTC = Instrument("binance", "BTC-USDT", 2, 3)
ETH = Instrument("binance", "ETH-USDT", 2, 3)
BUY, SELL = Side.BUY, Side.SELL


def _trades(*trades: tuple[int, float, int, int, Side], instrument: Instrument = BTC) -> TradeBatch:
    """Trades as (id, seconds, price, size, side); received a second after the exchange's time."""
    rows = TradeRows()
    for trade_id, seconds, price, size, side in trades:
        time = round(seconds * SECOND)
        rows.append(
            instrument,
            trade_id=trade_id,
            price=price,
            size=size,
            side=side,
            exchange_time=time,
            receive_time=time + SECOND,
        )
    return rows.batch()


def test_a_bar_adds_up_its_trades():
    (bar,) = bars_from_trades(
        _trades((1, 60.0, 100, 5, BUY), (2, 61.0, 130, 1, SELL), (3, 119.999, 90, 2, BUY), (4, 90.0, 110, 2, SELL)), 60
    )
    assert bar == Bar(
        venue="binance",
        symbol="BTC-USDT",
        interval=60,
        start=60 * SECOND,
        price_scale=2,
        size_scale=3,
        open=100,
        high=130,
        low=90,
        close=110,
        volume=10,
        buy_volume=7,
        # 1.00 x 0.005 + 1.30 x 0.001 + 0.90 x 0.002 + 1.10 x 0.002
        notional=Decimal("0.01030"),
        trades=4,
        first_id=1,
        last_id=4,
        revision=0,
        final=True,
        latest_receive=120_999_000_000,
    )
    # 0.0103 / 0.010 = 1.03
    assert vwap(bar) == 103


def test_open_and_close_follow_the_ids_where_times_are_equal_or_disagree():
    (bar,) = bars_from_trades(_trades((9, 1.0, 109, 1, BUY), (7, 1.5, 107, 1, BUY), (8, 1.0, 108, 1, BUY)), 1)
    assert (bar.open, bar.close) == (107, 109)


def test_the_end_of_an_interval_belongs_to_the_next_bar():
    bars = bars_from_trades(_trades((1, 0.0, 1, 1, BUY), (2, 0.999999999, 2, 1, BUY), (3, 1.0, 3, 1, BUY)), 1)
    assert [(bar.start, bar.trades) for bar in bars] == [(0, 2), (SECOND, 1)]


def test_seconds_without_a_trade_have_no_bar():
    bars = bars_from_trades(_trades((1, 0.0, 1, 1, BUY), (2, 100.0, 2, 1, BUY)), 1)
    assert [bar.start // SECOND for bar in bars] == [0, 100]


def test_bars_come_in_order_of_symbol_and_start():
    both = TradeBatch.concat([_trades((1, 5.0, 1, 1, BUY), (2, 0.0, 1, 1, BUY), instrument=i) for i in (ETH, BTC)])
    assert [(bar.symbol, bar.start // SECOND) for bar in bars_from_trades(both, 1)] == [
        *[("BTC-USDT", 0), ("BTC-USDT", 5), ("ETH-USDT", 0), ("ETH-USDT", 5)]
    ]


def test_sums_past_int64_stay_exact_and_volumes_stop_at_its_end():
    (bar,) = bars_from_trades(_trades(*((k, 0.0, 2**62 + k, 10**18, BUY) for k in range(12))), 1)
    assert bar.notional == Decimal(sum((2**62 + k) * 10**18 for k in range(12))).scaleb(-5)
    assert bar.volume == bar.buy_volume == 2**63 - 1


def test_no_trades_make_no_bars():
    assert bars_from_trades(TradeBatch.empty(), 60) == []
    assert resample([], 60) == []


@pytest.mark.parametrize("interval", [0, -60])
def test_an_interval_that_is_no_length_is_refused(interval):
    with pytest.raises(ValueError, match="at least 1 second"):
        bars_from_trades(TradeBatch.empty(), interval)


def test_minutes_join_into_a_quarter_of_an_hour():
    minutes = bars_from_trades(
        _trades((1, 900.0, 5, 1, BUY), (2, 960.0, 9, 2, SELL), (3, 1_799.0, 1, 3, BUY), (4, 1_800.0, 4, 1, BUY)), 60
    )
    first, second = resample(reversed(minutes), 900)
    assert (first.start, first.open, first.high, first.low, first.close) == (900 * SECOND, 5, 9, 1, 1)
    assert (first.volume, first.buy_volume, first.trades, first.first_id, first.last_id) == (6, 4, 3, 1, 3)
    assert (second.start, second.trades) == (1_800 * SECOND, 1)


def test_a_resampled_bar_is_final_when_all_parts_are_and_its_revision_grows_with_any_of_them():
    one, two = bars_from_trades(_trades((1, 0.0, 1, 1, BUY), (2, 60.0, 1, 1, BUY)), 60)
    live = [replace(one, revision=3), replace(two, revision=2, final=False)]
    (bar,) = resample(live, 300)
    assert (bar.revision, bar.final) == (5, False)


@pytest.mark.parametrize(("source", "target"), [(60, 90), (60, 30), (1, 0)])
def test_bars_are_not_joined_into_what_is_no_multiple(source, target):
    bars = bars_from_trades(_trades((1, 0.0, 1, 1, BUY)), source)
    with pytest.raises(ValueError, match="cannot make"):
        resample(bars, target)


def test_bars_of_different_intervals_are_not_joined():
    trades = _trades((1, 0.0, 1, 1, BUY))
    with pytest.raises(ValueError, match="cannot make"):
        resample(bars_from_trades(trades, 1) + bars_from_trades(trades, 60), 60)


def test_the_vwap_is_rounded_from_the_exact_quotient():
    (bar,) = bars_from_trades(_trades((1, 0.0, 100, 1, BUY), (2, 0.0, 101, 2, BUY)), 1)
    # 302 / 3 = 100.67
    assert vwap(bar) == 101
    (bar,) = bars_from_trades(_trades((1, 0.0, 100, 1, BUY), (2, 0.0, 101, 1, BUY)), 1)
    assert vwap(bar) == 101


def _add(live: BarTable, *trades: tuple[int, float, int, int, Side], instrument: Instrument = BTC):
    """Give (interval, start in seconds, trades, revision, final) of what changed, and (interval, start, trades) of
    what came too late."""
    changes = live.update(_trades(*trades, instrument=instrument))
    changed = [(bar.interval, bar.start // SECOND, bar.trades, bar.revision, bar.final) for bar in changes.bars()]
    return changed, [(interval, start // SECOND, number) for _, interval, start, number in changes.late.tolist()]


def test_a_live_bar_is_revised_by_each_record_that_touches_it():
    live = BarTable()
    assert _add(live, (1, 0.1, 1, 1, BUY), (2, 0.2, 1, 1, BUY))[0] == [(1, 0, 2, 1, False), (60, 0, 2, 1, False)]
    assert _add(live, (3, 1.0, 1, 1, BUY))[0] == [(1, 1, 1, 1, False), (60, 0, 3, 2, False)]


def test_a_late_trade_within_the_lateness_amends_its_bar():
    live = BarTable()
    _add(live, (1, 0.0, 50, 1, BUY), (3, 10.9, 60, 1, BUY))
    changes = live.update(_trades((2, 0.5, 70, 4, SELL)))
    bar, minute = changes.bars()
    assert (bar.interval, bar.start, bar.trades, bar.revision, bar.final) == (1, 0, 2, 2, False)
    assert (minute.interval, minute.start, minute.trades, minute.revision, minute.final) == (60, 0, 3, 2, False)
    assert len(changes.late) == 0
    assert (bar.open, bar.high, bar.close, bar.volume) == (50, 70, 70, 5)


def test_a_bar_is_final_exactly_when_the_watermark_reaches_its_end_and_lateness():
    live = BarTable()
    _add(live, (1, 0.0, 1, 1, BUY))
    assert _add(live, (2, 10.999999999, 1, 1, BUY))[0][:1] == [(1, 10, 1, 1, False)]
    assert _add(live, (3, 11.0, 1, 1, BUY))[0][:2] == [(1, 0, 1, 2, True), (1, 11, 1, 1, False)]
    # It is not open any more.
    assert _add(live, (4, 0.1, 1, 1, BUY))[1] == [(1, 0, 1)]


def test_a_trade_later_than_the_lateness_is_reported_and_amends_nothing_final():
    live = BarTable()
    _add(live, (1, 0.0, 1, 1, BUY), (3, 30.0, 1, 1, BUY))
    changed, late = _add(live, (2, 0.5, 9, 1, BUY))
    assert late == [(1, 0, 1)]
    assert changed == [(60, 0, 3, 2, False)]


def test_a_minute_is_final_a_minute_after_its_end():
    live = BarTable()
    _add(live, (1, 59.0, 1, 1, BUY))
    assert (60, 0, 1, 2, True) not in _add(live, (2, 119.999, 1, 1, BUY))[0]
    assert (60, 0, 1, 2, True) in _add(live, (3, 120.0, 1, 1, BUY))[0]


def test_all_trades_of_a_first_record_count_however_long_it_spans():
    live = BarTable()
    changed, late = _add(live, (1, 0.0, 1, 1, BUY), (2, 1_000.0, 1, 1, BUY))
    assert late == []
    assert changed == [*[(1, 0, 1, 1, True), (1, 1_000, 1, 1, False), (60, 0, 1, 1, True), (60, 960, 1, 1, False)]]


def test_other_scales_make_every_open_bar_final():
    live = BarTable()
    _add(live, (1, 0.0, 1, 1, BUY), (2, 5.0, 1, 1, BUY))
    changed, late = _add(live, (3, 5.5, 1, 1, BUY), instrument=BTC._replace(price_scale=4))
    assert changed == [(1, 0, 1, 2, True), (1, 5, 1, 2, True), (60, 0, 2, 2, True)]
    assert late == [(1, 5, 1), (60, 0, 1)]


def test_trades_of_the_past_alone_do_not_bring_their_scales_back():
    live = BarTable()
    _add(live, (1, 61.0, 1, 1, BUY), instrument=BTC._replace(price_scale=4))
    old = _trades((2, 61.0, 1, 1, BUY), (3, 62.5, 1, 1, BUY))
    changes = live.update(replace_columns(old, flags=np.full(2, TradeFlag.BACKFILL, np.int8)))
    assert len(changes.rows) == 0
    assert [tuple(row[1:]) for row in changes.late.tolist()] == [
        *[(1, 61 * SECOND, 1), (1, 62 * SECOND, 1), (60, 60 * SECOND, 2)]
    ]
    # One live trade among them does, also in a second that other trades of it come before.
    (first, second), other = (old.take(np.array([k])) for k in (0, 1)), _trades((1, 61.0, 1, 1, BUY), instrument=ETH)
    first = replace_columns(first, flags=np.full(1, TradeFlag.BACKFILL, np.int8))
    second = replace_columns(second, exchange_time=first.exchange_time + 1)
    changes = live.update(TradeBatch.concat([first, other, second]))
    bars = [bar for bar in changes.bars() if bar.symbol == BTC.symbol]
    assert [(bar.price_scale, bar.interval, bar.final) for bar in bars] == [(4, 1, True), (4, 60, True)]
    assert [tuple(row[1:]) for row in changes.late.tolist()] == [(1, 61 * SECOND, 2), (60, 60 * SECOND, 2)]


def test_a_bar_that_was_given_does_not_change_afterwards():
    live = BarTable()
    given = live.update(_trades((1, 0.0, 1, 1, BUY)))
    live.update(_trades((2, 0.0, 1, 1, BUY)))
    assert [(bar.trades, bar.revision) for bar in given.bars()] == [(1, 1), (1, 1)]


def test_symbols_do_not_touch_each_other():
    live = BarTable()
    _add(live, (1, 0.0, 1, 1, BUY))
    assert _add(live, (1, 500.0, 1, 1, BUY), instrument=ETH)[0] == [(1, 500, 1, 1, False), (60, 480, 1, 1, False)]
    assert _add(live, (2, 0.5, 1, 1, BUY))[0] == [(1, 0, 2, 2, False), (60, 0, 2, 2, False)]


def test_a_table_grows_by_symbols_one_by_one():
    live = BarTable()
    symbols = [BTC._replace(symbol=f"S{k:03}-USDT") for k in reversed(range(100))]
    for symbol in symbols:
        assert _add(live, (1, 0.0, 1, 1, BUY), instrument=symbol)[0][0] == (1, 0, 1, 1, False)
    both = TradeBatch.concat([_trades((2, 0.0, 1, 1, BUY), instrument=symbol) for symbol in symbols])
    bars = live.update(both).bars()
    assert [(bar.symbol, bar.interval) for bar in bars] == [
        (symbol.symbol, interval) for symbol in reversed(symbols) for interval in (1, 60)
    ]
    assert {(bar.trades, bar.revision) for bar in bars} == {(2, 2)}


def test_instruments_without_a_trade_take_no_room():
    live = BarTable()
    instruments = tuple(BTC._replace(symbol=f"S{k:03}-USDT") for k in range(100))
    batch = replace_columns(_trades((1, 0.0, 5, 1, BUY)), instruments=instruments)
    for first, number, trades in ((70, 1, 1), (70, 2, 2), (30, 3, 1)):
        index = np.array([first], np.int32)
        shared = replace_columns(batch, instrument=index, trade_id=np.array([number]))
        assert [(bar.symbol, bar.trades) for bar in live.update(shared).bars()] == [(f"S{first:03}-USDT", trades)] * 2
        assert live.last_trades(shared, limit=1, behind=5).trade_id.tolist() == [number]
    assert [symbol for _, symbol in live.symbols] == ["S070-USDT", "S030-USDT"]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]])
def test_the_last_trades_are_those_with_the_highest_ids_near_the_newest(order):
    live = BarTable()
    live.update(_trades((100, 0.0, 1, 1, BUY)))
    batch = TradeBatch.concat(
        [
            _trades((99, 0.0, 1, 1, BUY), (40, 0.0, 1, 1, BUY), (41, 0.0, 1, 1, BUY)),
            _trades((7, 0.0, 1, 1, BUY), (8, 0.0, 1, 1, BUY), instrument=ETH),
        ]
    ).take(np.array(order))
    live.update(batch)
    last = live.last_trades(batch, limit=2, behind=60)
    found = [(last.instruments[k].symbol, i) for k, i in zip(last.instrument, last.trade_id, strict=True)]
    assert sorted(found) == [("BTC-USDT", 41), ("BTC-USDT", 99), ("ETH-USDT", 7), ("ETH-USDT", 8)]
    assert [i for name, i in found if name == "BTC-USDT"] == [41, 99]


def test_arrays_that_are_views_or_read_only_are_taken_too():
    batch = _trades((1, 0.0, 5, 1, BUY), (2, 0.0, 6, 1, BUY), (3, 0.0, 7, 1, BUY))
    every_other = batch.take(slice(None, None, 2))
    for name in batch.COLUMNS:
        getattr(batch, name).flags.writeable = False
    assert [bar.close for bar in bars_from_trades(batch, 1)] == [7]
    assert [bar.volume for bar in bars_from_trades(every_other, 1)] == [2]
