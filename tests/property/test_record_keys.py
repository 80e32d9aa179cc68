"""The keys of records are those of the values made of them, however the records are cut into batches."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.broadcaster.keys import keys_of
from lambdas.broadcaster.values import values_of
from tickwire.columns import QuoteBatch, QuoteRows, Side, TradeBatch, TradeRows
from tickwire.conclusions import (
    Anomaly,
    AnomalyKind,
    Direction,
    IndicatorValues,
    Outcome,
    Prediction,
    Sentiment,
    TradingSignal,
    Whale,
)
from tickwire.records import Bar, Continuity, Gap, Header, Notice, Progress, Quarantined, Record, RecordKind
from tickwire.symbols import Instrument

VENUES = st.sampled_from(["binance", "kraken"])
SYMBOLS = st.sampled_from(["BTC-USDT", "ETH-USD", "SOL-USD"])
ROLLED_UP_BY_OTHERS = ("bars.5m", "bars.1h")
"""Made of the values and not of the records."""


def some(cls: Any, *rest: Any, **fields: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.builds(cls, VENUES, SYMBOLS, *rest, **fields), max_size=3).map(tuple)


@st.composite
def trades(draw: st.DrawFn) -> TradeBatch:
    rows = TradeRows()
    for number, (venue, symbol, scale) in enumerate(draw(st.lists(st.tuples(VENUES, SYMBOLS, st.integers(2, 3))))):
        rows.append(
            Instrument(venue, symbol, scale, scale),
            trade_id=number + 1,
            price=1,
            size=1,
            side=Side.BUY,
            exchange_time=0,
            receive_time=0,
        )
    return rows.batch()


@st.composite
def quotes(draw: st.DrawFn) -> QuoteBatch:
    rows = QuoteRows()
    for venue, symbol in draw(st.lists(st.tuples(VENUES, SYMBOLS), max_size=3)):
        names = ("bid_price", "bid_size", "ask_price", "ask_size", "update_id", "exchange_time", "receive_time")
        rows.append(Instrument(venue, symbol, 2, 2), **dict.fromkeys(names, 1))
    return rows.batch()


one, text = st.just(1), st.just("x")
number = st.just(1.0)
RECORDS = st.builds(
    Record,
    header=st.just(Header(RecordKind.EVENTS, 3, 1)),
    trades=trades(),
    quotes=quotes(),
    bars=some(Bar, st.sampled_from([1, 60, 7]), one, *[one] * 8, st.just(Decimal(1)), *[one] * 4, st.booleans(), one),
    gaps=some(Gap, one, one, text, one),
    progress=some(Progress, *[one] * 7, st.just(()), one),
    continuity=some(Continuity, one, st.just(()), st.just(())),
    quarantined=st.lists(
        st.builds(Quarantined, text, VENUES, SYMBOLS, one, text, text, text, text, one, one, one), max_size=2
    ).map(tuple),
    notices=st.lists(st.builds(Notice, VENUES, text, text, one, one), max_size=2).map(tuple),
    indicators=some(IndicatorValues, one, one, st.just((1.0,))),
    predictions=some(Prediction, one, one, number),
    outcomes=some(Outcome, one, one, number, text, text, text, number, number, st.just(None)),
    signals=some(TradingSignal, one, one, st.just(Direction.FLAT), *[number] * 2, st.none(), number, text),
    whales=st.lists(
        st.builds(
            Whale, st.sampled_from([("binance",), ("binance", "kraken")]), SYMBOLS, *[one] * 4, *[number] * 3, one, one
        ),
        max_size=2,
    ).map(tuple),
    anomalies=st.lists(
        st.builds(
            Anomaly,
            st.sampled_from(["binance", "binance/kraken"]),
            SYMBOLS,
            st.sampled_from(AnomalyKind),
            one,
            number,
            number,
            text,
            text,
        ),
        max_size=2,
    ).map(tuple),
    sentiment=st.lists(st.builds(Sentiment, one, number, one, st.just(())), max_size=1).map(tuple),
)


@settings(max_examples=100)
@given(st.lists(RECORDS, min_size=1, max_size=3))
def test_all_records_keys_are_those_of_all_their_values(records: list[Record]) -> None:
    said = {(value.topic, value.symbol) for value in values_of(records, partition=3)}
    keys = {key for record in records for key in keys_of(record) if key[0] not in ROLLED_UP_BY_OTHERS}
    assert keys == said
