"""Bars against pandas, and against themselves in any pieces and order."""

from decimal import Decimal

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.bars import SymbolBars, bars_from_trades, resample, sums_of_trades
from tickwire.columns import Side, TradeBatch
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
INSTRUMENTS = (Instrument("binance", "BTC-USDT", 8, 8), Instrument("kraken", "BTC-USD", 8, 8))


@st.composite
def _trades(draw, span_seconds=300, max_size=60):
    number = draw(st.integers(0, max_size))

    def column(strategy, dtype=np.int64):
        return np.array(draw(st.lists(strategy, min_size=number, max_size=number)), dtype)

    return TradeBatch(
        INSTRUMENTS,
        column(st.integers(0, 1), np.int32),
        np.array(draw(st.permutations(range(1, number + 1))), np.int64),
        column(st.integers(1, 10**14)),
        column(st.integers(1, 10**12)),
        column(st.sampled_from([Side.BUY, Side.SELL]), np.int8),
        column(st.integers(1_700_000_000 * SECOND, (1_700_000_000 + span_seconds) * SECOND)),
        column(st.integers(0, 2**62)),
        np.zeros(number, np.int8),
    )


def _by_pandas(batch: TradeBatch, interval: int) -> list[tuple]:
    frame = pd.DataFrame({name: getattr(batch, name) for name in batch.COLUMNS}).sort_values("trade_id")
    frame["start"] = pd.to_datetime(frame["exchange_time"], utc=True).dt.floor(f"{interval}s")
    frame["bought"] = frame["size"].where(frame["side"] == 1, 0)
    frame["notional"] = [
        Decimal(p).scaleb(-8) * Decimal(s).scaleb(-8) for p, s in zip(frame["price"], frame["size"], strict=True)
    ]
    bars = []
    for (index, start), rows in frame.groupby(["instrument", "start"]):
        venue, symbol = INSTRUMENTS[index][:2]
        price = rows["price"]
        bars.append(
            (
                *(venue, symbol, start.as_unit("ns").value),
                *(price.iloc[0], price.max(), price.min(), price.iloc[-1]),
                *(rows["size"].sum(), rows["bought"].sum(), sum(rows["notional"])),
                *(len(rows), rows["trade_id"].min(), rows["trade_id"].max(), rows["receive_time"].max()),
            )
        )
    return sorted(bars)


def _plain(bars) -> list[tuple]:
    return [
        (
            *(bar.venue, bar.symbol, bar.start),
            *(bar.open, bar.high, bar.low, bar.close, bar.volume, bar.buy_volume, bar.notional),
            *(bar.trades, bar.first_id, bar.last_id, bar.latest_receive),
        )
        for bar in bars
    ]


@settings(deadline=None)
@given(_trades(), st.sampled_from([1, 5, 60, 900]))
def test_bars_are_those_of_a_pandas_group_by(batch, interval):
    assert _plain(bars_from_trades(batch, interval)) == _by_pandas(batch, interval)


@settings(deadline=None)
@given(_trades(), st.sampled_from([(1, 1), (1, 5), (1, 60), (60, 60), (60, 300), (1, 900)]))
def test_resampled_bars_equal_bars_of_the_trades(batch, intervals):
    source, target = intervals
    assert resample(bars_from_trades(batch, source), target) == bars_from_trades(batch, target)


@settings(deadline=None)
@given(_trades(span_seconds=9), st.data())
def test_live_bars_in_any_pieces_within_the_lateness_equal_the_bars_of_all_trades(batch, data):
    batch = batch.take(batch.instrument == 0)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(batch)), max_size=5)))
    live = SymbolBars(8, 8)
    newest = {}
    for rows in np.split(np.arange(len(batch)), cuts):
        if not len(rows):
            continue
        piece = batch.take(rows)
        changed, late = live.add([sums for _, sums in sums_of_trades(piece, 1)], int(piece.exchange_time.max()))
        assert late == []
        for interval, sums, final in changed:
            assert sums.revision == newest.get((interval, sums.start), (0, None))[0] + 1
            bar = sums.bar("binance", "BTC-USDT", scales=(8, 8), interval=interval, final=final)
            newest[interval, sums.start] = (sums.revision, bar)
    for interval in (1, 60):
        bars = [bar for (key, _), (_, bar) in sorted(newest.items()) if key == interval]
        assert _plain(bars) == _plain(bars_from_trades(batch, interval))


@settings(deadline=None)
@given(_trades(span_seconds=2_000), st.data())
def test_every_trade_is_in_a_bar_or_reported_late_whatever_its_time(batch, data):
    batch = batch.take(batch.instrument == 0)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(batch)), max_size=8)))
    live = SymbolBars(8, 8)
    counted, late_trades = {}, dict.fromkeys((1, 60), 0)
    for rows in np.split(np.arange(len(batch)), cuts):
        if not len(rows):
            continue
        piece = batch.take(rows)
        changed, late = live.add([sums for _, sums in sums_of_trades(piece, 1)], int(piece.exchange_time.max()))
        counted.update({(interval, sums.start): sums.trades for interval, sums, _ in changed})
        for part in late:
            late_trades[part.interval] += part.trades
    for interval in (1, 60):
        in_bars = sum(trades for (key, _), trades in counted.items() if key == interval)
        assert in_bars + late_trades[interval] == len(batch)
