"""The loops around an admission: rows by symbol, those that came in by trade id, and what they add up to."""

import numpy as np

from tickwire.columns import Int8, Int32, Int64, TradeFlag
from tickwire.compiled import kernel, step
from tickwire.validation.admission import ACCEPTED, HOUR

_BACKFILL = int(TradeFlag.BACKFILL)
_MAX_SHIFTS = 8
"""Rows are sorted by insertion while that moves each so far on average; more disorder is merged."""


@kernel("boolean(int32[::1], int64[::1], int64[::1])")
def group(instrument: Int32, order: Int64, bounds: Int64) -> bool:
    """Give the rows by instrument: rows ``order[bounds[k]:bounds[k + 1]]`` are those of instrument k, as they came.

    ``order`` is (n,), ``bounds`` (instruments + 1,); both are filled. Gives whether the rows stood so already.
    """
    instruments = len(bounds) - 1
    bounds[:] = 0
    grouped = True
    before = np.int32(0)
    for row in range(len(instrument)):
        index = instrument[row]
        grouped &= index >= before
        before = index
        bounds[index + 1] += 1
    for index in range(instruments):
        bounds[index + 1] += bounds[index]
    if grouped:
        for row in range(len(instrument)):
            order[row] = row
        return True
    place = bounds[:-1].copy()
    for row in range(len(instrument)):
        index = instrument[row]
        order[place[index]] = row
        place[index] += 1
    return False


@step
def _merge_sort(rows: Int64, trade_id: Int64) -> None:
    """Sort row numbers by their trade id, equal ones as they stand."""
    source, target = rows.copy(), rows.copy()
    width = 1
    while width < len(rows):
        for low in range(0, len(rows), 2 * width):
            middle, high = min(low + width, len(rows)), min(low + 2 * width, len(rows))
            left, right = low, middle
            for place in range(low, high):
                if left < middle and (right >= high or trade_id[source[left]] <= trade_id[source[right]]):
                    target[place] = source[left]
                    left += 1
                else:
                    target[place] = source[right]
                    right += 1
        source, target = target, source
        width *= 2
    rows[:] = source


@kernel("boolean(int64[::1], int64[::1], int64[::1], int8[::1], int64[::1], int64[::1])")
def arrange(order: Int64, bounds: Int64, trade_id: Int64, codes: Int8, rows: Int64, ends: Int64) -> bool:
    """Give the accepted rows by instrument and trade id.

    ``rows`` (n,) gets their numbers, ``ends`` (instruments + 1,) where each instrument's begin and end in it, as
    ``bounds`` says it of ``order``. Gives whether that is every row, each in its place.
    """
    count = 0
    unmoved = True
    ends[0] = 0
    for index in range(len(bounds) - 1):
        start = count
        shifts = 0
        sorted_until = -1
        for k in range(bounds[index], bounds[index + 1]):
            row = order[k]
            if codes[row] != ACCEPTED:
                unmoved = False
                continue
            place = count
            trade = trade_id[row]
            if sorted_until < 0:
                while place > start and trade_id[rows[place - 1]] > trade:
                    rows[place] = rows[place - 1]
                    place -= 1
                shifts += count - place
                if shifts > _MAX_SHIFTS * (count - start + 1):
                    sorted_until = count
            rows[place] = row
            unmoved &= row == place
            count += 1
        if sorted_until >= 0:
            unmoved = False
            _merge_sort(rows[start:count], trade_id)
        ends[index + 1] = count
    return unmoved and count == len(trade_id)


@kernel(
    "void(int64[::1], int32[::1], int64[::1], int64[::1], int64[::1], int8[::1], int64[::1], int64[::1], int8[::1],"
    " int32[::1], int64[::1], int64[::1], int64[::1], int8[::1], int64[::1], int64[::1], int8[::1])"
)
def gather(
    rows: Int64,
    instrument: Int32,
    trade_id: Int64,
    price: Int64,
    size: Int64,
    side: Int8,
    exchange_time: Int64,
    receive_time: Int64,
    flags: Int8,
    to_instrument: Int32,
    to_trade_id: Int64,
    to_price: Int64,
    to_size: Int64,
    to_side: Int8,
    to_exchange_time: Int64,
    to_receive_time: Int64,
    to_flags: Int8,
) -> None:
    """Copy the rows of each column, in that order, in one pass."""
    for place in range(len(rows)):
        row = rows[place]
        to_instrument[place] = instrument[row]
        to_trade_id[place] = trade_id[row]
        to_price[place] = price[row]
        to_size[place] = size[row]
        to_side[place] = side[row]
        to_exchange_time[place] = exchange_time[row]
        to_receive_time[place] = receive_time[row]
        to_flags[place] = flags[row]


@kernel(
    "UniTuple(int64, 3)(int64[::1], int64[::1], int64[::1], int8[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1])"
)
def sum_up(
    ends: Int64, trade_id: Int64, exchange_time: Int64, flags: Int8, runs: Int64, backfilled: Int64, hours: Int64
) -> tuple[int, int, int]:
    """Give the runs of ids and the hours of trades that lie by instrument (``ends``) and id; the numbers of each.

    ``runs`` and ``backfilled`` (n, 3) get instrument, first and last id; ``hours`` (n, 5) instrument, start of
    the hour (ns), trades, lowest and highest id, each hour of an instrument once, in the order of its lowest id.
    """
    run_count, backfilled_count, hour_count = 0, 0, 0
    for index in range(len(ends) - 1):
        hours_before = hour_count
        open_run, open_backfill = False, False
        for row in range(ends[index], ends[index + 1]):
            trade = trade_id[row]
            if open_run and runs[run_count - 1, 2] == trade - 1:
                runs[run_count - 1, 2] = trade
            else:
                runs[run_count, 0], runs[run_count, 1], runs[run_count, 2] = index, trade, trade
                run_count += 1
                open_run = True
            if flags[row] & _BACKFILL:
                if open_backfill and backfilled[backfilled_count - 1, 2] == trade - 1:
                    backfilled[backfilled_count - 1, 2] = trade
                else:
                    backfilled[backfilled_count, 0] = index
                    backfilled[backfilled_count, 1], backfilled[backfilled_count, 2] = trade, trade
                    backfilled_count += 1
                    open_backfill = True
            hour = exchange_time[row] // HOUR * HOUR
            found = hour_count - 1
            while found >= hours_before and hours[found, 1] != hour:
                found -= 1
            if found < hours_before:
                found = hour_count
                hours[found, 0], hours[found, 1], hours[found, 2], hours[found, 3] = index, hour, 0, trade
                hour_count += 1
            hours[found, 2] += 1
            hours[found, 4] = trade
    return run_count, backfilled_count, hour_count
