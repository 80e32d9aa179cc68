"""The loop that joins minutes into bars, behind :func:`tickwire.features.minutes.trailing_grid`."""

import math

from tickwire.columns import Int64
from tickwire.compiled import kernel
from tickwire.features import Float64

_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME, _BUY_VOLUME, _NOTIONAL, _TRADES = range(8)


@kernel("void(int64[:, :, ::1], float64[:, :, ::1], int64, int64, float64[:, :, ::1])")
def join_minutes(words: Int64, numbers: Float64, end: int, width: int, out: Float64) -> None:
    """Fill ``out``, float64 (8, symbols, bars), with the columns of bars of which the newest ends at minute ``end``.

    ``words`` and ``numbers`` are the same rings, (symbols, slots, 9): the first number of a row is its start, in ns,
    and the others are its columns. A minute is ``width`` ns; the bars hold all the minutes of a ring.
    """
    slots = words.shape[1]
    bars = out.shape[2]
    each = slots // bars
    for symbol in range(words.shape[0]):
        for bar in range(bars):
            first = end - (bars - bar) * each
            opened = closed = high = low = math.nan
            volume = bought = notional = trades = 0.0
            for minute in range(first, first + each):
                slot = minute % slots
                if words[symbol, slot, 0] != minute * width or not numbers[symbol, slot, 1 + _VOLUME] > 0:
                    continue
                closed = numbers[symbol, slot, 1 + _CLOSE]
                if math.isnan(opened):
                    opened = numbers[symbol, slot, 1 + _OPEN]
                    high = numbers[symbol, slot, 1 + _HIGH]
                    low = numbers[symbol, slot, 1 + _LOW]
                high = max(high, numbers[symbol, slot, 1 + _HIGH])
                low = min(low, numbers[symbol, slot, 1 + _LOW])
                volume += numbers[symbol, slot, 1 + _VOLUME]
                # What one minute lacks, the sum lacks: NaN stays NaN.
                bought += numbers[symbol, slot, 1 + _BUY_VOLUME]
                notional += numbers[symbol, slot, 1 + _NOTIONAL]
                trades += numbers[symbol, slot, 1 + _TRADES]
            if math.isnan(closed):
                volume = bought = notional = trades = math.nan
            out[_OPEN, symbol, bar] = opened
            out[_HIGH, symbol, bar] = high
            out[_LOW, symbol, bar] = low
            out[_CLOSE, symbol, bar] = closed
            out[_VOLUME, symbol, bar] = volume
            out[_BUY_VOLUME, symbol, bar] = bought
            out[_NOTIONAL, symbol, bar] = notional
            out[_TRADES, symbol, bar] = trades
