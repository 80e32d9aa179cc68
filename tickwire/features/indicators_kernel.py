"""The loop over closed bars behind :class:`tickwire.features.indicators.Indicators`.

What is remembered of a symbol is one row of numbers: the averages, the sums of the windows, and the
values that the windows hold. A bar costs the same however long the windows are: what enters is added and
what leaves is subtracted. That alone would let rounding errors stay for ever, so a window is summed anew
whenever its ring has come round, and at once when a sum has become small beside what it was made of.
"""

import math

import numpy as np

from tickwire.columns import Int32
from tickwire.compiled import kernel, step
from tickwire.features import Float64

WILDER = 14
FAST, SLOW, SIGNAL = 12, 26, 9
WINDOW = 20
DEVIATIONS = 2.0
RETURNS = 30

_BARS, _CLOSE, _GAIN, _LOSS, _TRUE_RANGE, _FAST, _SLOW, _SIGNAL = range(8)
_CLOSES, _LOG_RETURNS = 8, 12
"""Each: what is subtracted from every value, the sum, the sum of squares, and the largest square."""
_VOLUME, _NOTIONAL, _BOUGHT = 16, 18, 20
"""Each: the sum, and the largest that it has been."""
_BAR_RING = 24
_BAR_FIELDS = 4
_RETURN_RING = _BAR_RING + WINDOW * _BAR_FIELDS
CELLS = 136
"""Numbers per symbol: 134, made up to whole cache lines."""

_CANCELLED = 2.0**-12
"""A sum that has shrunk to less than this part of what it was made of has lost too many of its digits."""


@step
def _average(average: float, value: float, number: int, length: int, weight: float) -> float:
    """Give an average in which each new value has ``weight``, after ``number`` values.

    It starts as the mean of the first ``length``, as TA-Lib's do; until there are so many it is their sum.
    """
    if number > length:
        return (value - average) * weight + average
    average += value
    return average / length if number == length else average


@step
def _total(cell: Float64, at: int, first: int, number: int, value: float) -> float:
    """Give the sum of the last :data:`WINDOW` values, none of them negative; ``number`` came before."""
    position = number % WINDOW
    slot = first + position * _BAR_FIELDS
    total: float = cell[at] - cell[slot] + value
    cell[slot] = value
    largest = max(cell[at + 1], total)
    if position == WINDOW - 1 or total < _CANCELLED * largest:
        total = 0.0
        for i in range(WINDOW):
            total += cell[first + i * _BAR_FIELDS]
        largest = total
    cell[at] = total
    cell[at + 1] = largest
    return total


@step
def _spread(
    cell: Float64, at: int, first: int, stride: int, length: int, number: int, value: float
) -> tuple[float, float]:
    """Give the mean of the last ``length`` values, and the sum of their squared distances from it.

    ``number`` values came before; what is given before there are enough means nothing. All is summed as
    distances from one of the values, so that a small spread of large prices keeps its digits.
    """
    position = number % length
    slot = first + position * stride
    if number == 0:
        cell[at] = value
    origin, total, squares, largest = cell[at], cell[at + 1], cell[at + 2], cell[at + 3]
    if number >= length:
        leaves = cell[slot] - origin
        total -= leaves
        squares -= leaves * leaves
    cell[slot] = value
    enters = value - origin
    total += enters
    squares += enters * enters
    largest = max(largest, enters * enters)
    around_mean = squares - total * total / length
    if number >= length - 1 and (position == length - 1 or around_mean < _CANCELLED * largest):
        origin, total, squares, largest = value, 0.0, 0.0, 0.0
        for i in range(length):
            distance = cell[first + i * stride] - origin
            total += distance
            squares += distance * distance
            largest = max(largest, distance * distance)
        around_mean = squares - total * total / length
    cell[at], cell[at + 1], cell[at + 2], cell[at + 3] = origin, total, squares, largest
    return origin + total / length, max(around_mean, 0.0)


@kernel(
    "void(int32[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, ::1], float64[:, ::1])"
)
def indicators(
    row: Int32,
    high: Float64,
    low: Float64,
    close: Float64,
    volume: Float64,
    buy_volume: Float64,
    notional: Float64,
    cells: Float64,
    out: Float64,
) -> None:
    """Take in n closed bars, and give the nine indicators after each.

    ``row`` : (n,), of each bar the row of ``cells`` that is its symbol's
    ``high`` to ``notional`` : (n,), as of ``Indicators.update``
    ``cells`` : (symbols, :data:`CELLS`), all 0 of a symbol without bars; changed
    ``out`` : (n, 9), written
    """
    for k in range(len(row)):
        cell = cells[row[k]]
        number = int(cell[_BARS])
        now = close[k]
        before = cell[_CLOSE]
        out[k, :] = np.nan

        if number > 0:
            change = now - before
            gain = _average(cell[_GAIN], max(change, 0.0), number, WILDER, 1 / WILDER)
            loss = _average(cell[_LOSS], max(-change, 0.0), number, WILDER, 1 / WILDER)
            true_range = max(high[k] - low[k], abs(high[k] - before), abs(low[k] - before))
            true_range = _average(cell[_TRUE_RANGE], true_range, number, WILDER, 1 / WILDER)
            cell[_GAIN], cell[_LOSS], cell[_TRUE_RANGE] = gain, loss, true_range
            if number >= WILDER:
                moved = gain + loss
                out[k, 0] = 100.0 * (gain / moved) if moved != 0.0 else 0.0
                out[k, 5] = true_range
            log_return = math.log(now / before)
            _, around_mean = _spread(cell, _LOG_RETURNS, _RETURN_RING, 1, RETURNS, number - 1, log_return)
            if number >= RETURNS:
                out[k, 7] = math.sqrt(around_mean / (RETURNS - 1))

        # TA-Lib starts the fast average so late that both averages have their first value at the same bar.
        slow = _average(cell[_SLOW], now, number + 1, SLOW, 2 / (SLOW + 1))
        cell[_SLOW] = slow
        if number >= SLOW - FAST:
            fast = _average(cell[_FAST], now, number + 1 - (SLOW - FAST), FAST, 2 / (FAST + 1))
            cell[_FAST] = fast
            if number >= SLOW - 1:
                signal = _average(cell[_SIGNAL], fast - slow, number + 2 - SLOW, SIGNAL, 2 / (SIGNAL + 1))
                cell[_SIGNAL] = signal
                if number >= SLOW + SIGNAL - 2:
                    out[k, 1] = fast - slow
                    out[k, 2] = signal

        mean, around_mean = _spread(cell, _CLOSES, _BAR_RING, _BAR_FIELDS, WINDOW, number, now)
        traded = _total(cell, _VOLUME, _BAR_RING + 1, number, volume[k])
        worth = _total(cell, _NOTIONAL, _BAR_RING + 2, number, notional[k])
        bought = _total(cell, _BOUGHT, _BAR_RING + 3, number, buy_volume[k])
        if number >= WINDOW - 1:
            width = DEVIATIONS * math.sqrt(around_mean / WINDOW)
            out[k, 3] = mean + width
            out[k, 4] = mean - width
            if traded > 0.0:
                out[k, 6] = worth / traded
                out[k, 8] = (2.0 * bought - traded) / traded
        cell[_CLOSE] = now
        cell[_BARS] = number + 1
