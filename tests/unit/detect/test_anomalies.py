"""Anomalies worked by hand, the robust deviation against scipy, and how often real minutes raise one."""

import json
from decimal import Decimal
from math import log
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from tickwire.columns import QuoteBatch, QuoteRows, Side, TradeBatch, TradeFlag, TradeRows
from tickwire.conclusions import Anomaly, AnomalyKind
from tickwire.detect.anomalies import AnomalyDetector, AnomalySettings
from tickwire.detect.usual import Window
from tickwire.errors import UnreadableState
from tickwire.records import Bar
from tickwire.symbols import Instrument

START = 1_700_000_040_000_000_000
"""The beginning of a minute."""
SECOND = 1_000_000_000
BTC = Instrument("binance", "BTC-USDT", 2, 3)
NONE = TradeBatch.empty(), QuoteBatch.empty()


def _bar(minute: int, close: float, trades: int = 100, *, interval: int = 60, received: int = 0) -> Bar:
    units = round(close * 100)
    start = START + minute * 60 * SECOND
    prices = (units, units, units, units)
    return Bar(
        *("binance", "BTC-USDT", interval, start, 2, 3, *prices, 1, 0, Decimal(1)),
        *(trades, 1, trades, 1, False, received),
    )


def _feed(detector: AnomalyDetector, *bars: Bar) -> list[Anomaly]:
    found = []
    for bar in bars:
        found += detector.update(bars=[bar], trades=_trade(), quotes=NONE[1], now=bar.start)
    return found


def _warm(closes: tuple[float, ...] = (100.0, 100.1), *, trades: int = 100, minutes: int = 62) -> AnomalyDetector:
    detector = AnomalyDetector()
    assert _feed(detector, *(_bar(k, closes[k % len(closes)], trades) for k in range(minutes))) == []
    return detector


def _quotes(spread: int, seconds: float) -> QuoteBatch:
    """One quote of 100.00 with an ask that lies ``spread`` hundredths above."""
    rows, time = QuoteRows(), START + round(seconds * SECOND)
    rows.append(
        BTC,
        bid_price=100_00,
        bid_size=1,
        ask_price=100_00 + spread,
        ask_size=1,
        update_id=0,
        exchange_time=time,
        receive_time=time,
    )
    return rows.batch()


def _look(detector: AnomalyDetector, spread: int, seconds: float) -> list[Anomaly]:
    return detector.update(bars=[], trades=NONE[0], quotes=_quotes(spread, seconds), now=START)


def _trade(flags: int = 0) -> TradeBatch:
    rows = TradeRows()
    rows.append(BTC, trade_id=1, price=100, size=1, side=Side.BUY, exchange_time=START, receive_time=START, flags=flags)
    return rows.batch()


@pytest.mark.parametrize("seed", range(5))
def test_a_window_knows_the_median_and_the_deviation_that_scipy_knows(seed: int):
    values = np.random.default_rng(seed).standard_t(2, 90).astype(np.float16)
    window = Window()
    for value in values.tolist():
        window.add(value, limit=60)
    median, deviation = Window(window.dump()).level()
    assert median == np.median(values[-60:].astype(float))
    # scipy knows the factor to more digits than the customary four.
    assert deviation == pytest.approx(median_abs_deviation(values[-60:].astype(float), scale="normal"), rel=1e-4)


def test_a_fall_far_beyond_the_usual_minute_is_told_once_with_its_bound():
    detector = _warm()
    # Returns alternate between ±ln 1.001, so the deviation is 1.4826 of that; twelve of them are 1.778 %.
    bound = 12 * 1.4826 * log(1.001)
    (found,) = _feed(detector, _bar(62, 98.0, received=5))
    assert (found.venue, found.symbol, found.kind, found.time) == ("binance", "BTC-USDT", AnomalyKind.PRICE, 5)
    assert found.value == pytest.approx(100 * (98.0 / 100.1 - 1))
    assert found.usual == pytest.approx(100 * (np.exp(-bound) - 1), rel=0.06)
    assert found.unit == "%"
    assert found.reason.startswith("fell 2.10 % since the minute before")
    assert _feed(detector, _bar(62, 97.0), _bar(63, 90.0), _bar(64, 80.0)) == []


def test_after_a_minute_near_the_usual_a_move_is_told_again():
    detector = _warm()
    assert len(_feed(detector, _bar(62, 97.0))) == 1
    assert _feed(detector, _bar(63, 97.0), _bar(64, 97.0)) == []
    (again,) = _feed(detector, _bar(65, 103.0))
    assert again.value > 0
    assert again.reason.startswith("rose")


def test_a_price_that_never_moved_needs_more_than_a_tick_to_be_out_of_the_ordinary():
    detector = _warm((100.0,))
    assert _feed(detector, _bar(62, 100.19)) == []
    assert len(_feed(detector, _bar(63, 100.45))) == 1


def test_nothing_is_told_before_half_an_hour_is_known():
    detector = AnomalyDetector()
    # 31 minutes make 30 returns, and the return of the 31st minute is known when the 32nd begins.
    assert _feed(detector, *(_bar(k, 100.0) for k in range(31)), _bar(31, 50.0, 9_999)) != []
    detector = AnomalyDetector()
    assert _feed(detector, *(_bar(k, 100.0) for k in range(29)), _bar(29, 50.0, 9_999)) == []


def test_bars_that_came_late_and_bars_of_other_lengths_change_nothing():
    detector = _warm()
    before = detector.dump()
    assert _feed(detector, _bar(60, 10.0, 99_999), _bar(61, 10.0, 99_999, interval=1)) == []
    assert AnomalyDetector.load(before).dump() == before
    assert detector.dump() == before


