"""Adds trades up to runs: rows of one instrument and one interval. Layout of a run in ``tickwire/bar_rows.py``."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tickwire.bar_rows import (
    BUY_VOLUME,
    CLOSE,
    FIRST_ID,
    FROM_THE_PAST,
    HIGH,
    INSTRUMENT,
    LAST_ID,
    LATEST_RECEIVE,
    LOW,
    NOT_LIVE,
    NOTIONAL,
    NOTIONAL_HIGH,
    NOTIONAL_MIDDLE,
    OPEN,
    PRESENT,
    RUN_WIDTH,
    START,
    TRADES,
    VOLUME,
    Rows,
)
from tickwire.columns import Int8, Int32, Int64, Side
from tickwire.compiled import kernel, step

_BUY = int(Side.BUY)
_NOT_LIVE = int(NOT_LIVE)
_FROM_THE_PAST = int(FROM_THE_PAST)
_LOOK_BACK = 16
"""Runs of an instrument that a trade's own may lie behind: ids and times disagree by moments at most."""


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def _high_of_product(typing_context: Any, a: Any, b: Any) -> Any:
    """Give bits 64 to 127 of the signed product of two int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.sext(argument, wide) for argument in arguments))
        return builder.trunc(builder.ashr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.int64(types.int64, types.int64), generate


@step
def add_limbs(rows: Rows, at: int, column: int, low: int, high: int) -> None:
    """Add a number of two limbs to that of row ``at`` whose lower limb lies in ``column``."""
    total = np.uint64(rows[at, column]) + np.uint64(low)
    rows[at, column] = np.int64(total)
    rows[at, column + 1] += high + np.int64(total < np.uint64(low))


@step
def add_notional(rows: Rows, at: int, low: int, middle: int, high: int) -> None:
    """Add a number of three limbs to the notional of row ``at``."""
    total = np.uint64(rows[at, NOTIONAL]) + np.uint64(low)
    rows[at, NOTIONAL] = np.int64(total)
    carry = np.uint64(total < np.uint64(low))
    with_carry = np.uint64(middle) + carry
    total = np.uint64(rows[at, NOTIONAL_MIDDLE]) + with_carry
    rows[at, NOTIONAL_MIDDLE] = np.int64(total)
    rows[at, NOTIONAL_HIGH] += high + np.int64(with_carry < carry) + np.int64(total < with_carry)


@step
def merge_sums(rows: Rows, at: int, others: Rows, other: int) -> None:
    """Add the sums of row ``other`` of ``others``, trades of the same bar, to those of row ``at``."""
    if others[other, FIRST_ID] < rows[at, FIRST_ID]:
        rows[at, FIRST_ID] = others[other, FIRST_ID]
        rows[at, OPEN] = others[other, OPEN]
    if others[other, LAST_ID] > rows[at, LAST_ID]:
        rows[at, LAST_ID] = others[other, LAST_ID]
        rows[at, CLOSE] = others[other, CLOSE]
    rows[at, HIGH] = max(rows[at, HIGH], others[other, HIGH])
    rows[at, LOW] = min(rows[at, LOW], others[other, LOW])
    rows[at, TRADES] += others[other, TRADES]
    rows[at, LATEST_RECEIVE] = max(rows[at, LATEST_RECEIVE], others[other, LATEST_RECEIVE])
    add_limbs(rows, at, VOLUME, others[other, VOLUME], others[other, VOLUME + 1])
    add_limbs(rows, at, BUY_VOLUME, others[other, BUY_VOLUME], others[other, BUY_VOLUME + 1])
    add_notional(rows, at, others[other, NOTIONAL], others[other, NOTIONAL_MIDDLE], others[other, NOTIONAL_HIGH])


@kernel(
    "UniTuple(int64, 2)(int32[::1], int64[::1], int64[::1], int64[::1], int8[::1], int64[::1], int64[::1], int8[::1],"
    " int64, int64[:, ::1])"
)
def add_up(
    instrument: Int32,
    trade_id: Int64,
    price: Int64,
    size: Int64,
    side: Int8,
    exchange_time: Int64,
    receive_time: Int64,
    flags: Int8,
    width: int,
    runs: Rows,
) -> tuple[int, int]:
    """Add n trades up to runs of ``width`` ns.

    Trades in any order are added up rightly: those of one bar may only lie in several runs.

    Parameters
    ----------
    the columns : of a :class:`~tickwire.columns.TradeBatch`
    runs : int64 (n or more, RUN_WIDTH), written

    Returns
    -------
    The number of runs; and 1 if they rise by instrument and start and so are whole bars, else 0.
    """
    count = 0
    whole = 1
    current = -1
    start = 0
    end = 0
    at = 0
    for k in range(len(trade_id)):
        index = int(instrument[k])
        number = trade_id[k]
        time = exchange_time[k]
        received = np.int64(0) if flags[k] & _NOT_LIVE else receive_time[k]
        fresh = False
        if index != current or time < start or time >= end:
            start = time // width * width
            end = start + width
            at = count - 1
            fresh = True
            while at >= 0 and at >= count - _LOOK_BACK and runs[at, INSTRUMENT] == index:
                if runs[at, START] == start:
                    fresh = False
                    break
                at -= 1
            if fresh:
                at = count
                count += 1
                if at > 0 and (
                    runs[at - 1, INSTRUMENT] > index
                    or (runs[at - 1, INSTRUMENT] == index and runs[at - 1, START] > start)
                ):
                    whole = 0
            current = index
        if fresh:
            for column in range(RUN_WIDTH):
                runs[at, column] = 0
            runs[at, START] = start
            runs[at, OPEN] = price[k]
            runs[at, HIGH] = price[k]
            runs[at, LOW] = price[k]
            runs[at, CLOSE] = price[k]
            runs[at, FIRST_ID] = number
            runs[at, LAST_ID] = number
            runs[at, LATEST_RECEIVE] = received
            runs[at, INSTRUMENT] = index
        else:
            if number < runs[at, FIRST_ID]:
                runs[at, FIRST_ID] = number
                runs[at, OPEN] = price[k]
            if number >= runs[at, LAST_ID]:
                runs[at, LAST_ID] = number
                runs[at, CLOSE] = price[k]
            runs[at, HIGH] = max(runs[at, HIGH], price[k])
            runs[at, LOW] = min(runs[at, LOW], price[k])
            runs[at, LATEST_RECEIVE] = max(runs[at, LATEST_RECEIVE], received)
        runs[at, TRADES] += 1
        runs[at, PRESENT] += np.int64(flags[k] & _FROM_THE_PAST == 0)
        add_limbs(runs, at, VOLUME, size[k], size[k] >> 63)
        if side[k] == _BUY:
            add_limbs(runs, at, BUY_VOLUME, size[k], size[k] >> 63)
        product = _high_of_product(price[k], size[k])
        add_notional(runs, at, price[k] * size[k], product, product >> 63)
    return count, whole


@kernel("int64(int64[:, ::1])")
def join_runs(runs: Rows) -> int:
    """Join neighbouring runs of one bar in place, in runs that are sorted by instrument and start.

    Gives how many are left, at the beginning of ``runs``.
    """
    count = 0
    for k in range(len(runs)):
        at = count - 1
        if at >= 0 and runs[at, INSTRUMENT] == runs[k, INSTRUMENT] and runs[at, START] == runs[k, START]:
            if runs[at, LAST_ID] == runs[k, LAST_ID]:
                # Of two trades of one id the later row closes the bar, as within a run.
                runs[at, CLOSE] = runs[k, CLOSE]
            merge_sums(runs, at, runs, k)
            runs[at, PRESENT] += runs[k, PRESENT]
        else:
            for column in range(RUN_WIDTH):
                runs[count, column] = runs[k, column]
            count += 1
    return count
