"""The loop over trades behind :class:`tickwire.detect.whales.WhaleDetector`.

Notionals are counted in bins that lie fixed, eight to each doubling, so that the bits of a float are its bin. Each
histogram keeps two marks, the bin above which lies the tail and the bin of the median. A row moves them by a bin or
two, so that no row ever looks at all bins.
"""

import numpy as np

from tickwire.columns import Int8, Int32, Int64
from tickwire.compiled import borrowed, kernel, step
from tickwire.features import Float64

BINS = 512
_MANTISSA_BITS = 49
"""Of the 52 bits of a float's mantissa, those below a bin: three are left to tell eight bins of a doubling apart."""
_OFFSET = (1023 - 24) << 3
"""The first bin begins at 2**-24, the last one ends at 2**40."""
WEIGHT = 64
"""What one value counts for; halved six times, it still counts."""
FULL = WEIGHT << 17
"""When the weights add up to this, all are halved: the older half of what is known then weighs half."""
SEEN, TOTAL, TAIL, ABOVE, MEDIAN, BELOW = range(6)
"""Of a histogram: values ever counted, all weight, the bin above which lies the tail, the weight above it, the bin of
the median, the weight below it."""
MARKS = 6
STARTED, ENDED, TRADES, FIRST_ID, LAST_ID = range(5)
"""Of a run of one side's trades; TRADES is 0 where there is none."""
RUN = 5
NOTIONAL, VOLUME, THRESHOLD = range(3)
"""Of what is found, and the first two of a run: quote currency, base currency, and the least notional that counts."""
SIDE = 5
INSTRUMENT = 6
FOUND = 7
"""Whole numbers of what is found: those of a run, then its side (0 bought, 1 sold) and its row of the instruments."""


@step
def _bin(value: float) -> np.int64:
    bits = np.float64(value).view(np.int64) >> np.int64(_MANTISSA_BITS)
    return min(max(bits - np.int64(_OFFSET), np.int64(0)), np.int64(BINS - 1))


@step
def _edge(place: int) -> float:
    """Give where a bin begins."""
    return np.int64((place + np.int64(_OFFSET)) << np.int64(_MANTISSA_BITS)).view(np.float64)


@step
def _settle(counts: Int64, marks: Int64, h: int, one_in: int) -> None:
    """Move both marks of histogram h to where they belong; each place is the only one that fulfils its conditions."""
    total = marks[h, TOTAL]
    tail, above = marks[h, TAIL], marks[h, ABOVE]
    while above * one_in > total:
        tail += 1
        above -= counts[h, tail]
    while tail >= 0 and (above + counts[h, tail]) * one_in <= total:
        above += counts[h, tail]
        tail -= 1
    median, below = marks[h, MEDIAN], marks[h, BELOW]
    while 2 * (below + counts[h, median]) < total:
        below += counts[h, median]
        median += 1
    while median > 0 and 2 * below >= total:
        median -= 1
        below -= counts[h, median]
    marks[h, TAIL], marks[h, ABOVE], marks[h, MEDIAN], marks[h, BELOW] = tail, above, median, below


@step
def _recount(counts: Int64, marks: Int64, h: int) -> None:
    """Begin the marks of histogram h anew from the counts."""
    total = np.int64(0)
    for place in range(BINS):
        total += counts[h, place]
    marks[h, TOTAL], marks[h, TAIL], marks[h, ABOVE], marks[h, MEDIAN], marks[h, BELOW] = total, BINS - 1, 0, 0, 0


@step
def _count(counts: Int64, marks: Int64, h: int, value: float, one_in: int) -> None:
    place = _bin(value)
    counts[h, place] += WEIGHT
    marks[h, SEEN] += 1
    marks[h, TOTAL] += WEIGHT
    if place > marks[h, TAIL]:
        marks[h, ABOVE] += WEIGHT
    if place < marks[h, MEDIAN]:
        marks[h, BELOW] += WEIGHT
    if marks[h, TOTAL] >= FULL:
        for one in range(BINS):
            counts[h, one] >>= 1
        _recount(counts, marks, h)
    _settle(counts, marks, h, one_in)


@step
def _threshold(marks: Int64, h: int, medians: float) -> float:
    """Give where the tail begins, but no less than so many medians (the upper edge of the median's bin)."""
    return max(_edge(marks[h, TAIL] + 1), medians * _edge(marks[h, MEDIAN] + 1))


@kernel("void(int64[:, ::1], int64[:, ::1], int64)")
def recount(counts: Int64, marks: Int64, one_in: int) -> None:
    """Make all marks but SEEN from the counts alone, as a loaded state needs.

    ``counts`` : (histograms, :data:`BINS`)
    ``marks`` : (histograms, :data:`MARKS`), changed
    """
    counts, marks = borrowed(counts), borrowed(marks)
    for h in range(len(counts)):
        _recount(counts, marks, h)
        _settle(counts, marks, h, one_in)