def test_a_burst_of_trades_is_told_while_the_minute_still_runs():
    detector = _warm(trades=100)
    assert _feed(detector, _bar(62, 100.0, 490)) == []
    (found,) = _feed(detector, _bar(62, 100.0, 501))
    assert (found.kind, found.value, found.unit) == (AnomalyKind.RATE, 501.0, "trades/min")
    assert found.usual == pytest.approx(500.0, rel=5e-3)  # five times the median, as its deviation is 0
    assert found.reason == "501 trades within a minute, where 100 are usual"
    assert _feed(detector, _bar(62, 100.0, 900), _bar(63, 100.0, 900)) == []


def test_minutes_without_a_trade_count_as_such():
    detector = _warm(trades=100, minutes=40)
    # 61 minutes without a trade: the usual is now none, and the floor of 30 trades counts.
    assert _feed(detector, _bar(101, 100.0, 29)) == []
    (found,) = _feed(detector, _bar(102, 100.0, 31))
    assert found.usual == pytest.approx(30.0, rel=5e-3)


def test_a_wide_spread_is_told_at_the_second_look():
    detector = AnomalyDetector()
    for k in range(20):
        assert _look(detector, 2 + k % 2, 15.0 * k) == []
    # Hundredths of 100 are basis points. The first wide look is among those that say what is usual: ten of 2 bp, ten of
    # 3 and one of 20 have the median 3, from which half lie no more than 1 bp off.
    assert _look(detector, 20, 300.0) == []
    assert _look(detector, 20, 314.0) == [], "a look comes every 15 s"
    (found,) = _look(detector, 20, 315.0)
    assert (found.kind, found.unit) == (AnomalyKind.SPREAD, "bp")
    assert found.value == pytest.approx(1e4 * 0.20 / 100.10)
    assert found.usual == pytest.approx(3 + 8 * 1.4826, rel=1e-3)
    assert found.time == START + 315 * SECOND
    assert _look(detector, 30, 330.0) == []


def test_one_wide_look_alone_is_nothing():
    detector = AnomalyDetector()
    for k in range(20):
        _look(detector, 2, 15.0 * k)
    assert [_look(detector, spread, 300.0 + 15 * k) for k, spread in enumerate((20, 2, 20, 2))] == [[]] * 4


def test_crossed_quotes_have_no_spread():
    detector = AnomalyDetector()
    _look(detector, 2, 0.0)
    before = detector.dump()
    assert _look(detector, -2, 15.0) == []
    assert detector.dump() == before


def _listen(detector: AnomalyDetector, seconds: range, trades: TradeBatch = NONE[0]) -> list[Anomaly]:
    """A record every second, as other symbols have it."""
    end = START + 62 * 60 * SECOND
    found = []
    for second in seconds:
        found += detector.update(bars=[], trades=trades, quotes=NONE[1], now=end + second * SECOND)
    return found


def test_silence_where_trades_come_every_second_is_told_after_a_minute():
    detector = _warm(trades=60)
    _listen(detector, range(1), _trade())
    assert _listen(detector, range(1, 60)) == []
    (found,) = _listen(detector, range(60, 61))
    assert (found.kind, found.value, found.usual, found.unit) == (AnomalyKind.SILENCE, 60.0, 60.0, "s")
    assert found.time == START + 62 * 60 * SECOND + 60 * SECOND
    assert found.reason == "no trade for 60 s, where 60 a minute are usual"
    assert _listen(detector, range(61, 200)) == []
    _listen(detector, range(200, 201), _trade())
    assert len(_listen(detector, range(201, 300))) == 1


def test_silence_is_usual_where_few_trade():
    detector = _warm(trades=59)
    _listen(detector, range(1), _trade())
    assert _listen(detector, range(1, 600)) == []


def test_time_in_which_no_record_came_is_no_silence():
    detector = _warm(trades=600)
    _listen(detector, range(1), _trade())
    assert _listen(detector, range(3600, 3601)) == []
    # An hour without records counts for five seconds; 55 more are missing.
    assert len(_listen(detector, range(3601, 3656))) == 1


def test_a_trade_from_the_past_does_not_end_silence():
    detector = _warm(trades=60)
    _listen(detector, range(1), _trade())
    assert len(_listen(detector, range(1, 100), _trade(TradeFlag.BACKFILL))) == 1


def test_what_is_not_a_state_is_refused():
    with pytest.raises(UnreadableState, match="version none"):
        AnomalyDetector.load(b"")
    whole = _warm().dump()
    assert len(whole) < 500
    for end in range(1, len(whole), 7):
        with pytest.raises(UnreadableState):
            AnomalyDetector.load(whole[:end])


def test_a_month_of_real_minutes_has_some_moves_a_day_and_each_is_one(realdata: Path):
    candles = np.array(json.loads((realdata / "candles" / "binance_BTCUSDT_1m_2023-04.json").read_text()))
    settings = AnomalySettings()
    detector, told = AnomalyDetector(settings), []
    for k, close in enumerate(candles[:, 4]):
        told += [(k, found) for found in _feed(detector, _bar(k, close))]
    returns = np.diff(np.log(candles[:, 4]))
    for k, found in told:
        past = returns[k - 1 - 60 : k - 1]
        deviation = median_abs_deviation(past, scale="normal")
        z = abs(returns[k - 1] - np.median(past)) / deviation
        assert z > 12 * 0.99, (k, found)
        assert abs(returns[k - 1]) > 0.0018, (k, found)
    days = len(candles) / 1440
    assert 0.3 < len(told) / days < 2.0
