"""Bars of one symbol: of a second and a minute as the table ``bars`` has them, longer ones made of minutes."""

from datetime import UTC, datetime, timedelta
from typing import LiteralString, NamedTuple

from lambdas.postgres.database import Connection
from lambdas.rest_api.parameters import milliseconds

INTERVALS = {"1s": 1, "1m": 60, "5m": 300, "1h": 3_600}
MAX_BARS = 1_000

# Cast where they are read: text is exact, and a driver's decimals would be written with exponents.
_STORED = """
SELECT start, open::text, high::text, low::text, close::text, volume::text, buy_volume::text, notional::text,
    trades, first_id, last_id, revision, final
FROM bars
WHERE venue = %(venue)s AND symbol = %(symbol)s AND interval_seconds = %(seconds)s
    AND start >= %(start)s AND start < %(end)s
ORDER BY start
LIMIT %(limit)s
"""
# A longer bar is final when its minutes are and its time is over; its revision is the sum of theirs, which only grows.
_ROLLED_UP = """
SELECT date_bin(%(width)s, start, 'epoch') AS bin, (array_agg(open ORDER BY start))[1]::text, max(high)::text,
    min(low)::text, (array_agg(close ORDER BY start DESC))[1]::text, sum(volume)::text, sum(buy_volume)::text,
    sum(notional)::text, sum(trades)::bigint, (array_agg(first_id ORDER BY start))[1],
    (array_agg(last_id ORDER BY start DESC))[1], sum(revision)::bigint,
    bool_and(final) AND date_bin(%(width)s, start, 'epoch') + %(width)s <= now()
FROM bars
WHERE venue = %(venue)s AND symbol = %(symbol)s AND interval_seconds = 60
    AND start >= %(start)s AND start < %(end)s
GROUP BY bin
ORDER BY bin
LIMIT %(limit)s
"""


class BarRow(NamedTuple):
    """One bar: ``start`` in ms UTC, prices and sums as decimal text."""

    start: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    buy_volume: str
    notional: str
    trades: int
    first_id: int
    last_id: int
    revision: int
    final: bool


def read_bars(
    connection: Connection, *, venue: str, symbol: str, interval: str, start: datetime, end: datetime, limit: int
) -> tuple[list[BarRow], int | None]:
    """Give the bars that begin in ``[start, end)``, oldest first, ``limit`` at most.

    Beside them the ``start`` (ms UTC) of the first bar that the limit left out, or None.
    """
    width = timedelta(seconds=INTERVALS[interval])
    statement: LiteralString = _STORED
    if interval not in ("1s", "1m"):
        # Whole bars only: one begins in the range or is another range's.
        statement, start, end = _ROLLED_UP, _ceiling(start, width), _ceiling(end, width)
    rows = connection.execute(
        statement,
        {
            "venue": venue,
            "symbol": symbol,
            "seconds": INTERVALS[interval],
            "width": width,
            "start": start,
            "end": end,
            "limit": limit + 1,
        },
    ).fetchall()
    bars = [BarRow(milliseconds(row[0]), *row[1:]) for row in rows]
    return bars[:limit], bars[limit].start if len(bars) > limit else None


def _ceiling(moment: datetime, width: timedelta) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return moment + (epoch - moment) % width
