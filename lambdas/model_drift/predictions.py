"""What the champion has predicted of late, from the table of predictions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from lambdas.postgres.database import Connection
from tickwire.model.drift_check import PredictedRows
from tickwire.model.features import INTERVAL_SECONDS, SCHEMA

# Predictions come every minute, of bars that overlap: the last of each interval stands for it. By instrument, as the
# primary key is: a day of all would read the month.
_PREDICTIONS = """
SELECT DISTINCT ON (floor(extract(epoch FROM time) / %(horizon)s))
    venue, symbol, (extract(epoch FROM time) * 1000)::bigint, features, probability, rose
FROM predictions
WHERE venue = %(venue)s AND symbol = %(symbol)s AND time > %(start)s AND time <= %(end)s
    AND horizon_seconds = %(horizon)s AND version = %(version)s
    AND probability IS NOT NULL AND cardinality(features) = %(width)s
ORDER BY floor(extract(epoch FROM time) / %(horizon)s), time DESC
"""


def read_rows(
    connection: Connection, instruments: Sequence[str], *, version: str, end: int, span: timedelta
) -> PredictedRows:
    """Read what ``version`` has predicted in ``span`` up to ``end`` (ns UTC): one row a quarter-hour and instrument.

    ``instruments`` are ``venue:SYMBOL``.
    """
    moment = datetime.fromtimestamp(end // 1_000_000_000, UTC)
    names = SCHEMA.names
    asked = {
        "start": moment - span,
        "end": moment,
        "horizon": INTERVAL_SECONDS,
        "version": version,
        "width": len(names),
    }
    rows = []
    for instrument in instruments:
        venue, _, symbol = instrument.partition(":")
        rows += connection.execute(_PREDICTIONS, {**asked, "venue": venue, "symbol": symbol}).fetchall()
    return PredictedRows(
        instrument=np.array([f"{venue}:{symbol}" for venue, symbol, *_ in rows], dtype=np.str_),
        time=np.array([row[2] * 1_000_000 for row in rows], np.int64),
        # numpy reads None as NaN.
        features=np.array([row[3] for row in rows], np.float64).reshape(len(rows), len(names)),
        probability=np.array([row[4] for row in rows], np.float64),
        rose=np.array([row[5] for row in rows], np.float64),
    )
