"""Hourly closes of several symbols, made of the minutes in the table ``bars``."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from lambdas.postgres.database import Connection

# A look into the index for each hour, where grouping all minutes would read sixty times as many rows: of 90 days it
# takes a sixth of the time. The hour that is not over is left out: its move is not an hour's.
_HOURS = """
SELECT extract(epoch FROM hour)::bigint / 3600, newest.close::float8
FROM generate_series(
    date_bin('1 hour', %(start)s, 'epoch'), date_bin('1 hour', %(now)s, 'epoch') - interval '1 hour', '1 hour'
) AS hour,
LATERAL (
    SELECT close FROM bars
    WHERE venue = %(venue)s AND symbol = %(symbol)s AND interval_seconds = 60
        AND start >= hour AND start < hour + interval '1 hour' AND close > 0
    ORDER BY start DESC
    LIMIT 1
) AS newest
ORDER BY hour
"""
_LAST = """
SELECT close::float8 FROM bars
WHERE venue = %(venue)s AND symbol = %(symbol)s AND interval_seconds = 60 AND start >= %(start)s AND close > 0
ORDER BY start DESC
LIMIT 1
"""


class HourlyCloses(NamedTuple):
    """The closes of a symbol: ``hours`` since 1970, rising, and ``last``, the newest price at all; None without one."""

    hours: Sequence[int]
    closes: Sequence[float]
    last: float | None


def read_closes(connection: Connection, *, venue: str, symbol: str, now: datetime, days: int) -> HourlyCloses:
    """Give the hours of the last ``days`` in which a symbol traded."""
    where = {"venue": venue, "symbol": symbol, "now": now, "start": now - timedelta(days=days)}
    rows = connection.execute(_HOURS, where).fetchall()
    last = connection.execute(_LAST, where).fetchone()
    return HourlyCloses([row[0] for row in rows], [row[1] for row in rows], None if last is None else last[0])
