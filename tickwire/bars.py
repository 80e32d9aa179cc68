"""Bars (OHLC, volume, notional) of trades, exact: offline, resampled, and kept incrementally.

A trade belongs to the bar of its exchange time. Within a bar, open is the price of the lowest
trade id and close that of the highest: ids are the venue's own order, whereas hundreds of trades
may share one timestamp. All sums are integers, so a bar is the same in whatever order and in
however many pieces its trades arrive; every function here rests on :meth:`BarSums.merge`.

Lateness: a bar is final once the symbol's watermark (the newest exchange time seen) has reached
the bar's end plus :data:`LATENESS_SECONDS`. A trade that comes before that amends its bar; one that
comes after it cannot, is reported as late, and its bar has to be recomputed from the stored trades.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation

import numpy as np

from tickwire.columns import Side, TradeBatch, TradeFlag
from tickwire.decimals import INT64_MAX, to_decimal
from tickwire.records import Bar

SECOND = 1_000_000_000
LATENESS_SECONDS = {1: 10, 60: 60}
"""The intervals kept live, in seconds, and how long after its end a bar of each can be amended."""

NOT_LIVE = TradeFlag.SNAPSHOT | TradeFlag.BACKFILL | TradeFlag.REDRIVEN
"""Trades whose receive time says nothing of the feed's latency: they came later than they were made public."""

_EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])
_BEGINNING = -(2**63)


