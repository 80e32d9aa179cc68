"""The loop of :mod:`tickwire.validation.price_band`."""

import numpy as np

from tickwire.columns import Int8, Int64, TradeFlag
from tickwire.compiled import kernel, step
from tickwire.decimals import INT64_MAX

_ANOMALY = int(TradeFlag.PRICE_ANOMALY)
_SIGMA_PER_MAD = 14_826
"""In units of 10**-4."""


@step
def _scaled(value: int, factor: int, divisor: int) -> int:
    """Give value * factor // divisor, or the largest int64 where it is larger; none is negative."""
    whole, rest = value // divisor, value % divisor
    if factor > 0 and whole > (INT64_MAX - factor) // factor:
        return INT64_MAX
    return whole * factor + rest * factor // divisor


@step
def _sort(values: Int64) -> None:
    # Shell's way: there are few, and neighbours in time are neighbours in price.
    for gap in (13, 4, 1):
        for k in range(gap, len(values)):
            value = values[k]
            place = k
            while place >= gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value


@step
def _band(prices: Int64, sigmas: int, floor_ppm: int) -> tuple[int, int]:
    # The upper median, so that all is integers and the same on every machine.
    middle = len(prices) // 2
    ordered = prices.copy()
    _sort(ordered)
    median = ordered[middle]
    # The distances from the median rise away from it on both sides, so their order is a merge.
    below, above = middle - 1, middle
    mad = 0
    for _ in range(middle + 1):
        if above == len(ordered) or (below >= 0 and median - ordered[below] <= ordered[above] - median):
            mad = median - ordered[below]
            below -= 1
        else:
            mad = ordered[above] - median
            above += 1
    radius = max(_scaled(mad, sigmas * _SIGMA_PER_MAD, 10_000), _scaled(median, floor_ppm, 1_000_000))
    return max(np.int64(0), median - radius), INT64_MAX if radius > INT64_MAX - median else median + radius


@step
def watch(
    numbers: Int64,
    first: int,
    rings: Int64,
    settings: Int64,
    symbol: int,
    order: Int64,
    begin: int,
    end: int,
    price: Int64,
    wanted: Int8,
    flags: Int8,
) -> None:
    """Take in the prices of one symbol's rows ``order[begin:end]`` that are ``wanted``; flag those outside the band.

    ``numbers[symbol, first:first + 4]`` and ``rings[symbol]`` are those of ``PriceBand``, ``settings`` those of
    ``BandSettings.numbers``; ``wanted[k]`` says it of ``order[k]``, 0 for no; ``flags`` are the batch's.
    """
    seen, fresh = numbers[symbol, first], numbers[symbol, first + 1]
    low, high = numbers[symbol, first + 2], numbers[symbol, first + 3]
    size, warm_up = rings.shape[1], settings[0]
    place = seen % size
    for k in range(begin, end):
        if wanted[k] == 0:
            continue
        row = order[k]
        value = price[row]
        if not low <= value <= high and high > 0:
            # The band at hand is that of an earlier price: what it lets out is judged by that of now.
            low, high = _band(rings[symbol, : min(seen, size)], settings[1], settings[2])
            if not low <= value <= high:
                flags[row] |= _ANOMALY
        rings[symbol, place] = value
        place = place + 1 if place + 1 < size else 0
        seen += 1
        fresh += 1
        if fresh == size or seen == warm_up:
            low, high = _band(rings[symbol, : min(seen, size)], settings[1], settings[2])
            if fresh == size:
                fresh = 0
    numbers[symbol, first], numbers[symbol, first + 1] = seen, fresh
    numbers[symbol, first + 2], numbers[symbol, first + 3] = low, high


@kernel("boolean(int64[::1], int64[::1], int64, int64[::1])")
def observe_price(numbers: Int64, ring: Int64, price: int, settings: Int64) -> bool:
    """Take in one price; give whether it lies outside the band."""
    flags = np.zeros(1, np.int8)
    prices = np.full(1, price)
    order = np.zeros(1, np.int64)
    rows, rings = numbers.reshape(1, 4), ring.reshape(1, len(ring))
    watch(rows, 0, rings, settings, 0, order, 0, 1, prices, np.ones(1, np.int8), flags)
    return bool(flags[0])
