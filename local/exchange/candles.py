"""Candles of a tape, which the venues' histories write in their own ways."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.exchange.tape import Tape, TapeRow
from tickwire.columns import Side

SECOND = 1_000_000_000


@dataclass(slots=True)
class Candle:
    """One interval from ``start`` (ns UTC), in the tape's units; notionals in the product of both units."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    notional: int = 0
    trades: int = 0
    buy_volume: int = 0
    buy_notional: int = 0

    def take(self, row: TapeRow) -> None:
        """Add a trade that comes after those that it has."""
        self.high, self.low, self.close = max(self.high, row.price), min(self.low, row.price), row.price
        self.trades += 1
        self.volume += row.size
        self.notional += row.price * row.size
        if row.side is Side.BUY:
            self.buy_volume += row.size
            self.buy_notional += row.price * row.size


def traded_candles(tape: Tape, interval: int, *, start: int, end: int) -> list[Candle]:
    """Give the candles of ``interval`` seconds that start in [``start``, ``end``) and have a trade.

    The one in which the kept trades begin is left out where older ones were made: it is not whole.
    """
    step = interval * SECOND
    oldest = tape.oldest_time
    if oldest is None:
        return []
    if tape.was_cut:
        start = max(start, oldest + 1)
    first = -(-start // step) * step
    candles: list[Candle] = []
    for row in tape.between(first, -(-end // step) * step):
        begin = row.time // step * step
        if not candles or candles[-1].start != begin:
            candles.append(Candle(begin, row.price, row.price, row.price, row.price))
        candles[-1].take(row)
    return candles


def all_candles(tape: Tape, interval: int, *, start: int, end: int) -> Iterator[Candle]:
    """Give the same, with a flat candle for each interval without a trade after the first trade."""
    step = interval * SECOND
    traded = traded_candles(tape, interval, start=start, end=end)
    due = -(-start // step) * step
    before = tape.last_before(due)
    # Where the kept trades begin in the middle of an interval, the next one has a trade before it.
    close = None if before is None else before.price
    if close is None and traded:
        due = traded[0].start
    elif close is None:
        return
    for candle in traded:
        while due < candle.start and close is not None:
            yield Candle(due, close, close, close, close)
            due += step
        yield candle
        due, close = candle.start + step, candle.close
    while due < end and close is not None:
        yield Candle(due, close, close, close, close)
        due += step
