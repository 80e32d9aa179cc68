"""A batch as bytes: its rows sorted by instrument, each instrument's in order of arrival.

Layout: the int8 columns (see ``small_column``), then those of int64 together (see ``matrix``). Which row is of which
instrument follows from how many each one has.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tickwire.columns import Batch, Int32, QuoteBatch, TradeBatch
from tickwire.errors import DamagedRecord
from tickwire.wire.matrix import Layout, pack_matrix, unpack_matrix
from tickwire.wire.small_column import pack_small, unpack_small
from tickwire.wire.table import Table, from_table, to_table

MAX_ROWS = 1_000_000
"""Rows that are alike take no bytes at all, so without a limit a few bytes could ask for any amount of memory."""

_LAYOUTS = {
    TradeBatch: Layout(columns=("size", "trade_id", "price", "exchange_time", "receive_time"), steps_from=1),
    QuoteBatch: Layout(
        columns=("bid_size", "ask_size", "bid_price", "ask_price", "update_id", "exchange_time", "receive_time"),
        steps_from=2,
        differences=((3, 2),),
    ),
}
_SMALL = {
    cls: tuple(name for name, dtype in cls.COLUMNS.items() if dtype is np.int8) for cls in (TradeBatch, QuoteBatch)
}


class PackedRows(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A batch in a record's head: its instruments, how many rows each has, and all columns."""

    table: Table
    counts: tuple[int, ...]
    columns: bytes


def pack_rows(batch: TradeBatch | QuoteBatch, *, near: int) -> PackedRows | None:
    """Pack a batch, None if it has no rows; ``near`` (ns UTC) is a time close to its times, to save a few bytes.

    Raises
    ------
    ValueError
        If it has more than :data:`MAX_ROWS` rows, or a row of an instrument that it does not list.
    """
    n = len(batch)
    if not n:
        return None
    if n > MAX_ROWS:
        raise ValueError(f"{n} rows are more than the {MAX_ROWS} of a record")
    counts = np.bincount(batch.instrument, minlength=len(batch.instruments))
    if len(counts) > len(batch.instruments):
        raise ValueError(f"a row of instrument {len(counts) - 1} of {len(batch.instruments)}")
    layout = _LAYOUTS[type(batch)]
    order = _order(batch.instrument, len(counts))
    parts = []
    for name in _SMALL[type(batch)]:
        small = getattr(batch, name)
        parts.append(pack_small(small if order is None else small[order]))
    matrix = np.empty((len(layout.columns), n), np.int64)
    for row, name in zip(matrix, layout.columns, strict=True):
        row[:] = getattr(batch, name) if order is None else getattr(batch, name)[order]
    parts.append(pack_matrix(matrix, counts[counts > 0], layout, near=near))
    return PackedRows(to_table(batch.instruments), tuple(counts.tolist()), b"".join(parts))


def unpack_rows(cls: type[Batch], packed: PackedRows, *, near: int) -> Batch:
    """Give the batch again, sorted by instrument.

    Raises
    ------
    DamagedRecord
        If the bytes are not as :func:`pack_rows` made them.
    """
    instruments = from_table(packed.table)
    n = sum(packed.counts)
    if len(packed.counts) != len(instruments) or min(packed.counts, default=-1) < 0 or not 0 < n <= MAX_ROWS:
        raise DamagedRecord(f"{len(packed.counts)} counts of {len(instruments)} instruments, {n} rows in all")
    data = np.frombuffer(packed.columns, np.uint8)
    counts = np.array(packed.counts, np.int64)
    columns: dict[str, Any] = {"instrument": np.arange(len(counts), dtype=np.int32).repeat(counts)}
    for name in _SMALL[cls]:
        columns[name], size = unpack_small(data, n)
        data = data[size:]
    layout = _LAYOUTS[cls]
    matrix = unpack_matrix(data, counts[counts > 0], layout, near=near)
    columns |= zip(layout.columns, matrix, strict=True)
    return cls(instruments, **columns)


def _order(instrument: Int32, instruments: int) -> npt.NDArray[np.intp] | None:
    """Give the order that sorts rows by instrument, stable; None where they are sorted."""
    if instruments == 1 or bool((instrument[1:] >= instrument[:-1]).all()):
        return None
    # Numbers of 16 bits are sorted by radix, ten times as fast.
    narrow = instrument.astype(np.int16) if instruments <= np.iinfo(np.int16).max else instrument
    return np.argsort(narrow, kind="stable")
