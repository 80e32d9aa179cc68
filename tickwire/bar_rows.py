"""Bars as rows of an int64 matrix: what each column means, and the way from there to bars as objects.

Sums pass 64 bits, so they lie in limbs, the lowest first: the value is
``high * 2**128 + middle * 2**64 + low`` (or ``high * 2**64 + low``), where only the highest limb has a sign.
"""

import numpy as np
import numpy.typing as npt

from tickwire.columns import TradeFlag

Rows = npt.NDArray[np.int64]
"""int64 (n, :data:`RUN_WIDTH`), (n, :data:`BAR_WIDTH`) or (n, :data:`CHANGED_WIDTH`)."""

START, OPEN, HIGH, LOW, CLOSE, TRADES, FIRST_ID, LAST_ID, LATEST_RECEIVE = range(9)
"""Units as in :class:`~tickwire.records.Bar`."""
VOLUME, BUY_VOLUME = 9, 11
"""Units of ``10**-size_scale``, two limbs each, the higher one in the column after."""
NOTIONAL, NOTIONAL_MIDDLE, NOTIONAL_HIGH = range(13, 16)
"""Units of ``10**-(price_scale + size_scale)``, three limbs."""
REVISION = 16
BAR_WIDTH = 17

INSTRUMENT, PRESENT = range(16, 18)
"""Of a run of trades, instead of a revision: row of the batch's instruments, and how many of its trades are neither
backfilled nor sent again."""
RUN_WIDTH = 18

SYMBOL, INTERVAL, FINAL, PRICE_SCALE, SIZE_SCALE = range(17, 22)
"""Of a bar that changed: row of the table's symbols, seconds, 0 or 1, and the scales of its columns."""
CHANGED_WIDTH = 22

WATERMARK, CLOSED, CLOSED_MINUTE, NEWEST_ID, SYMBOL_PRICE_SCALE, SYMBOL_SIZE_SCALE = range(6)
"""Of a symbol: the second of the newest exchange time, the starts of the oldest 1 s and 60 s bar that is not final,
the highest id of a trade, and the scales, -1 before the first trade. Times are ns UTC."""
SYMBOL_WIDTH = 6

SECOND = 1_000_000_000
LATENESS_SECONDS = {1: 10, 60: 60}
"""The intervals kept live, in seconds, and how long after its end a bar of each can be amended."""
INTERVALS = tuple(LATENESS_SECONDS)
SLOTS = tuple(lateness // interval + 1 for interval, lateness in LATENESS_SECONDS.items())
"""How many bars of each interval a symbol can have open: those from ``watermark - lateness`` to the watermark."""
ALL_SLOTS = sum(SLOTS)
BEGINNING = -(2**63)
"""Earlier than any time."""

NOT_LIVE = TradeFlag.SNAPSHOT | TradeFlag.BACKFILL | TradeFlag.REDRIVEN
"""Trades whose receive time says nothing of the feed's latency: they came later than they were made public."""
FROM_THE_PAST = TradeFlag.BACKFILL | TradeFlag.REDRIVEN


def exact_columns(rows: Rows) -> list[list[int]]:
    """Give start, open, high, low, close, volume, buy volume, notional, trades, first id, last id and latest receive
    time, as lists of Python's integers, a row each."""
    names = (START, OPEN, HIGH, LOW, CLOSE, TRADES, FIRST_ID, LAST_ID, LATEST_RECEIVE)
    columns = [rows[:, name].tolist() for name in names]
    limbs = ((VOLUME, BUY_VOLUME), (BUY_VOLUME, NOTIONAL), (NOTIONAL, REVISION))
    columns[5:5] = [_exact(rows[:, low:end]) for low, end in limbs]
    return columns


def _exact(limbs: Rows) -> list[int]:
    columns = list(limbs.T)
    # Most numbers are small, and their higher limbs are but the sign.
    while len(columns) > 1 and (columns[-1] == columns[-2] >> 63).all():
        columns.pop()
    if len(columns) == 1:
        numbers: list[int] = columns[0].tolist()
        return numbers
    total = columns.pop().astype(object)
    while columns:
        total = (total << 64) + columns.pop().astype(np.uint64)
    return list(total)
