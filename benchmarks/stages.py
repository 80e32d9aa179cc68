"""Each stage by itself. The truth that outcomes are checked against is the simulated market's, not the code's."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

import numpy as np

from benchmarks.frames import recorded_trades, write_frames
from benchmarks.harness import Prepared
from benchmarks.market import (
    FIRST_TIME,
    assert_same_trades,
    cut,
    market_rate,
    narrowed,
    opening,
    simulate,
    soil,
    sorted_trades,
)
from benchmarks.pipeline import Validation
from tickwire.bar_table import BarChanges, BarTable
from tickwire.columns import TradeBatch
from tickwire.envelope import decode, encode
from tickwire.features import Float64
from tickwire.features.indicators import Indicators
from tickwire.features.order_flow import OrderFlow
from tickwire.records import Header, Record, RecordKind
from tickwire.validation.admission import Admission
from tickwire.venues.feed import Feed, ParsedFrames
from tickwire.venues.frame_buffer import FrameBuffer
from tickwire.venues.registry import new_feed

HEADER = Header(RecordKind.CLEAN, 3, counter=1, source="1")


def parse(feed: str, batch: int, symbols: int, trades: int) -> Prepared:
    """Frames to columns, by :meth:`Feed.parse_frames`."""
    truth = simulate(trades, symbols, feed=feed)
    frames = write_frames(truth, feed)
    # All of a call come out of one read of a socket, and so share its time.
    truth = replace(truth, receive_time=truth.receive_time[np.arange(trades) // batch * batch])
    chunks = [(frames[at : at + batch], int(truth.receive_time[at])) for at in range(0, trades, batch)]
    return _parsing(feed, chunks, truth)


def parse_recorded(feed: str, batch: int, symbols: int, trades: int) -> Prepared:
    """Recorded frames to columns, over and over; the readable parser says what they hold."""
    recorded = recorded_trades(feed)
    if not recorded:
        raise FileNotFoundError(f"no recorded frames of {feed}; TICKWIRE_REALDATA names their folder")
    frames = (recorded * (trades // len(recorded) + 1))[:trades]
    chunks = [(frames[at : at + batch], at + 1) for at in range(0, trades, batch)]
    reader, out = new_feed(feed), ParsedFrames()
    for some, time in chunks:
        for frame in some:
            reader.parse(frame, time, out)
    return _parsing(feed, chunks, out.trades.batch())


def parse_readable(feed: str, batch: int, symbols: int, trades: int) -> Prepared:
    """Frames to columns by :meth:`Feed.parse`, one at a time: what a frame costs that matches no layout."""
    truth = simulate(trades, symbols, feed=feed)
    frames = list(zip(write_frames(truth, feed), truth.receive_time.tolist(), strict=True))

    def run(state: tuple[Feed, ParsedFrames]) -> list[TradeBatch]:
        reader, out = state
        for frame, time in frames:
            reader.parse(frame, time, out)
        return [out.trades.batch()]

    return Prepared(
        rows=trades,
        run=run,
        fresh=lambda: (new_feed(feed), ParsedFrames()),
        check=lambda got: assert_same_trades(TradeBatch.concat(got), truth),
    )


def _parsing(feed: str, chunks: Sequence[tuple[list[bytes], int]], truth: TradeBatch) -> Prepared:
    def run(reader: Feed) -> tuple[list[TradeBatch], int]:
        out = ParsedFrames()
        batches = []
        for frames, time in chunks:
            reader.parse_frames(FrameBuffer.received(frames, time), out)
            batches.append(out.trades.batch())
        return batches, out.slow_frames

    reader = new_feed(feed)
    run(reader)  # so that it knows the symbols, as a feed does that runs for a while

    def fresh() -> Feed:
        reader.reconnected()
        return reader

    def check(got: tuple[list[TradeBatch], int]) -> None:
        assert_same_trades(TradeBatch.concat(got[0]), truth)
        assert got[1] == 0, f"{got[1]} frames matched no layout"

    facts = {"bytes_a_frame": mean(len(frame) for frames, _ in chunks for frame in frames)}
    return Prepared(rows=len(truth), run=run, fresh=fresh, check=check, facts=facts)


def validate(batch: int, symbols: int, trades: int, dirty: bool = False) -> Prepared:
    """Rules, de-duplication, order, gaps, price band, by :func:`tickwire.validation.admission.admit`."""
    clean = simulate(trades, symbols)
    soiled = soil(clean) if dirty else None
    offered = clean if soiled is None else soiled.batch
    expected = sorted_trades(clean if soiled is None else clean.take(soiled.good))
    batches = cut(offered, batch)

    def check(got: list[Admission]) -> None:
        came = sorted_trades(TradeBatch.concat([one.trades for one in got]))
        assert np.array_equal(came.trade_id, expected.trade_id), "other trades came in than should"
        assert np.array_equal(came.price, expected.price), "prices differ"
        if soiled is not None:
            assert sum(len(one.broken()) for one in got) == soiled.bad, "not all bad rows were found"
            assert len(offered) - len(came) - soiled.bad == soiled.duplicates, "not all duplicates were found"

    first = opening(clean)

    def fresh() -> Validation:
        state = Validation()
        state.admit(first)
        return state

    return Prepared(
        rows=len(offered), run=lambda state: [state.admit(one) for one in batches], fresh=fresh, check=check
    )


def make_records(trades: TradeBatch, batch: int) -> list[Record]:
    """Cut trades into records as the ingestor writes them: by instrument, with a table of those that they have."""
    return [Record(header=HEADER, trades=narrowed(sorted_trades(one))) for one in cut(trades, batch)]


def encode_records(batch: int, symbols: int, trades: int) -> Prepared:
    """Trades to the bytes of stream records."""
    records = make_records(simulate(trades, symbols), batch)

    def check(got: list[bytes]) -> None:
        for record, data in zip(records, got, strict=True):
            assert_same_trades(sorted_trades(_trades_of(data)), _by_table_of(record.trades, data))

    size = sum(len(encode(record)) for record in records)
    return Prepared(
        rows=trades,
        run=lambda _: [encode(record) for record in records],
        check=check,
        facts={"bytes_a_trade": size / trades},
    )


def decode_records(batch: int, symbols: int, trades: int) -> Prepared:
    """The bytes of stream records to trades."""
    records = make_records(simulate(trades, symbols), batch)
    bodies = [encode(record) for record in records]

    def check(got: list[Record]) -> None:
        for record, back, data in zip(records, got, bodies, strict=True):
            assert_same_trades(sorted_trades(back.trades), _by_table_of(record.trades, data))

    return Prepared(
        rows=trades,
        run=lambda _: [decode(body) for body in bodies],
        check=check,
        facts={"bytes_a_trade": sum(map(len, bodies)) / trades},
    )


def _trades_of(data: bytes) -> TradeBatch:
    return decode(data).trades


def _by_table_of(trades: TradeBatch, data: bytes) -> TradeBatch:
    """Give the trades in the order in which those of ``data`` are when sorted by its own table."""
    table = {one: row for row, one in enumerate(_trades_of(data).instruments)}
    rank = np.array([table.get(one, -1) for one in trades.instruments])[trades.instrument]
    return trades.take(np.lexsort((trades.trade_id, rank)))


def bars(batch: int, symbols: int, trades: int) -> Prepared:
    """Trades to 1 s and 60 s bars that late trades amend, by :class:`BarTable`."""
    clean = simulate(trades, symbols, rate=market_rate(batch))
    batches = [sorted_trades(one) for one in cut(clean, batch)]
    first = opening(clean)

    def check(got: list[BarChanges]) -> None:
        newest = {}
        for changes in got:
            for bar in changes.bars():
                newest[bar.venue, bar.symbol, bar.interval, bar.start] = bar
        seconds = [bar for (*_, interval, start), bar in newest.items() if interval == 1 and start >= FIRST_TIME]
        assert sum(bar.trades for bar in seconds) == trades, "the bars do not count all trades"
        spans = np.unique(np.stack([clean.instrument, clean.exchange_time // 10**9]), axis=1).shape[1]
        assert len(seconds) == spans, f"{len(seconds)} bars of a second, not {spans}"

    def run(table: BarTable) -> list[BarChanges]:
        return [table.update(one) for one in batches]

    def fresh() -> BarTable:
        table = BarTable()
        table.update(first)
        return table

    return Prepared(rows=trades, run=run, fresh=fresh, check=check)


def order_flow(batch: int, symbols: int, trades: int) -> Prepared:
    """Trades to six decayed features after each, by :class:`OrderFlow`."""
    clean = simulate(trades, symbols)
    batches = [sorted_trades(one) for one in cut(clean, batch)]
    out = np.empty((max(map(len, batches)), len(OrderFlow.FEATURES)))
    first = opening(clean)

    def fresh() -> OrderFlow:
        table = OrderFlow()
        table.update(first)
        return table

    def run(table: OrderFlow) -> Float64:
        for one in batches:
            table.update(one, out=out[: len(one)])
        return out

    def check(_: object) -> None:
        # By the definition, over one symbol's whole history: the decayed volume-weighted average of prices.
        table = OrderFlow()
        last = [table.update(one)[-1] for one in batches][-1]
        rows = np.flatnonzero(clean.instrument == batches[-1].instrument[-1])
        mine = clean.take(rows)
        weight = np.exp((mine.exchange_time - mine.exchange_time[-1]) / 30e9) * mine.size
        expected = (weight * mine.price).sum() / weight.sum() * 1e-8
        assert abs(last[2] / expected - 1) < 1e-9, f"vwap_30s {last[2]}, not {expected}"

    return Prepared(rows=trades, run=run, fresh=fresh, check=check)


def indicators(batch: int, symbols: int, trades: int) -> Prepared:
    """Closed bars to nine indicators after each, by :class:`Indicators`; a row is a bar."""
    random = np.random.default_rng(7)
    symbol = np.tile(np.arange(symbols, dtype=np.int32), trades // symbols + 1)[:trades]
    close = 100.0 + np.cumsum(random.normal(0, 0.01, trades))
    columns = {
        "high": close + 0.5,
        "low": close - 0.5,
        "close": close,
        "volume": random.uniform(1, 2, trades),
        "buy_volume": random.uniform(0, 1, trades),
        "notional": random.uniform(90, 110, trades),
    }
    chunks = [
        (symbol[at : at + batch], {name: column[at : at + batch] for name, column in columns.items()})
        for at in range(0, trades, batch)
    ]
    out = np.empty((trades, len(Indicators.INDICATORS)))

    def run(table: Indicators) -> Float64:
        at = 0
        for rows, cells in chunks:
            table.update(rows, out=out[at : at + len(rows)], **cells)
            at += len(rows)
        return out

    def check(got: Float64) -> None:
        own = np.flatnonzero(symbol == 0)[:20]
        if len(own) == 20:
            middle = close[own].mean()
            assert abs(got[own[19], 3] - middle - 2 * close[own].std()) < 1e-9, "the upper Bollinger band differs"

    return Prepared(rows=trades, run=run, fresh=lambda: Indicators(symbols), check=check)
