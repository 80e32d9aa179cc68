"""Longer bars against the bars of the trades themselves, whatever process they go through."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.broadcaster.last_values import Place
from lambdas.broadcaster.messages import BAR_TOPICS, BarData
from lambdas.broadcaster.roll_up import MINUTES, TOPICS, RollUp
from lambdas.broadcaster.value import Value
from lambdas.broadcaster.values import bar_data
from tickwire.bars import bars_from_trades, resample
from tickwire.columns import Side, TradeBatch
from tickwire.records import Bar
from tickwire.symbols import Instrument

SECOND, MINUTE, HOUR = 10**9, 60 * 10**9, 3_600 * 10**9
BTC = Instrument("binance", "BTC-USDT", 2, 8)
SYMBOL = "binance:BTC-USDT"
# A little before a full hour, so that trades cross it.
START = 1_700_002_800 * SECOND - 25 * MINUTE
LATENESS = 60 * SECOND


@st.composite
def trades(draw: st.DrawFn) -> TradeBatch:
    """Trades with ids in the order of their times, over an hour and a half at the most."""
    number = draw(st.integers(1, 80))

    def column(strategy: st.SearchStrategy[int], dtype: type = np.int64) -> np.ndarray:
        return np.array(draw(st.lists(strategy, min_size=number, max_size=number)), dtype)

    return TradeBatch(
        (BTC,),
        np.zeros(number, np.int32),
        np.arange(1, number + 1, dtype=np.int64),
        column(st.integers(1, 10**9)),
        column(st.integers(1, 10**12)),
        column(st.sampled_from([Side.BUY, Side.SELL]), np.int8),
        START + np.sort(column(st.integers(0, 90 * MINUTE))),
        column(st.integers(0, 2**62)),
        np.zeros(number, np.int8),
    )


def steps(batch: TradeBatch) -> Iterator[list[Bar]]:
    """Give the minutes that change with each trade, numbered and closed as the live path does it."""
    revisions: dict[int, int] = {}
    closed: set[int] = set()
    for count in range(1, len(batch) + 1):
        now = int(batch.exchange_time[count - 1])
        changed = []
        for bar in bars_from_trades(_first(batch, count), 60):
            final = bar.start + MINUTE + LATENESS <= now
            if bar.start == now // MINUTE * MINUTE or (final and bar.start not in closed):
                revisions[bar.start] = revisions.get(bar.start, 0) + 1
                closed |= {bar.start} if final else set()
                changed.append(_with(bar, revision=revisions[bar.start], final=final))
        yield changed


def _first(batch: TradeBatch, count: int) -> TradeBatch:
    return TradeBatch(batch.instruments, *(getattr(batch, name)[:count] for name in batch.COLUMNS))


def _with(bar: Bar, **changes: object) -> Bar:
    return msgspec.structs.replace(bar, **changes)


def values(bars: Sequence[Bar]) -> list[Value]:
    return [Value(MINUTES, SYMBOL, (data := bar_data(bar)).start, 1, data) for bar in bars]


class Table:
    """The stored bars of a minute."""

    def __init__(self) -> None:
        self.rows: dict[Place, list[BarData]] = {}
        self.reads = 0

    def store(self, bars: Sequence[Value]) -> None:
        for topic, symbol, at, _, data in bars:
            assert isinstance(data, BarData)
            self.rows[Place(topic, symbol, at)] = [data]

    def read(self, places: Sequence[Place]) -> dict[Place, list[BarData]]:
        self.reads += len(places)
        return {place: self.rows.get(place, []) for place in places}


def run(roll_up: RollUp, table: Table, bars: Sequence[Value], held: dict[tuple[str, int], BarData]) -> None:
    """Take bars in, as the broadcaster does, and keep of each interval what a client would."""
    roll_up.take(bars)
    unread = roll_up.unread(10_000)
    if unread:
        roll_up.continue_from(table.read(unread))
    for topic, symbol, at, keep, data in roll_up.values():
        assert (symbol, keep) == (SYMBOL, 1)
        assert isinstance(data, BarData)
        before = held.get((topic, at))
        assert before is None or data.revision > before.revision or data == before
        held[topic, at] = data
    table.store(bars)


def same(data: BarData, bar: Bar) -> bool:
    """Compare with a bar; sums may have fewer zeros at their end."""
    expected = bar_data(bar)
    exact = ("start", "open", "high", "low", "close", "vwap", "trades", "receive", "amended")
    return all(getattr(data, name) == getattr(expected, name) for name in exact) and all(
        Decimal(getattr(data, name)) == Decimal(getattr(expected, name))
        for name in ("volume", "buy_volume", "notional")
    )


def check(held: dict[tuple[str, int], BarData], minutes: Sequence[Bar], batch: TradeBatch) -> None:
    newest = int(batch.exchange_time[-1]) // MINUTE * MINUTE
    for interval, topic in BAR_TOPICS.items():
        if topic not in TOPICS:
            continue
        whole = {bar.start // 10**6: bar for bar in bars_from_trades(batch, interval)}
        joined = {bar.start // 10**6: bar for bar in resample(minutes, interval)}
        assert held.keys() >= {(topic, start) for start in whole}
        for start, bar in whole.items():
            data = held[topic, start]
            assert same(data, bar)
            over = (start * 10**6) + interval * SECOND + LATENESS <= newest
            assert data.final == (over and joined[start].final)
            assert data.revision == joined[start].revision + data.final


@settings(max_examples=60, deadline=None)
@given(batch=trades(), cuts=st.sets(st.integers(0, 80), max_size=4), ahead=st.sets(st.integers(0, 80), max_size=2))
def test_rolled_up_minutes_are_the_bars_of_all_trades(batch: TradeBatch, cuts: set[int], ahead: set[int]) -> None:
    """Processes end at ``cuts``; the next one has the stored minutes, and maybe those of a few records again."""
    table, roll_up = Table(), RollUp()
    held: dict[tuple[str, int], BarData] = {}
    latest: dict[int, Bar] = {}
    for number, bars in enumerate(steps(batch)):
        if number in cuts:
            roll_up = RollUp()
        latest |= {bar.start: bar for bar in bars}
        run(roll_up, table, values(bars), held)
        if number in ahead:
            run(roll_up, table, values(bars), held)
    check(held, list(latest.values()), batch)
