"""Bars (OHLC, volume, notional) of trades, exact: offline, and resampled; ``tickwire/bar_table.py`` keeps them live.

A trade belongs to the bar of its exchange time. Within a bar, open is the price of the lowest
trade id and close that of the highest: ids are the venue's own order, whereas hundreds of trades
may share one timestamp. All sums are integers, so a bar is the same in whatever order and in
however many pieces its trades arrive.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeVar

import numpy as np

from tickwire.bar_rows import (
    CHANGED_WIDTH,
    FINAL,
    INSTRUMENT,
    INTERVAL,
    NOT_LIVE,
    PRICE_SCALE,
    REVISION,
    RUN_WIDTH,
    SECOND,
    SIZE_SCALE,
    START,
    SYMBOL,
    Rows,
    exact_columns,
)
from tickwire.columns import Int8, Int32, Int64, TradeBatch
from tickwire.decimals import INT64_MAX, to_decimal
from tickwire.records import Bar

__all__ = ["NOT_LIVE", "SECOND", "BarSums", "bars_from_trades", "bars_of_rows", "kernel_columns", "resample"]
__all__ += ["runs_of_trades", "sums_of_trades", "vwap"]

_EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])

Column = TypeVar("Column", Int8, Int32, Int64)


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
    runs = runs_of_trades(batch, interval_seconds)
    rows = np.empty((len(runs), CHANGED_WIDTH), np.int64)
    rows[:, :REVISION] = runs[:, :REVISION]
    rows[:, [REVISION, INTERVAL, FINAL]] = 0, interval_seconds, 1
    rows[:, SYMBOL] = runs[:, INSTRUMENT]
    scales = np.array([i[2:] for i in batch.instruments], np.int64).reshape(-1, 2)
    rows[:, [PRICE_SCALE, SIZE_SCALE]] = scales[runs[:, INSTRUMENT]]
    bars = bars_of_rows(rows, [(i.venue, i.symbol) for i in batch.instruments])
    return sorted(bars, key=lambda bar: (bar.venue, bar.symbol, bar.start))


def bars_of_rows(rows: Rows, symbols: Sequence[tuple[str, str]]) -> list[Bar]:
    """Give bars as objects: int64 (n, CHANGED_WIDTH), of (venue, symbol) pairs that the rows refer to.

    Volumes stop at the largest int64; see :meth:`BarSums.bar`.
    """
    start, first, high, low, last, volume, buy_volume, notional, *rest = exact_columns(rows)
    price_scale, size_scale = rows[:, PRICE_SCALE], rows[:, SIZE_SCALE]
    venue_symbols = [symbols[row] for row in rows[:, SYMBOL].tolist()]
    # Column by column, since there may be thousands in each record.
    columns: list[Iterable[Any]] = [
        [venue for venue, _ in venue_symbols],
        [symbol for _, symbol in venue_symbols],
        rows[:, INTERVAL].tolist(),
        start,
        price_scale.tolist(),
        size_scale.tolist(),
        *(first, high, low, last),
        _within_int64(volume),
        _within_int64(buy_volume),
        map(to_decimal, notional, (price_scale + size_scale).tolist()),
        *rest[:3],
        rows[:, REVISION].tolist(),
        (rows[:, FINAL] == 1).tolist(),
        rest[3],
    ]
    return list(map(Bar, *columns))


def _within_int64(volumes: list[int]) -> list[int]:
    return volumes if max(volumes, default=0) <= INT64_MAX else [min(units, INT64_MAX) for units in volumes]


def sums_of_trades(batch: TradeBatch, interval_seconds: int) -> list[tuple[int, BarSums]]:
    """Give (row of ``batch.instruments``, sums) of each bar, ordered by that row and start.

    ``latest_receive`` is that of the live trades, 0 where none is.

    Raises
    ------
    ValueError
        If the interval is not a positive number of seconds.
    """
    runs = runs_of_trades(batch, interval_seconds)
    return list(zip(runs[:, INSTRUMENT].tolist(), map(BarSums, *exact_columns(runs)), strict=True))


def runs_of_trades(batch: TradeBatch, interval_seconds: int) -> Rows:
    """Give the sums of each bar as int64 (bars, RUN_WIDTH), laid out as ``tickwire/bar_rows.py`` says.

    They rise by row of ``batch.instruments`` and start. Trades that rise by instrument and id, as the validator
    gives them, are added up as they come; any other order costs a sort of its runs.

    Raises
    ------
    ValueError
        If the interval is not a positive number of seconds.
    """
    from tickwire.bars_kernel import add_up, join_runs

    if interval_seconds < 1:
        raise ValueError(f"an interval is at least 1 second, not {interval_seconds}")
    runs = np.empty((len(batch), RUN_WIDTH), np.int64)
    if not len(batch):
        return runs
    count, whole = add_up(*kernel_columns(batch), interval_seconds * SECOND, runs)
    runs = runs[:count]
    if not whole:
        runs = runs[np.lexsort((runs[:, START], runs[:, INSTRUMENT]))]
        runs = runs[: join_runs(runs)]
    return runs


def kernel_columns(batch: TradeBatch) -> tuple[Int32, Int64, Int64, Int64, Int8, Int64, Int64, Int8]:
    """Give the columns of a batch as kernels take them: contiguous and writable, copied where they are not."""
    return (
        _writable(batch.instrument),
        _writable(batch.trade_id),
        _writable(batch.price),
        _writable(batch.size),
        _writable(batch.side),
        _writable(batch.exchange_time),
        _writable(batch.receive_time),
        _writable(batch.flags),
    )


def _writable(column: Column) -> Column:
    return column if column.flags.c_contiguous and column.flags.writeable else column.copy()


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
