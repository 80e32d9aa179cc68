"""Candles of a tape, which the venues' histories write in their own ways."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.exchange.tape import Tape
from tickwire.columns import Side

SECOND = 1_000_000_000
_BUY = int(Side.BUY)


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

    def take(self, price: int, size: int, side: int) -> None:
        """Add a trade that comes after those that it has."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.trades += 1
        self.volume += size
        self.notional += price * size
        if side == _BUY:
            self.buy_volume += size
            self.buy_notional += price * size


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
    until = first
    for price, size, side, time in tape.raw_between(first, -(-end // step) * step):
        if time >= until:
            begin = time // step * step
            until = begin + step
            candles.append(Candle(begin, price, price, price, price))
        candles[-1].take(price, size, side)
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
