"""Keeps the bars of many symbols that can still be amended; see :class:`tickwire.bar_table.BarTable`.

The open bars of a symbol lie in slots, as many as it can have open at once, each in that of its start modulo their
number. A slot without trades is free. So nothing is searched and nothing moves, and what a call costs depends on the
trades and symbols in it alone.
"""

import numpy as np

from tickwire.bar_rows import (
    ALL_SLOTS,
    BAR_WIDTH,
    BEGINNING,
    CLOSED,
    FINAL,
    INSTRUMENT,
    INTERVAL,
    LAST_ID,
    LATENESS_SECONDS,
    NEWEST_ID,
    PRESENT,
    PRICE_SCALE,
    REVISION,
    SECOND,
    SIZE_SCALE,
    SLOTS,
    START,
    SYMBOL,
    SYMBOL_PRICE_SCALE,
    SYMBOL_SIZE_SCALE,
    TRADES,
    WATERMARK,
    Rows,
)
from tickwire.bars_kernel import merge_sums
from tickwire.columns import Int32, Int64
from tickwire.compiled import borrowed, kernel, step

_BEGINNING = np.int64(BEGINNING)
_MINUTE = 60 * SECOND
_LATENESS = LATENESS_SECONDS[1] * SECOND
_MINUTE_LATENESS = LATENESS_SECONDS[60] * SECOND
_SLOTS, _MINUTE_SLOTS = SLOTS


@step
def _width(which: int) -> int:
    """Give the width of interval 0 or 1 in ns."""
    return _MINUTE if which else SECOND


@step
def _seconds(which: int) -> int:
    return 60 if which else 1


@step
def _slot(row: int, which: int, start: int) -> int:
    """Give the row of the slots that the bar of ``start`` lies in, if it is open."""
    if which:
        return row * ALL_SLOTS + _SLOTS + start // _MINUTE % _MINUTE_SLOTS
    return row * ALL_SLOTS + start // SECOND % _SLOTS


@step
def _give(slots: Rows, at: int, final: bool, which: int, row: int, symbols: Rows, changed: Rows, n: int) -> int:
    """Raise a bar's revision, add it to those that changed, and free its slot if it is final."""
    slots[at, REVISION] += 1
    for column in range(BAR_WIDTH):
        changed[n, column] = slots[at, column]
    changed[n, SYMBOL] = row
    changed[n, INTERVAL] = _seconds(which)
    changed[n, FINAL] = final
    changed[n, PRICE_SCALE] = symbols[row, SYMBOL_PRICE_SCALE]
    changed[n, SIZE_SCALE] = symbols[row, SYMBOL_SIZE_SCALE]
    if final:
        slots[at, TRADES] = 0
    return n + 1


@step
def _close(row: int, symbols: Rows, slots: Rows, changed: Rows, n: int) -> int:
    """Make every open bar of a symbol final."""
    for which in range(2):
        closed = symbols[row, CLOSED + which]
        if closed == _BEGINNING:
            continue
        for k in range(_MINUTE_SLOTS if which else _SLOTS):
            start = closed + k * _width(which)
            at = _slot(row, which, start)
            if slots[at, TRADES] and slots[at, START] == start:
                n = _give(slots, at, True, which, row, symbols, changed, n)
                symbols[row, CLOSED + which] = start + _width(which)
    return n


@step
def _too_late(runs: Rows, k: int, which: int, row: int, late: Rows, m: int) -> int:
    """Report the trades of a run as late, together with those of the run before if they are of the same bar."""
    width = _width(which)
    start = runs[k, START] // width * width
    if m and late[m - 1, 0] == row and late[m - 1, 1] == _seconds(which) and late[m - 1, 2] == start:
        late[m - 1, 3] += runs[k, TRADES]
        return m
    late[m, 0] = row
    late[m, 1] = _seconds(which)
    late[m, 2] = start
    late[m, 3] = runs[k, TRADES]
    return m + 1


