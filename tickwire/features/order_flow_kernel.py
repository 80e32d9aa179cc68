"""The loop over trades behind :class:`tickwire.features.order_flow.OrderFlow`."""

import numpy as np

from tickwire.columns import Int8, Int32, Int64
from tickwire.compiled import kernel, step
from tickwire.features import Float64

_SLOW_SECONDS = 30.0
"""The longer time constant. The shorter one is a thirtieth of it: the kernel takes it as a 30th power."""

_PER_NANOSECOND = 1e-9 / _SLOW_SECONDS
_LOG2_E = 1.4426950408889634
_LN_2 = 0.6931471805599453

_FAST, _SLOW, _VWAP, _FAST_WEIGHT, _SLOW_WEIGHT, _VOLUME, _SIGNED, _VARIANCE, _PRICE, _PRICE_UNIT = range(10)
"""The columns of a symbol's sums: three means, the decayed weights of each, and what else is kept."""
SUMS = 10


@step
def decay(x: float) -> float:
    """Give exp(-x) of x >= 0, right to 3e-16 + x * 2e-16 of it; of x > 693, something below 1e-300.

    In place of the C library's, since a call would spill all that the loop keeps in registers, and since
    this one, made of sums and products alone, gives the same bits on every machine.
    """
    binary = min(x * _LOG2_E, 1000.5)
    whole = np.int64(binary + 0.5)
    y = (np.float64(whole) - binary) * _LN_2
    # The series of exp around 0 for |y| <= ln(2) / 2, by Estrin's scheme: its parts do not wait for each other.
    y2 = y * y
    y4 = y2 * y2
    low = (1.0 + y) + y2 * (1 / 2 + y * (1 / 6))
    middle = (1 / 24 + y * (1 / 120)) + y2 * (1 / 720 + y * (1 / 5040))
    high = (1 / 40320 + y * (1 / 362880)) + y2 * (1 / 3628800 + y * (1 / 39916800)) + y4 * (1 / 479001600)
    series = low + y4 * (middle + y4 * high)
    return series * np.int64((np.int64(1023) - whole) << np.int64(52)).view(np.float64)


@step
def _mixed(mean: float, kept: float, value: float, added: float) -> float:
    """Give the mean after a value of weight ``added``, where ``kept`` is left of the weight so far.

    The lighter one moves the heavier one, so that no digits cancel: neither where a price falls to a
    millionth, nor at rest, where the mean stays what it is to the last bit.
    """
    heavy, light = (value, mean) if added > kept else (mean, value)
    return heavy + (light - heavy) * (min(added, kept) / (added + kept))


@kernel(
    "void(int32[::1], int64[::1], int64[::1], int8[::1], int64[::1],"
    " int64[::1], float64[::1], float64[::1], int64[::1], float64[:, ::1], float64[:, ::1])"
)
def order_flow(
    instrument: Int32,
    price: Int64,
    size: Int64,
    side: Int8,
    exchange_time: Int64,
    row: Int64,
    price_unit: Float64,
    size_unit: Float64,
    clock: Int64,
    sums: Float64,
    out: Float64,
) -> None:
    """Take in n trades, and give the six features after each.

    ``instrument``, ``price``, ``size``, ``side``, ``exchange_time`` : (n,), as in ``TradeBatch``
    ``row``, ``price_unit``, ``size_unit`` : by instrument, its row in the state, and what one unit is worth
    ``clock`` : (symbols,), newest exchange time in ns; -1 of a symbol that has not traded; changed
    ``sums`` : (symbols, :data:`SUMS`); changed
    ``out`` : (n, 6), written
    """
    n = len(price)
    k = 0
    while k < n:
        which = instrument[k]
        symbol = row[which]
        unit_of_price = price_unit[which]
        unit_of_size = size_unit[which]
        now = clock[symbol]
        fast = sums[symbol, _FAST]
        slow = sums[symbol, _SLOW]
        vwap = sums[symbol, _VWAP]
        fast_weight = sums[symbol, _FAST_WEIGHT]
        slow_weight = sums[symbol, _SLOW_WEIGHT]
        volume = sums[symbol, _VOLUME]
        signed = sums[symbol, _SIGNED]
        variance = sums[symbol, _VARIANCE]
        # In units of this batch; the quotient is 1 unless the symbol's scale has changed.
        previous = sums[symbol, _PRICE] * (sums[symbol, _PRICE_UNIT] / unit_of_price)
        while k < n and instrument[k] == which:
            if price[k] <= 0 or size[k] <= 0:
                out[k, :] = np.nan
                k += 1
                continue
            p = price[k] * unit_of_price
            q = size[k] * unit_of_size
            time = exchange_time[k]
            if now < 0:
                now = time
                fast = slow = vwap = p
                previous = np.float64(price[k])
            elapsed = max(time - now, 0)
            now += elapsed
            a = decay(elapsed * _PER_NANOSECOND)
            a2 = a * a
            a3 = a2 * a
            a5 = a3 * a2
            a15 = a5 * a5 * a5
            kept = fast_weight * (a15 * a15)
            fast = _mixed(fast, kept, p, 1.0)
            fast_weight = kept + 1.0
            kept = slow_weight * a
            slow = _mixed(slow, kept, p, 1.0)
            slow_weight = kept + 1.0
            kept = volume * a
            vwap = _mixed(vwap, kept, p, q)
            volume = kept + q
            signed = signed * a + (q if side[k] == 1 else -q if side[k] == 2 else 0.0)
            # In units, whose difference is exact, so that the smallest move keeps all its digits.
            change = (price[k] - previous) / previous
            variance = variance * a + change * change
            previous = np.float64(price[k])
            out[k, 0] = fast
            out[k, 1] = slow
            out[k, 2] = vwap
            out[k, 3] = signed / volume
            out[k, 4] = np.sqrt(variance)
            out[k, 5] = fast / slow - 1.0
            k += 1
        clock[symbol] = now
        sums[symbol, _FAST] = fast
        sums[symbol, _SLOW] = slow
        sums[symbol, _VWAP] = vwap
        sums[symbol, _FAST_WEIGHT] = fast_weight
        sums[symbol, _SLOW_WEIGHT] = slow_weight
        sums[symbol, _VOLUME] = volume
        sums[symbol, _SIGNED] = signed
        sums[symbol, _VARIANCE] = variance
        sums[symbol, _PRICE] = previous
        sums[symbol, _PRICE_UNIT] = unit_of_price