@dataclass(slots=True)
class BarSums:
    """What the trades of one bar add up to. Units as in :class:`~tickwire.records.Bar`, but
    ``notional`` is an integer of units of ``10**-(price_scale + size_scale)``."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    buy_volume: int
    notional: int
    trades: int
    first_id: int
    last_id: int
    latest_receive: int
    revision: int = 0

    def merge(self, other: "BarSums") -> None:
        """Add the sums of other trades of the same bar."""
        if other.first_id < self.first_id:
            self.first_id, self.open = other.first_id, other.open
        if other.last_id > self.last_id:
            self.last_id, self.close = other.last_id, other.close
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.volume += other.volume
        self.buy_volume += other.buy_volume
        self.notional += other.notional
        self.trades += other.trades
        self.latest_receive = max(self.latest_receive, other.latest_receive)
        self.revision += other.revision

    def copy(self, *, start: int) -> "BarSums":
        """Give the same sums as those of a bar that starts at ``start``."""
        return BarSums(
            start,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            self.buy_volume,
            self.notional,
            self.trades,
            self.first_id,
            self.last_id,
            self.latest_receive,
            self.revision,
        )

    def bar(self, venue: str, symbol: str, *, scales: tuple[int, int], interval: int, final: bool) -> Bar:
        """Give the bar of an interval in seconds; ``scales`` are those of price and size.

        Volumes stop at the largest int64, the most that a record and a table column carry. The
        rule ``size`` holds every trade to a ninth of it, and no real minute comes near.
        """
        price_scale, size_scale = scales
        return Bar(
            venue,
            symbol,
            interval,
            self.start,
            price_scale,
            size_scale,
            self.open,
            self.high,
            self.low,
            self.close,
            min(self.volume, INT64_MAX),
            min(self.buy_volume, INT64_MAX),
            to_decimal(self.notional, price_scale + size_scale),
            self.trades,
            self.first_id,
            self.last_id,
            self.revision,
            final,
            self.latest_receive,
        )


def bars_from_trades(batch: TradeBatch, interval_seconds: int) -> list[Bar]:
    """Compute the bars of a whole set of trades, each trade in it once, in any order.

    Gives the bars in order of venue, symbol and start; all are final, with revision 0: computed
    whole, never amended. Intervals without a trade have no bar.

    Raises
    ------
    ValueError
        If the interval is not a positive number of seconds.
    """
    bars = [
        sums.bar(
            instrument.venue,
            instrument.symbol,
            scales=(instrument.price_scale, instrument.size_scale),
            interval=interval_seconds,
            final=True,
        )
        for index, sums in sums_of_trades(batch, interval_seconds)
        for instrument in (batch.instruments[index],)
    ]
    return sorted(bars, key=lambda bar: (bar.venue, bar.symbol, bar.start))


def sums_of_trades(batch: TradeBatch, interval_seconds: int) -> list[tuple[int, BarSums]]:
    """Give (row of ``batch.instruments``, sums) of each bar, ordered by that row and start.

    ``latest_receive`` is that of the live trades, 0 where none is.

    Raises
    ------
    ValueError
        If the interval is not a positive number of seconds.
    """
    if interval_seconds < 1:
        raise ValueError(f"an interval is at least 1 second, not {interval_seconds}")
    if not len(batch):
        return []
    width = interval_seconds * SECOND
    start = batch.exchange_time // width * width
    order = np.lexsort((batch.trade_id, start, batch.instrument))
    rows, start = batch.take(order), start[order]
    new_bar = (np.diff(rows.instrument) != 0) | (np.diff(start) != 0)
    first = np.concatenate(([0], np.flatnonzero(new_bar) + 1))
    last = np.concatenate((first[1:], [len(batch)])) - 1
    # Python integers: price times size passes int64 already at ordinary Bitcoin trades.
    size = rows.size.astype(object)
    received = np.where(rows.flags & int(NOT_LIVE), 0, rows.receive_time)
    columns = (
        rows.instrument[first],
        start[first],
        rows.price[first],
        np.maximum.reduceat(rows.price, first),
        np.minimum.reduceat(rows.price, first),
        rows.price[last],
        np.add.reduceat(size, first),
        np.add.reduceat(np.where(rows.side == Side.BUY, size, 0), first),
        np.add.reduceat(rows.price.astype(object) * size, first),
        last - first + 1,
        rows.trade_id[first],
        rows.trade_id[last],
        np.maximum.reduceat(received, first),
    )
    return [(row[0], BarSums(*row[1:])) for row in zip(*(c.tolist() for c in columns), strict=True)]


def resample(bars: Iterable[Bar], interval_seconds: int) -> list[Bar]:
    """Join bars of one interval into bars of a multiple of it.

    Gives them in order of venue, symbol and start. A bar is final if all that it was made of are,
    and its revision is the sum of theirs, so it grows whenever one of them is amended. Give whole
    target intervals: what is not given cannot be counted.

    Raises
    ------
    ValueError
        If the bars have different intervals, or ``interval_seconds`` is no multiple of theirs.
    """
    joined: dict[tuple[str, str, int, int, int], tuple[BarSums, bool]] = {}
    interval: int | None = None
    for bar in bars:
        interval = bar.interval if interval is None else interval
        if bar.interval != interval or interval_seconds < interval or interval_seconds % interval:
            raise ValueError(f"cannot make {interval_seconds} s bars of {interval} s and {bar.interval} s bars")
        start = bar.start // (interval_seconds * SECOND) * (interval_seconds * SECOND)
        key = (bar.venue, bar.symbol, start, bar.price_scale, bar.size_scale)
        part = _sums_of_bar(bar, start)
        if key not in joined:
            joined[key] = part, bar.final
        else:
            sums, final = joined[key]
            sums.merge(part)
            joined[key] = sums, final and bar.final
    return [
        sums.bar(venue, symbol, scales=(price_scale, size_scale), interval=interval_seconds, final=final)
        for (venue, symbol, _, price_scale, size_scale), (sums, final) in sorted(joined.items(), key=lambda i: i[0])
    ]


def vwap(bar: Bar) -> int:
    """Give the volume-weighted average price, notional / volume, in units of 10**-price_scale.

    Rounded half up from the exact quotient.
    """
    notional = _units(bar.notional, bar.price_scale + bar.size_scale)
    return (2 * notional + bar.volume) // (2 * bar.volume)


def _sums_of_bar(bar: Bar, start: int) -> BarSums:
    return BarSums(
        start,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.buy_volume,
        _units(bar.notional, bar.price_scale + bar.size_scale),
        bar.trades,
        bar.first_id,
        bar.last_id,
        bar.latest_receive,
        bar.revision,
    )


def _units(value: Decimal, scale: int) -> int:
    return int(_EXACT.scaleb(value, scale))


@dataclass(frozen=True, slots=True)
class LateTrades:
    """Trades that came when the bar of ``start`` (ns) and ``interval`` (s) was final already."""

    interval: int
    start: int
    trades: int


@dataclass(slots=True)
class SymbolBars:
    """The live bars of one symbol: those that can still be amended.

    Attributes
    ----------
    price_scale, size_scale : of the instrument
    watermark : newest exchange time seen, ns UTC
    closed : per interval, the start (ns) of the oldest bar that is not final
    bars : per interval, the open bars by start
    """

    price_scale: int
    size_scale: int
    watermark: int = _BEGINNING
    closed: dict[int, int] = field(default_factory=lambda: dict.fromkeys(LATENESS_SECONDS, _BEGINNING))
    bars: dict[int, dict[int, BarSums]] = field(default_factory=lambda: {i: {} for i in LATENESS_SECONDS})

    def add(
        self, seconds: Sequence[BarSums], newest_exchange_time: int
    ) -> tuple[list[tuple[int, BarSums, bool]], list[LateTrades]]:
        """Take in the 1 s sums of more trades, and the newest exchange time among them.

        Gives (interval, sums, final) of every bar that changed or became final, ordered by interval
        and start, each with its revision raised by one; and the trades that came too late. All
        trades of one call are counted before any bar becomes final.
        """
        changed: list[tuple[int, BarSums, bool]] = []
        late: list[LateTrades] = []
        self.watermark = max(self.watermark, newest_exchange_time)
        for interval, lateness in LATENESS_SECONDS.items():
            width = interval * SECOND
            open_bars = self.bars[interval]
            touched = set()
            for part in seconds:
                start = part.start // width * width
                if start < self.closed[interval]:
                    late.append(LateTrades(interval, start, part.trades))
                    continue
                touched.add(start)
                if start in open_bars:
                    open_bars[start].merge(part)
                else:
                    open_bars[start] = part.copy(start=start)
            self.closed[interval] = max(self.closed[interval], (self.watermark - lateness * SECOND) // width * width)
            final = {start for start in open_bars if start < self.closed[interval]}
            changed += [self._revised(interval, start, start in final) for start in sorted(touched | final)]
        return changed, late

    def close(self) -> list[tuple[int, BarSums, bool]]:
        """Make every open bar final at once, as when the symbol's scales change."""
        changed = []
        for interval, open_bars in self.bars.items():
            starts = sorted(open_bars)
            if starts:
                self.closed[interval] = starts[-1] + interval * SECOND
            changed += [self._revised(interval, start, True) for start in starts]
        return changed

    def _revised(self, interval: int, start: int, final: bool) -> tuple[int, BarSums, bool]:
        sums = self.bars[interval].pop(start) if final else self.bars[interval][start]
        sums.revision += 1
        # A copy, since the open bar goes on changing.
        return interval, sums.copy(start=start), final
