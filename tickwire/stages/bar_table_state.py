"""The compact form of the live bars within the state of the signals stage.

Columns of pcodec over all symbols, of numbers that are small where trades are ordinary: prices as differences from
the close, the notional as its difference from close times volume, ids and times as what they lie apart. Sums and
differences wrap around as int64 does, so any numbers come back.
"""

from typing import Any

import msgspec
import numpy as np
from pcodec import ChunkConfig, standalone

from tickwire.bar_rows import (
    ALL_SLOTS,
    BAR_WIDTH,
    BUY_VOLUME,
    CLOSE,
    CLOSED,
    FIRST_ID,
    HIGH,
    INTERVALS,
    LAST_ID,
    LATENESS_SECONDS,
    LATEST_RECEIVE,
    LOW,
    NOTIONAL,
    OPEN,
    SECOND,
    SLOTS,
    START,
    SYMBOL_WIDTH,
    TRADES,
    VOLUME,
    WATERMARK,
    Rows,
)
from tickwire.bar_table import BarTable
from tickwire.columns import Int64

_CONFIG = ChunkConfig(compression_level=4)
_MAX_SYMBOLS = 1_000_000
_WIDTHS = np.array([interval * SECOND for interval in INTERVALS])
_LATENESS = np.array([LATENESS_SECONDS[interval] * SECOND for interval in INTERVALS])
_SLOT_WIDTHS = np.repeat(_WIDTHS, SLOTS)
_SLOT_PLACES = np.concatenate([np.arange(slots) for slots in SLOTS])
_SLOT_CYCLES = np.repeat(_WIDTHS * SLOTS, SLOTS)
# Each column and the one that it is told as a difference from, in an order in which they can be told; the volume is
# whole where the notional needs it.
_DIFFERENCES = (
    (HIGH, CLOSE),
    (LOW, CLOSE),
    (OPEN, CLOSE),
    (FIRST_ID, LAST_ID),
    (LATEST_RECEIVE, START),
    (BUY_VOLUME, VOLUME),
)
_TOLD = tuple(column for column in range(BAR_WIDTH) if column != START)


class PackedBars(msgspec.Struct, array_like=True):
    """What :func:`unpack_bars` reads. A column that is zero throughout has no bytes."""

    symbols: list[tuple[str, str]]
    states: list[bytes]
    # Of each symbol a bit for each of its slots that holds a bar.
    open_slots: bytes
    # Of each open bar, symbol by symbol and slot by slot.
    bars: list[bytes]


def pack_bars(table: BarTable) -> PackedBars:
    """Give the compact form. The same table always gives the same one."""
    states = table.states[: len(table)].copy()
    states[:, CLOSED : CLOSED + len(INTERVALS)] -= _expected_closed(states)
    is_open = table.slots[: len(table) * ALL_SLOTS, TRADES].reshape(-1, ALL_SLOTS) != 0
    bars = table.slots[: len(table) * ALL_SLOTS][is_open.ravel()]
    bars[:, NOTIONAL] -= bars[:, VOLUME] * bars[:, CLOSE]
    for column, base in _DIFFERENCES:
        bars[:, column] -= bars[:, base]
    return PackedBars(
        table.symbols,
        [_pack(column) for column in states.T],
        _pack(is_open @ (1 << np.arange(ALL_SLOTS))),
        [_pack(bars[:, column]) for column in _TOLD],
    )


def unpack_bars(packed: PackedBars) -> BarTable:
    """Give the table.

    Raises
    ------
    ValueError
        If that is not what :func:`pack_bars` made.
    """
    number = len(packed.symbols)
    table = BarTable()
    table.add_symbols(packed.symbols)
    if len(table) != number or len(packed.states) != SYMBOL_WIDTH or len(packed.bars) != len(_TOLD):
        raise ValueError(f"{len(packed.states)} and {len(packed.bars)} columns of {len(table)} symbols")
    states = table.states[:number]
    for column, data in enumerate(packed.states):
        states[:, column] = _unpack(data, number)
    states[:, CLOSED : CLOSED + len(INTERVALS)] += _expected_closed(states)
    bits = _unpack(packed.open_slots, number)
    if np.any(bits >> ALL_SLOTS):
        raise ValueError("bars in slots that there are not")
    is_open = bits[:, None] >> np.arange(ALL_SLOTS) & 1 != 0
    bars = np.empty((np.count_nonzero(is_open), BAR_WIDTH), np.int64)
    bars[:, START] = _starts(states)[is_open]
    for column, data in zip(_TOLD, packed.bars, strict=True):
        bars[:, column] = _unpack(data, len(bars))
    for column, base in reversed(_DIFFERENCES):
        bars[:, column] += bars[:, base]
    bars[:, NOTIONAL] += bars[:, VOLUME] * bars[:, CLOSE]
    if np.any(bars[:, TRADES] <= 0):
        raise ValueError("bars without a trade")
    table.slots[: number * ALL_SLOTS][is_open.ravel()] = bars
    return table


def _expected_closed(states: Rows) -> Int64:
    """Give the starts of the oldest bars that are not final, int64 (n, 2), as they are by the watermark alone."""
    closed: Int64 = (states[:, [WATERMARK]] - _LATENESS) // _WIDTHS * _WIDTHS
    return closed


def _starts(states: Rows) -> Int64:
    """Give the start that the bar in each slot has if there is one, int64 (n, ALL_SLOTS)."""
    closed = np.repeat(states[:, CLOSED : CLOSED + len(INTERVALS)], SLOTS, axis=1)
    starts: Int64 = closed + (_SLOT_PLACES * _SLOT_WIDTHS - closed) % _SLOT_CYCLES
    return starts


def _pack(column: Int64) -> bytes:
    return bytes(standalone.simple_compress(np.ascontiguousarray(column), _CONFIG)) if column.any() else b""


def _unpack(data: bytes, number: int) -> Int64:
    if not data:
        return np.zeros(number, np.int64)
    try:
        column: Any = standalone.simple_decompress(data)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if column is None or column.dtype != np.int64 or len(column) != number:
        raise ValueError("a column has the wrong length or type")
    values: Int64 = column
    return values
