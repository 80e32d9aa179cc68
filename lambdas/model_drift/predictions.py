"""What the champion has predicted of late, from the table of predictions."""

from datetime import UTC, datetime, timedelta

import numpy as np

from lambdas.postgres.database import Connection
from tickwire.model.drift_check import PredictedRows
from tickwire.model.features import INTERVAL_SECONDS, SCHEMA

MAX_ROWS = 200_000
"""A week of three hundred symbols."""

# Predictions come every minute, of bars that overlap: the last of each interval stands for it.
_PREDICTIONS = """
SELECT DISTINCT ON (venue, symbol, floor(extract(epoch FROM time) / %(horizon)s))
    venue, symbol, (extract(epoch FROM time) * 1000)::bigint, features, probability, rose
FROM predictions
WHERE time > %(start)s AND time <= %(end)s AND horizon_seconds = %(horizon)s AND version = %(version)s
    AND probability IS NOT NULL AND cardinality(features) = %(width)s
ORDER BY venue, symbol, floor(extract(epoch FROM time) / %(horizon)s), time DESC
LIMIT %(limit)s
"""


def read_rows(connection: Connection, *, version: str, end: int, span: timedelta) -> PredictedRows:
    """Read what ``version`` has predicted in ``span`` up to ``end`` (ns UTC): one row a quarter-hour and symbol."""
    moment = datetime.fromtimestamp(end // 1_000_000_000, UTC)
    names = SCHEMA.names
    rows = connection.execute(
        _PREDICTIONS,
        {
            "start": moment - span,
            "end": moment,
            "horizon": INTERVAL_SECONDS,
            "version": version,
            "width": len(names),
            "limit": MAX_ROWS,
        },
    ).fetchall()
    return PredictedRows(
        instrument=np.array([f"{venue}:{symbol}" for venue, symbol, *_ in rows], dtype=np.str_),
        time=np.array([row[2] * 1_000_000 for row in rows], np.int64),
        # numpy reads None as NaN.
        features=np.array([row[3] for row in rows], np.float64).reshape(len(rows), len(names)),
        probability=np.array([row[4] for row in rows], np.float64),
        rose=np.array([row[5] for row in rows], np.float64),
    )
