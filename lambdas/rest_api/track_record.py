"""How often a model was right, by what became of its predictions."""

from datetime import datetime
from math import sqrt
from typing import Any

from lambdas.postgres.database import Connection
from lambdas.rest_api.parameters import milliseconds

MAX_RECORDS = 100

# Those that closed level, or were even, tell nothing of a direction; the probability's losses count all that moved.
_SQL = """
SELECT model, version, count(*), count(*) FILTER (WHERE probability <> 0.5),
    count(*) FILTER (WHERE (probability > 0.5) = rose AND probability <> 0.5),
    avg(-ln(greatest(CASE WHEN rose THEN probability ELSE 1 - probability END, 1e-15))),
    avg((probability - rose::int) ^ 2), avg(rose::int), min(time), max(time)
FROM predictions
WHERE venue = %(venue)s AND symbol = %(symbol)s AND horizon_seconds = %(horizon)s
    AND time >= %(start)s AND time < %(end)s AND probability IS NOT NULL AND rose IS NOT NULL
GROUP BY model, version
ORDER BY max(time) DESC
LIMIT %(limit)s
"""
_Z = 1.959964
"""The normal quantile of an interval of 95 %."""


def read_track_record(
    connection: Connection, *, venue: str, symbol: str, horizon: int, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Give the record of each model's version on a symbol in ``[start, end)``, the newest first.

    ``accuracy`` is the share of ``decided`` predictions that went the more probable way, in a 95 % ``interval``; it is
    to be compared with the larger of ``base_rate``, the share that rose, and 1 less it. ``log_loss`` is in nats, where
    0.693 is a coin's, ``brier`` the mean squared error, where 0.25 is. All are None where nothing was decided.
    """
    rows = connection.execute(
        _SQL,
        {"venue": venue, "symbol": symbol, "horizon": horizon, "start": start, "end": end, "limit": MAX_RECORDS},
    ).fetchall()
    return [
        {
            "model": row[0],
            "version": row[1],
            "predictions": row[2],
            "decided": row[3],
            "right": row[4],
            "accuracy": row[4] / row[3] if row[3] else None,
            "interval": wilson(row[4], row[3]) if row[3] else None,
            "log_loss": row[5],
            "brier": row[6],
            "base_rate": float(row[7]),
            "from": milliseconds(row[8]),
            "to": milliseconds(row[9]),
        }
        for row in rows
    ]


def wilson(right: int, of: int) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a share (E. B. Wilson, JASA 22, 1927).

    It takes the trials for independent. Predictions of every minute over a quarter of an hour overlap, so the truth
    is wider: by up to the square root of 15.
    """
    share = right / of
    middle = (share + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z * sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2)) / (1 + _Z**2 / of)
    return (max(0.0, middle - half), min(1.0, middle + half))