@kernel(
    "int64(int64, int32[::1], int64[::1], int64[::1], int64[::1], int8[::1], int64[::1], int8[::1],"
    " int64[::1], float64[::1], float64[::1], int64, int64, int64, int64, float64, float64, int8,"
    " int64[::1], int64[:, ::1], int64[:, ::1], int64[:, :, ::1], float64[:, :, ::1],"
    " int64[::1], int64[:, ::1], float64[:, ::1])"
)
def whales(
    begin: int,
    instrument: Int32,
    trade_id: Int64,
    price: Int64,
    size: Int64,
    side: Int8,
    exchange_time: Int64,
    flags: Int8,
    row: Int64,
    price_unit: Float64,
    size_unit: Float64,
    one_in: int,
    min_trades: int,
    min_runs: int,
    window: int,
    medians: float,
    multiple: float,
    left_out: int,
    clock: Int64,
    counts: Int64,
    marks: Int64,
    runs: Int64,
    sums: Float64,
    number: Int64,
    found: Int64,
    found_sums: Float64,
) -> int:
    """Take in trades from ``begin`` on, until all are or ``found`` is full; give the place of the next one.

    ``instrument`` … ``flags`` : (n,), as in ``TradeBatch``
    ``row``, ``price_unit``, ``size_unit`` : by instrument, its row in the state, and what one unit is worth
    ``clock`` : (symbols,), newest exchange time in ns; changed
    ``counts``, ``marks`` : (2 * symbols, …), each symbol's trades and then its runs; changed
    ``runs``, ``sums`` : (symbols, 2, :data:`RUN`) and (symbols, 2, 2), the open run of each side; changed
    ``number`` : (1,), how many are in ``found``; written
    ``found``, ``found_sums`` : (room, :data:`FOUND`) and (room, 3); written
    """
    counts, marks, runs, sums = borrowed(counts), borrowed(marks), borrowed(runs), borrowed(sums)
    n = len(price)
    filled = 0
    k = begin
    while k < n and filled + 3 <= len(found):
        if price[k] <= 0 or size[k] <= 0 or flags[k] & left_out:
            k += 1
            continue
        which = instrument[k]
        symbol = row[which]
        trades, joined = 2 * symbol, 2 * symbol + 1
        volume = size[k] * size_unit[which]
        notional = price[k] * price_unit[which] * volume
        now = max(clock[symbol], exchange_time[k])
        clock[symbol] = now
        known = marks[trades, SEEN] >= min_trades
        single = _threshold(marks, trades, medians) if known else np.inf
        for one in range(2):
            if runs[symbol, one, TRADES] == 0 or now - runs[symbol, one, STARTED] <= window:
                continue
            total = sums[symbol, one, NOTIONAL]
            least = max(_edge(marks[joined, TAIL] + 1), multiple * single)
            if runs[symbol, one, TRADES] > 1 and marks[joined, SEEN] >= min_runs and total >= least:
                found[filled, :RUN] = runs[symbol, one]
                found[filled, SIDE] = one
                found[filled, INSTRUMENT] = which
                found_sums[filled, NOTIONAL] = total
                found_sums[filled, VOLUME] = sums[symbol, one, VOLUME]
                found_sums[filled, THRESHOLD] = least
                filled += 1
            _count(counts, marks, joined, total, one_in)
            runs[symbol, one, TRADES] = 0
        if side[k] == 1 or side[k] == 2:
            one = side[k] - 1
            if notional >= single:
                found[filled, STARTED] = exchange_time[k]
                found[filled, ENDED] = exchange_time[k]
                found[filled, TRADES] = 1
                found[filled, FIRST_ID] = trade_id[k]
                found[filled, LAST_ID] = trade_id[k]
                found[filled, SIDE] = one
                found[filled, INSTRUMENT] = which
                found_sums[filled, NOTIONAL] = notional
                found_sums[filled, VOLUME] = volume
                found_sums[filled, THRESHOLD] = single
                filled += 1
            else:
                if runs[symbol, one, TRADES] == 0:
                    runs[symbol, one, STARTED] = now
                    runs[symbol, one, FIRST_ID] = trade_id[k]
                    runs[symbol, one, LAST_ID] = trade_id[k]
                    sums[symbol, one, :] = 0.0
                runs[symbol, one, ENDED] = now
                runs[symbol, one, TRADES] += 1
                runs[symbol, one, FIRST_ID] = min(runs[symbol, one, FIRST_ID], trade_id[k])
                runs[symbol, one, LAST_ID] = max(runs[symbol, one, LAST_ID], trade_id[k])
                sums[symbol, one, NOTIONAL] += notional
                sums[symbol, one, VOLUME] += volume
        _count(counts, marks, trades, notional, one_in)
        k += 1
    number[0] = filled
    return k
