"""Bars of one symbol, from the table ``bars``."""

from datetime import datetime
from typing import Any

from lambdas.postgres.database import Connection
from lambdas.rest_api.parameters import milliseconds

INTERVALS = {"1s": 1, "1m": 60}
MAX_BARS = 1_000

# Cast where they are read: text is exact, and a driver's decimals would be written with exponents.
_SQL = """
SELECT start, open::text, high::text, low::text, close::text, volume::text, buy_volume::text, notional::text,
    trades, first_id, last_id, revision, final
FROM bars
WHERE venue = %s AND symbol = %s AND interval_seconds = %s AND start >= %s AND start < %s
ORDER BY start
LIMIT %s
"""
_FIELDS = (
    "open", "high", "low", "close", "volume", "buy_volume", "notional",
    "trades", "first_id", "last_id", "revision", "final",
)  # fmt: skip


def read_bars(
    connection: Connection, *, venue: str, symbol: str, interval: str, start: datetime, end: datetime, limit: int
) -> dict[str, Any]:
    """Give the bars that begin in ``[start, end)``, oldest first, ``limit`` at most.

    ``start`` of a bar is ms UTC; prices, volumes and sums are decimal text, as the WebSocket API has them.
    ``next`` is the ``start`` (ms UTC) of the first bar that the limit left out, or None.
    """
    rows = connection.execute(_SQL, [venue, symbol, INTERVALS[interval], start, end, limit + 1]).fetchall()
    bars = [{"start": milliseconds(row[0]), **dict(zip(_FIELDS, row[1:], strict=True))} for row in rows]
    return {
        "venue": venue,
        "symbol": symbol,
        "interval": interval,
        "bars": bars[:limit],
        "next": bars[limit]["start"] if len(bars) > limit else None,
    }
