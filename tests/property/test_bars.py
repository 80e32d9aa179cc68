"""Bars against pandas, and against themselves in any pieces and order."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.domain.live_bars import PlainBars, bar_of, trades_of
from tickwire.bar_table import BarTable
from tickwire.bars import BarSums, bars_from_trades, resample, sums_of_trades
from tickwire.columns import Side, TradeBatch, TradeFlag
from tickwire.stages.bar_table_state import pack_bars, unpack_bars
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
    cuts = sorted(data.draw(st.lists(st.integers(0, len(batch)), max_size=5)))
    live = BarTable()
    newest = {}
    for rows in np.split(np.arange(len(batch)), cuts):
        changes = live.update(batch.take(rows))
        assert len(changes.late) == 0
        for bar in changes.bars():
            key = (bar.venue, bar.interval, bar.start)
            assert bar.revision == newest.get(key, (0, None))[0] + 1
            newest[key] = (bar.revision, bar)
    for interval in (1, 60):
        bars = [bar for (_, key, _), (_, bar) in sorted(newest.items()) if key == interval]
        assert _plain(bars) == _plain(bars_from_trades(batch, interval))


@settings(deadline=None)
@given(_trades(span_seconds=2_000), st.data())
def test_every_trade_is_in_a_bar_or_reported_late_whatever_its_time(batch, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(batch)), max_size=8)))
    live = BarTable()
    counted, late_trades = {}, dict.fromkeys((1, 60), 0)
    for rows in np.split(np.arange(len(batch)), cuts):
        changes = live.update(batch.take(rows))
        counted.update({(bar.venue, bar.interval, bar.start): bar.trades for bar in changes.bars()})
        for _, interval, _, trades in changes.late.tolist():
            late_trades[interval] += trades
    for interval in (1, 60):
        in_bars = sum(trades for (_, key, _), trades in counted.items() if key == interval)
        assert in_bars + late_trades[interval] == len(batch)


_ANY = st.integers(-(2**63), 2**63 - 1)
_EXTREME = st.tuples(
    st.integers(0, 2),
    st.integers(1, 30),
    st.one_of(_ANY, st.sampled_from([2**63 - 1, -(2**63)])),
    st.one_of(_ANY, st.sampled_from([2**63 - 1, -(2**63)])),
    st.integers(0, 2),
    st.one_of(st.integers(-100 * SECOND, 100 * SECOND), st.integers(-(2**62), 2**62)),
    _ANY,
    st.integers(0, 15),
)


def _batch(instruments, rows) -> TradeBatch:
    matrix = np.array(rows, np.int64).reshape(len(rows), len(TradeBatch.COLUMNS))
    columns = (matrix[:, k].astype(dtype) for k, dtype in enumerate(TradeBatch.COLUMNS.values()))
    return TradeBatch(instruments, *columns)


@settings(deadline=None)
@given(st.lists(_EXTREME, max_size=40, unique_by=lambda row: row[:2]), st.sampled_from([1, 60]))
def test_sums_of_any_numbers_in_any_order_are_those_of_pythons_integers(rows, interval):
    instruments = tuple(Instrument("binance", symbol, 2, 3) for symbol in ("B-USD", "A-USD", "C-USD"))
    groups = {}
    for index, trade_id, *trade in rows:
        groups.setdefault((index, trade[3] // (interval * SECOND)), []).append((trade_id, *trade))
    expected = []
    for (index, place), trades in sorted(groups.items()):
        bar = bar_of(instruments[index], interval, trades)
        sizes = [(trade[2], trade[3] == Side.BUY) for trade in trades]
        sums = (sum(size for size, _ in sizes), sum(size for size, bought in sizes if bought))
        notional = sum(trade[1] * trade[2] for trade in trades)
        prices = (bar.open, bar.high, bar.low, bar.close)
        counts = (bar.trades, bar.first_id, bar.last_id, bar.latest_receive)
        expected.append((index, BarSums(place * interval * SECOND, *prices, *sums, notional, *counts)))
    assert sums_of_trades(_batch(instruments, rows), interval) == expected


def test_runs_that_alternate_by_time_and_symbol_are_joined():
    # A hundred seconds that each come back, and of every second trade another symbol.
    rows = [(k % 2, k, 100 + k, 1, 1, (k // 2 % 100) * SECOND, 0, 0) for k in range(1, 1_001)]
    instruments = tuple(Instrument("binance", symbol, 2, 3) for symbol in ("A-USD", "B-USD"))
    batch = _batch(instruments, rows)
    groups = {}
    for instrument, trade in trades_of(batch):
        groups.setdefault((instrument, trade[4] // SECOND), []).append(trade)
    assert len(groups) == 200
    assert bars_from_trades(batch, 1) == [bar_of(key[0], 1, trades) for key, trades in sorted(groups.items())]


_SYMBOLS = (
    Instrument("binance", "ETH-USDT", 8, 8),
    Instrument("binance", "BTC-USDT", 2, 3),
    Instrument("binance", "BTC-USDT", 8, 3),
    Instrument("kraken", "BTC-USD", 8, 8),
)
_T0 = 1_700_000_000 * SECOND
# Seconds of a second, boundaries of bars, and of the lateness.
_TIME = st.one_of(
    st.integers(_T0, _T0 + 3 * SECOND),
    st.builds(lambda s, ns: _T0 + s * SECOND + ns, st.integers(0, 200), st.sampled_from([-1, 0, 1])),
    st.integers(_T0, _T0 + 5_000 * SECOND),
)
_FLAGS = st.sampled_from([0, 0, 0, TradeFlag.SNAPSHOT, TradeFlag.BACKFILL, TradeFlag.REDRIVEN])
_RECORD = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(1, 10**14),
        st.integers(1, 10**18),
        st.integers(1, 2),
        _TIME,
        st.integers(0, 2**62),
        _FLAGS,
    ),
    max_size=8,
)


@settings(deadline=None)
@given(st.lists(_RECORD, max_size=6), st.data())
def test_the_table_of_bars_does_what_plain_python_does_trade_by_trade(records, data):
    ids = iter(data.draw(st.permutations(range(1, sum(map(len, records)) + 1))))
    live, plain = BarTable(), PlainBars()
    for record in records:
        batch = _batch(_SYMBOLS, [(row[0], next(ids), *row[1:]) for row in record])
        changes = live.update(batch)
        late = Counter()
        for row, interval, start, trades in changes.late.tolist():
            late[*changes.symbols[row], interval, start] += trades
        assert (changes.bars(), late) == plain.update(batch)
        packed = pack_bars(live)
        live = unpack_bars(packed)
        assert pack_bars(live) == packed
