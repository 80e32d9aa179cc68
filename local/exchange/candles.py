"""Candles of a tape, which the venues' histories write in their own ways."""

from collections.abc import Iterator
from dataclasses import replace

from local.exchange.candle import SECOND, Candle
from local.exchange.tape import Tape


def traded_candles(tape: Tape, interval: int, *, start: int, end: int) -> list[Candle]:
    """Give the candles of ``interval`` seconds that start in [``start``, ``end``) and have a trade.

    The one in which the kept trades begin is left out where older ones were made: it is not whole.
    """
    step = interval * SECOND
    oldest = tape.oldest_time
    if oldest is None and not tape.past:
        return []
    if oldest is not None and tape.was_cut:
        start = max(start, oldest + 1)
    first = -(-start // step) * step
    # Between the past and trades that are no longer kept nothing is known.
    candles = [] if tape.was_cut or interval % 60 else _past_candles(tape, step, start=first, end=end)
    until = candles[-1].start + step if candles else first
    for price, size, side, time in tape.raw_between(first, -(-end // step) * step):
        if time >= until:
            begin = time // step * step
            until = begin + step
            candles.append(Candle(begin, price, price, price, price))
        candles[-1].take(price, size, side)
    return candles


def _past_candles(tape: Tape, step: int, *, start: int, end: int) -> list[Candle]:
    candles: list[Candle] = []
    for minute in tape.past:
        begin = minute.start // step * step
        if not start <= begin < end:
            continue
        if candles and candles[-1].start == begin:
            candles[-1].merge(minute)
        else:
            candles.append(replace(minute, start=begin))
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
