"""The last day of minutes of a symbol, as rings of fixed-size rows, and the 15-minute bars that trail any minute.

A model learns from bars of 15 minutes that begin at the full quarter. Live, its row is made anew at every closed
minute, so the grid of bars trails: the newest bar is the 15 minutes that end now. What a bar needs of its minutes
is kept, a row a minute, for the 1,440 minutes that the 96 bars of a row are made of.

A ring has a slot for each minute of a day: that of a minute is the number of minutes since 1970 modulo 1,440. Each
row tells its own start, so that a slot that was written a day ago, or never, is known for what it is. Writing a row
again changes nothing.
"""

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.features import Float64
from tickwire.features.bar_grid import COLUMNS, BarGrid

MINUTE = np.dtype([("start", "<i8"), *((name, "<f8") for name in COLUMNS)])
"""A minute: start in ns UTC, and the columns of :class:`~tickwire.features.bar_grid.BarGrid`, NaN where its source
lacks one. 72 bytes, little-endian, the same in memory and in the store."""
MINUTE_NS = 60_000_000_000
SLOTS = 1_440
BARS = 96
"""Bars of the trailing grid, as many as a model's row of 60 is computed from: each needs 36 before it."""
MINUTES_A_BAR = SLOTS // BARS

Minutes = npt.NDArray[np.void]
"""Rows of :data:`MINUTE`: (n,) in the order of time, or (…, SLOTS) where each lies in its slot."""


def minute_rows(start: Int64, **columns: Float64) -> Minutes:
    """Make n rows: ``start`` int64 (n,), ns UTC; float64 (n,) by name; a column that is not given is NaN."""
    rows = np.empty(len(start), MINUTE)
    rows["start"] = start
    for name in COLUMNS:
        rows[name] = columns.get(name, np.nan)
    return rows


def new_rings(symbols: int) -> Minutes:
    """Give rings (symbols, SLOTS) that hold nothing: a minute without volume is one without a trade."""
    return np.zeros((symbols, SLOTS), MINUTE)


def slots_of(start: Int64) -> npt.NDArray[np.intp]:
    """Give the slots of minutes by their starts, intp (n,).

    Raises
    ------
    ValueError
        If one does not start at a full minute.
    """
    minute, rest = np.divmod(start, MINUTE_NS)
    if np.any(rest):
        raise ValueError("a minute starts at a full minute")
    return (minute % SLOTS).astype(np.intp)


def put_minutes(rings: Minutes, symbol: npt.NDArray[np.intp], rows: Minutes) -> None:
    """Write n rows into the rings (symbols, SLOTS) of the symbols in ``symbol``, intp (n,), over what lies there."""
    rings[symbol, slots_of(rows["start"])] = rows


def newest_minutes(
    rings: Minutes, end: int, count: int, *, symbol: npt.NDArray[np.int64] | None = None
) -> tuple[Minutes, npt.NDArray[np.bool_]]:
    """Give what lies in the slots of the last ``count`` minutes before ``end`` (ns UTC, a full minute), oldest first.

    ``symbol`` : int64 (n,), of whom; None is all

    Returns
    -------
    minutes : (n, count)
    traded : bool (n, count), whether that is the minute, and it had a trade: else the row means nothing
    """
    first = end // MINUTE_NS - count
    slots = (first + np.arange(count)) % SLOTS
    minutes = rings[:, slots] if symbol is None else rings[symbol[:, None], slots]
    expected = MINUTE_NS * (first + np.arange(count, dtype=np.int64))
    traded: npt.NDArray[np.bool_] = (minutes["start"] == expected) & (minutes["volume"] > 0)
    return minutes, traded


def trailing_grid(rings: Minutes, end: int) -> BarGrid:
    """Join the minutes of S symbols into the 96 bars of 15 minutes of which the newest ends at ``end``.

    Parameters
    ----------
    rings : (S, SLOTS)
    end : ns UTC, a full minute; minutes from it on are not looked at

    Returns
    -------
    BarGrid
        Of columns (S, 96). A bar is made of those of its minutes that have a trade, and absent where none has;
        ``buy_volume``, ``notional`` and ``trades`` are NaN where one of these lacks them.

    Raises
    ------
    ValueError
        If ``end`` is not a full minute.
    """
    if end % MINUTE_NS:
        raise ValueError(f"the grid ends at a full minute, not at {end}")
    from tickwire.features.minutes_kernel import join_minutes

    rings = np.ascontiguousarray(rings)
    symbols = len(rings)
    out = np.empty((len(COLUMNS), symbols, BARS))
    words = rings.view(np.int64).reshape(symbols, SLOTS, len(COLUMNS) + 1)
    join_minutes(words, words.view(np.float64), end // MINUTE_NS, MINUTE_NS, out)
    width = MINUTES_A_BAR * MINUTE_NS
    start = end - width * np.arange(BARS, 0, -1, dtype=np.int64)
    return BarGrid(start, width, **dict(zip(COLUMNS, out, strict=True)))
