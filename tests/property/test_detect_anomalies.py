"""Anomalies of any market, against themselves with the state saved in between."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.columns import QuoteRows, Side, TradeRows
from tickwire.detect.anomalies import AnomalyDetector, AnomalySettings
from tickwire.records import Bar
from tickwire.symbols import Instrument

SYMBOLS = (Instrument("binance", "BTC-USDT", 2, 3), Instrument("kraken", "ETH-USD", 2, 3))
START = 1_700_000_040_000_000_000
SECOND = 1_000_000_000
SOON = AnomalySettings(
    minutes=6, min_minutes=2, price_deviations=2.0, rate_deviations=2.0, rate_multiple=2.0, rate_floor=3, samples=6,
    min_samples=2, sample_seconds=5, spread_deviations=2.0, spread_multiple=1.5, silence_seconds=30, silence_rate=2,
    pause_seconds=20,
)  # fmt: skip
STEPS = st.tuples(
    st.integers(0, 1),  # which symbol
    st.integers(1, 40),  # seconds since the step before
    st.sampled_from((10_000, 10_001, 10_010, 12_000, 7_000)),  # close
    st.integers(1, 500),  # trades of the minute so far
    st.integers(-2, 60),  # spread of a quote
    st.booleans(),  # whether there is a trade
)


def _run(steps: list[tuple[int, int, int, int, int, bool]], *, saved: bool) -> tuple[list[object], bytes]:
    detector, now, found = AnomalyDetector(SOON), START, []
    for which, seconds, close, trades, spread, traded in steps:
        now += seconds * SECOND
        symbol, rows, quotes, bars = SYMBOLS[which], TradeRows(), QuoteRows(), []
        times = {"exchange_time": now, "receive_time": now}
        quotes.append(symbol, bid_price=close, bid_size=1, ask_price=close + spread, ask_size=1, update_id=0, **times)
        if traded:
            rows.append(symbol, trade_id=1, price=close, size=1, side=Side.BUY, **times)
            start = now // (60 * SECOND) * 60 * SECOND
            numbers = (close, close, close, close, 1, 1, Decimal(1), trades, 1, 1, 1, False, now)
            bars.append(Bar(symbol.venue, symbol.symbol, 60, start, 2, 3, *numbers))
        found += detector.update(bars=bars, trades=rows.batch(), quotes=quotes.batch(), now=now)
        detector = AnomalyDetector.load(detector.dump(), SOON) if saved else detector
    return found, detector.dump()


@given(st.lists(STEPS, max_size=80))
@settings(deadline=None)
def test_the_state_may_be_saved_anywhere_and_each_anomaly_passes_its_bound(steps):
    found, state = _run(steps, saved=False)
    assert _run(steps, saved=True) == (found, state)
    for one in found:
        # A move may be out of the ordinary for being none, where the price rises all the time.
        assert one.kind == "price" or one.value >= one.usual * 0.999, one
        assert one.reason