@step
def _amend(
    runs: Rows,
    first: int,
    last: int,
    which: int,
    row: int,
    symbols: Rows,
    slots: Rows,
    changed: Rows,
    n: int,
    late: Rows,
    m: int,
) -> tuple[int, int]:
    """Merge the runs from ``first`` to before ``last`` into their symbol's bars of one interval; see ``apply_runs``."""
    width = _width(which)
    closed = symbols[row, CLOSED + which]
    until = closed
    before = symbols[row, WATERMARK] - (_MINUTE_LATENESS if which else _LATENESS)
    if symbols[row, WATERMARK] > before:
        until = max(closed, before // width * width)
    symbols[row, CLOSED + which] = until
    # The start of the next bar that may become final, and the end of those that may.
    scan = until if closed == _BEGINNING else closed
    scan_end = min(until, scan + (_MINUTE_SLOTS if which else _SLOTS) * width)
    k = first
    while True:
        start = scan_end
        if k < last:
            start = runs[k, START] // width * width
            if start < closed:
                m = _too_late(runs, k, which, row, late, m)
                k += 1
                continue
        while scan < min(start, scan_end):
            at = _slot(row, which, scan)
            if slots[at, TRADES] and slots[at, START] == scan:
                n = _give(slots, at, True, which, row, symbols, changed, n)
            scan += width
        if k == last:
            return n, m
        at = _slot(row, which, start)
        if not slots[at, TRADES]:
            for column in range(REVISION):
                slots[at, column] = runs[k, column]
            slots[at, START] = start
            slots[at, REVISION] = 0
            k += 1
        while k < last and runs[k, START] // width * width == start:
            merge_sums(slots, at, runs, k)
            k += 1
        n = _give(slots, at, start < until, which, row, symbols, changed, n)


@kernel(
    "UniTuple(int64, 2)(int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[:, ::1],"
    " int64[:, ::1], int64[:, ::1])"
)
def apply_runs(
    runs: Rows, order: Int64, symbol_rows: Int64, scales: Int64, symbols: Rows, slots: Rows, changed: Rows, late: Rows
) -> tuple[int, int]:
    """Merge whole 1 s runs of trades into the table.

    Parameters
    ----------
    runs : int64 (n, RUN_WIDTH), one a bar, rising by instrument and start
    order : int64 (i,), the instruments in the order in which they are taken in
    symbol_rows, scales : int64 (i,) and (i, 2), of each instrument its row of the table, and its price and size scale
    symbols, slots : int64 (rows, SYMBOL_WIDTH) and (rows * ALL_SLOTS, BAR_WIDTH), the table
    changed : int64 (2 n + open bars, CHANGED_WIDTH), written
    late : int64 (2 n, 4), written: row of the table, interval (s), start (ns), trades

    Returns
    -------
    How many rows of ``changed`` and of ``late`` were written.
    """
    runs, symbols, slots = borrowed(runs), borrowed(symbols), borrowed(slots)
    changed, late = borrowed(changed), borrowed(late)
    ends = np.zeros(len(order), np.int64)
    for k in range(len(runs)):
        ends[runs[k, INSTRUMENT]] = k + 1
    n = 0
    m = 0
    for place in range(len(order)):
        index = order[place]
        last = ends[index]
        if last == 0:
            continue
        row = symbol_rows[index]
        present = 0
        first = last
        while first > 0 and runs[first - 1, INSTRUMENT] == index:
            first -= 1
            present += runs[first, PRESENT]
            symbols[row, NEWEST_ID] = max(symbols[row, NEWEST_ID], runs[first, LAST_ID])
        same = (
            symbols[row, SYMBOL_PRICE_SCALE] == scales[index, 0] and symbols[row, SYMBOL_SIZE_SCALE] == scales[index, 1]
        )
        if not same and symbols[row, SYMBOL_PRICE_SCALE] >= 0 and present == 0:
            # The scales changed since these were traded: no reason to change them back.
            for which in range(2):
                for k in range(first, last):
                    m = _too_late(runs, k, which, row, late, m)
            continue
        if not same:
            n = _close(row, symbols, slots, changed, n)
            symbols[row, SYMBOL_PRICE_SCALE] = scales[index, 0]
            symbols[row, SYMBOL_SIZE_SCALE] = scales[index, 1]
        symbols[row, WATERMARK] = max(symbols[row, WATERMARK], runs[last - 1, START])
        for which in range(2):
            n, m = _amend(runs, first, last, which, row, symbols, slots, changed, n, late, m)
    return n, m


@kernel("int64(int32[::1], int64[::1], int64[::1], int64[:, ::1], int64, int64, int64[::1])")
def last_rows(
    instrument: Int32, trade_id: Int64, symbol_rows: Int64, symbols: Rows, limit: int, behind: int, picked: Int64
) -> int:
    """Pick of each instrument the last ``limit`` rows, of ids less than ``behind`` below the symbol's newest.

    ``instrument`` and ``trade_id`` are (n,). The rows are written, rising, to the end of ``picked``, int64 (n,).
    Gives where there they begin; -1 if the trades do not rise by instrument and id.
    """
    at = len(picked)
    current = 2**31
    before = 0
    left = 0
    floor = 0
    for k in range(len(trade_id) - 1, -1, -1):
        if instrument[k] != current:
            if instrument[k] > current:
                return -1
            current = int(instrument[k])
            left = limit
            floor = symbols[symbol_rows[current], NEWEST_ID] - behind
        elif trade_id[k] > before:
            return -1
        before = trade_id[k]
        if left > 0:
            left -= 1
            if before > floor:
                at -= 1
                picked[at] = k
    return at
