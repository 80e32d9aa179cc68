"""Event records to what clients get: per topic and symbol, only what is still news at the end.

Pure: one partition's records in, in order; values out.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Context

import msgspec

from lambdas.broadcaster.conclusion_values import conclusion_values
from lambdas.broadcaster.health import (
    ContinuityData,
    GapData,
    GapStateData,
    HourData,
    NoticeData,
    ProgressData,
    QuarantinedData,
)
from lambdas.broadcaster.messages import BAR_TOPICS, BarData, QuoteData, TradeData
from lambdas.broadcaster.value import BY_PARTITION_AT, LATEST_AT, Value
from tickwire.columns import QuoteBatch, Side, TradeBatch, TradeFlag
from tickwire.decimals import format_fixed, to_decimal
from tickwire.records import LAKE_REVISION, Bar, Continuity, Gap, Notice, Progress, Quarantined, Record
from tickwire.stages.signals import newest_trades

GAPS_AT = 1
QUARANTINED_AT = 2
CONTINUITY_AT = 3

FRAME_TRADES = 20
FRAME_ROWS = 50
"""The newest trades of a symbol, and gaps, quarantined rows and notices, that go out at once."""

KEPT_TRADES = 50
KEPT_ROWS = 50
"""As many are kept for snapshots."""

_MILLISECOND = 1_000_000
_DECIMALS = Context(prec=60, rounding=ROUND_HALF_EVEN)
_FLAGS = tuple((flag.value, (flag.name or "").lower()) for flag in TradeFlag)
_SIDES = {Side.BUY: "buy", Side.SELL: "sell", Side.UNKNOWN: "unknown"}


def values_of(records: Sequence[Record], *, partition: int) -> list[Value]:
    """Give what clients should see after these records of a partition, older before newer.

    Of a bar only the last revision, of quotes, progress and continuity only the last, of the rest the
    newest ``FRAME_…``.
    """
    return [
        *_bars(records),
        *_trades([record.trades for record in records if len(record.trades)]),
        *_quotes([record.quotes for record in records if len(record.quotes)]),
        *_health(records, partition),
        *conclusion_values(records, partition=partition),
    ]


def _bars(records: Sequence[Record]) -> Iterator[Value]:
    latest: dict[tuple[str, str, int, int], Bar] = {}
    for record in records:
        for bar in record.bars:
            key = (bar.venue, bar.symbol, bar.interval, bar.start)
            if key not in latest or bar.revision >= latest[key].revision:
                latest[key] = bar
    for bar in latest.values():
        if bar.interval in BAR_TOPICS:
            data = bar_data(bar)
            yield Value(BAR_TOPICS[bar.interval], f"{bar.venue}:{bar.symbol}", data.start, 1, data)


def bar_data(bar: Bar) -> BarData:
    """Give a bar as clients get it; VWAP is notional ÷ volume, rounded half to even at the price's scale."""
    volume = to_decimal(bar.volume, bar.size_scale)
    vwap = _DECIMALS.divide(bar.notional, volume) if bar.volume else to_decimal(bar.close, bar.price_scale)
    return BarData(
        start=bar.start // _MILLISECOND,
        open=format_fixed(bar.open, bar.price_scale),
        high=format_fixed(bar.high, bar.price_scale),
        low=format_fixed(bar.low, bar.price_scale),
        close=format_fixed(bar.close, bar.price_scale),
        vwap=f"{_DECIMALS.quantize(vwap, to_decimal(1, bar.price_scale)):f}",
        volume=format_fixed(bar.volume, bar.size_scale),
        buy_volume=format_fixed(bar.buy_volume, bar.size_scale),
        notional=f"{bar.notional:f}",
        trades=bar.trades,
        revision=bar.revision,
        final=bar.final,
        receive=bar.latest_receive,
        amended=bar.revision >= LAKE_REVISION,
    )


def _trades(batches: Sequence[TradeBatch]) -> Iterator[Value]:
    # The highest ids, not the last records: what fills a gap comes after newer trades.
    batch = newest_trades(TradeBatch.concat(batches), FRAME_TRADES)
    newest: defaultdict[str, list[TradeData]] = defaultdict(list)
    for row, index in enumerate(batch.instrument.tolist()):
        instrument = batch.instruments[index]
        data = _trade(batch, row, instrument.price_scale, instrument.size_scale)
        newest[f"{instrument.venue}:{instrument.symbol}"].append(data)
    for symbol, trades in newest.items():
        # A symbol whose scale changed is there as two instruments.
        for data in sorted(trades, key=lambda trade: trade.id)[-FRAME_TRADES:]:
            yield Value("trades", symbol, LATEST_AT, KEPT_TRADES, data)


