"""How complete the record of a symbol is: by hour, and gap by gap."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lambdas.postgres.database import Connection
from lambdas.rest_api.parameters import milliseconds

MAX_GAPS = 500

_HOURS = """
SELECT hour, trades::text, missing::text, absent::text, quarantined::text, completeness::text
FROM completeness_by_hour
WHERE venue = %s AND symbol = %s AND hour >= %s AND hour < %s
ORDER BY hour
"""
# A gap lies between the exchange times of the trades beside it; where those are unknown, when it was noticed.
_GAPS = """
SELECT first_id, last_id, cause, noticed_ns, closed_ns, remaining, live, history, absent, quarantined
FROM gaps
WHERE venue = %(venue)s AND symbol = %(symbol)s
    AND coalesce(nullif(before_time_ns, 0), nullif(after_time_ns, 0), noticed_ns) >= %(from_ns)s
    AND coalesce(nullif(after_time_ns, 0), nullif(before_time_ns, 0), noticed_ns) < %(until_ns)s
    AND (%(after_ns)s::bigint IS NULL OR (noticed_ns, first_id) < (%(after_ns)s, %(after_id)s))
ORDER BY noticed_ns DESC, first_id DESC
LIMIT %(limit)s
"""
_HOUR_FIELDS = ("trades", "missing", "absent", "quarantined", "completeness")
_GAP_FIELDS = (
    "first_id", "last_id", "cause", "noticed", "closed", "remaining", "live", "history", "absent", "quarantined",
)  # fmt: skip
_NS_PER_MS = 1_000_000


def read_continuity(
    connection: Connection,
    *,
    venue: str,
    symbol: str,
    start: datetime,
    end: datetime,
    limit: int,
    after: Sequence[str | int] | None = None,
) -> tuple[dict[str, Any], list[int] | None]:
    """Give each hour that begins in ``[start, end)``, and the gaps that lie in it, newest first, ``limit`` at most.

    ``hour`` is ms UTC, its counts and its completeness (0 to 1) decimal text: a gap's ids are spread over the
    hours that it spans. ``noticed`` and ``closed`` are ns UTC, ``closed`` 0 while something remains missing.
    ``after`` is when the last gap of the page before was noticed, and its first id. Beside the answer these of this
    page's last gap, if the limit left gaps out.
    """
    hours = connection.execute(_HOURS, [venue, symbol, start, end]).fetchall()
    gaps = connection.execute(
        _GAPS,
        {
            "venue": venue,
            "symbol": symbol,
            "from_ns": milliseconds(start) * _NS_PER_MS,
            "until_ns": milliseconds(end) * _NS_PER_MS,
            "after_ns": None if after is None else after[0],
            "after_id": None if after is None else after[1],
            "limit": limit + 1,
        },
    ).fetchall()
    found = {
        "venue": venue,
        "symbol": symbol,
        "hours": [{"hour": milliseconds(row[0]), **dict(zip(_HOUR_FIELDS, row[1:], strict=True))} for row in hours],
        "gaps": [dict(zip(_GAP_FIELDS, row, strict=True)) for row in gaps[:limit]],
    }
    last = gaps[limit - 1] if len(gaps) > limit else None
    return found, None if last is None else [last[3], last[0]]
