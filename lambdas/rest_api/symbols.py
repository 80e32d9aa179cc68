"""Which venues and symbols there is data of, and what the last day was like."""

from typing import Any

from lambdas.postgres.database import Connection
from lambdas.rest_api.parameters import milliseconds

MAX_SYMBOLS = 2_000

_VENUES = "SELECT venue, count(*), max(time_ns) FROM ledger GROUP BY venue ORDER BY venue"

# Of each symbol one row of the primary key for each of what is asked, however many bars there are.
_SYMBOLS = """
SELECT ledger.venue, ledger.symbol, newest.start, newest.close::text, day.close::text, day.volume::text
FROM ledger
LEFT JOIN LATERAL (
    SELECT start, close FROM bars
    WHERE venue = ledger.venue AND symbol = ledger.symbol AND interval_seconds = 60
        AND start >= now() - interval '31 days'
    ORDER BY start DESC LIMIT 1
) AS newest ON true
LEFT JOIN LATERAL (
    SELECT (array_agg(open ORDER BY start))[1] AS close, sum(volume) AS volume FROM bars
    WHERE venue = ledger.venue AND symbol = ledger.symbol AND interval_seconds = 60
        AND start > newest.start - interval '1 day' AND start <= newest.start
) AS day ON true
WHERE ledger.venue = %(venue)s OR %(venue)s::text IS NULL
ORDER BY ledger.venue, ledger.symbol
LIMIT %(limit)s
"""


def read_venues(connection: Connection) -> list[dict[str, Any]]:
    """Give each venue, how many ``symbols`` it has, and when the last trade of one came (``last_trade``, ms UTC)."""
    rows = connection.execute(_VENUES).fetchall()
    return [{"venue": venue, "symbols": count, "last_trade": last // 1_000_000} for venue, count, last in rows]


def read_symbols(connection: Connection, *, venue: str | None) -> list[dict[str, Any]]:
    """Give each symbol with its last minute's start (ms UTC) and close, and the day that ends with it.

    ``open_24h`` is the price a day before (or at the first bar since), ``volume_24h`` the day's volume; prices and
    volumes are decimal text, None where there was no bar within 31 days.
    """
    rows = connection.execute(_SYMBOLS, {"venue": venue, "limit": MAX_SYMBOLS}).fetchall()
    return [
        {
            "venue": row[0],
            "symbol": row[1],
            "last_bar": None if row[2] is None else milliseconds(row[2]),
            "close": row[3],
            "open_24h": row[4],
            "volume_24h": row[5],
        }
        for row in rows
    ]