def _trade(batch: TradeBatch, row: int, price_scale: int, size_scale: int) -> TradeData:
    flags = int(batch.flags[row])
    return TradeData(
        id=int(batch.trade_id[row]),
        price=format_fixed(int(batch.price[row]), price_scale),
        size=format_fixed(int(batch.size[row]), size_scale),
        side=_SIDES[Side(int(batch.side[row]))],
        time=int(batch.exchange_time[row]) // _MILLISECOND,
        receive=int(batch.receive_time[row]),
        flags=tuple(name for bit, name in _FLAGS if flags & bit),
    )


def _quotes(batches: Sequence[QuoteBatch]) -> Iterator[Value]:
    latest: dict[str, tuple[QuoteBatch, int]] = {}
    for batch in batches:
        for row, index in enumerate(batch.instrument.tolist()):
            instrument = batch.instruments[index]
            latest[f"{instrument.venue}:{instrument.symbol}"] = (batch, row)
    for symbol, (batch, row) in latest.items():
        instrument = batch.instruments[int(batch.instrument[row])]
        data = QuoteData(
            bid=format_fixed(int(batch.bid_price[row]), instrument.price_scale),
            bid_size=format_fixed(int(batch.bid_size[row]), instrument.size_scale),
            ask=format_fixed(int(batch.ask_price[row]), instrument.price_scale),
            ask_size=format_fixed(int(batch.ask_size[row]), instrument.size_scale),
            time=int(batch.exchange_time[row]) // _MILLISECOND,
        )
        yield Value("quotes", symbol, LATEST_AT, 1, data)


def _continuity(whole: Continuity) -> ContinuityData:
    hours = (HourData(hour.start // _MILLISECOND, *msgspec.structs.astuple(hour)[1:]) for hour in whole.hours)
    gaps = (GapStateData(*msgspec.structs.astuple(gap)) for gap in whole.gaps)
    return ContinuityData(whole.venue, whole.symbol, whole.time, tuple(hours), tuple(gaps))


def _health(records: Sequence[Record], partition: int) -> Iterator[Value]:
    progress: dict[str, Progress] = {}
    continuity: dict[str, Continuity] = {}
    gaps: defaultdict[str, list[Gap]] = defaultdict(list)
    quarantined: defaultdict[str, list[Quarantined]] = defaultdict(list)
    notices: defaultdict[str, list[Notice]] = defaultdict(list)
    for record in records:
        for one in record.progress:
            progress[f"{one.venue}:{one.symbol}"] = one
        for whole in record.continuity:
            continuity[f"{whole.venue}:{whole.symbol}"] = whole
        for gap in record.gaps:
            gaps[f"{gap.venue}:{gap.symbol}"].append(gap)
        for row in record.quarantined:
            quarantined[f"{row.venue}:{row.symbol}"].append(row)
        for notice in record.notices:
            notices[f"{notice.venue}:*"].append(notice)
    for symbol, one in progress.items():
        yield Value("health", symbol, LATEST_AT, 1, msgspec.convert(one, ProgressData, from_attributes=True))
    for symbol, whole in continuity.items():
        yield Value("health", symbol, CONTINUITY_AT, 1, _continuity(whole))
    for symbol, some_gaps in gaps.items():
        for gap in some_gaps[-FRAME_ROWS:]:
            yield Value("health", symbol, GAPS_AT, KEPT_ROWS, msgspec.convert(gap, GapData, from_attributes=True))
    for symbol, rows in quarantined.items():
        for row in rows[-FRAME_ROWS:]:
            yield Value("health", symbol, QUARANTINED_AT, KEPT_ROWS, QuarantinedData(*msgspec.structs.astuple(row)))
    for symbol, some_notices in notices.items():
        for notice in some_notices[-FRAME_ROWS:]:
            data = NoticeData(*msgspec.structs.astuple(notice))
            yield Value("health", symbol, BY_PARTITION_AT + partition, KEPT_ROWS, data)
