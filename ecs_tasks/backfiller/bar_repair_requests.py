"""The table `bar_repairs`: which bars wait to be recomputed. The store writer fills it, bar repair empties it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ecs_tasks.backfiller.bar_repair_plan import RepairRequest
from lambdas.postgres.database import Database

QUIET_SECONDS = 2
"""A bar whose last request is younger is about to get more late trades."""

_FIRST_PAGE = ("", "", 0, "-infinity")
# Page by page in order of the key: what cannot be answered now must not stand in front of the rest.
_READ_PAGE = """
SELECT venue, symbol, interval_seconds, start, partition, counter,
    requested_at <= now() - make_interval(secs => %s)
FROM bar_repairs
WHERE (venue, symbol, interval_seconds, start) > (%s, %s, %s::integer, %s::timestamptz)
ORDER BY venue, symbol, interval_seconds, start
LIMIT %s
"""
_DELETE = """
DELETE FROM bar_repairs AS stored
USING unnest(%s::text[], %s::text[], %s::integer[], %s::timestamptz[], %s::bigint[])
    AS done (venue, symbol, interval_seconds, start, counter)
WHERE (stored.venue, stored.symbol, stored.interval_seconds, stored.start, stored.counter)
    = (done.venue, done.symbol, done.interval_seconds, done.start, done.counter)
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Waiting(NamedTuple):
    """A request as it stands in the table; ``quiet`` says that it was last made a while ago."""

    request: RepairRequest
    quiet: bool


class RepairRequests:
    """Reads the table page by page, round and round, and deletes what was answered.

    Parameters
    ----------
    database : its own, since calls come from one thread at a time
    page_rows : requests in memory at once
    """

    def __init__(self, database: Database, *, page_rows: int = 5_000) -> None:
        self._database = database
        self._page_rows = page_rows
        self._after: tuple[str, str, int, str | datetime] = _FIRST_PAGE

    @property
    def more(self) -> bool:
        """Whether the last page was a full one, so that the table goes on behind it."""
        return self._after != _FIRST_PAGE

    def page(self) -> list[Waiting]:
        """Give the next requests, in order of venue, symbol, interval and start; after the last, the first.

        Raises
        ------
        psycopg.Error
            If the database fails; the same page comes next.
        """
        rows = self._database.run(
            lambda connection: connection.execute(_READ_PAGE, [QUIET_SECONDS, *self._after, self._page_rows]).fetchall()
        )
        self._after = rows[-1][:4] if len(rows) == self._page_rows else _FIRST_PAGE
        return [
            Waiting(RepairRequest(venue, symbol, interval, _nanoseconds(start), partition, counter), quiet)
            for venue, symbol, interval, start, partition, counter, quiet in rows
        ]

    def delete(self, requests: Sequence[RepairRequest]) -> int:
        """Delete requests that are still as they were read; gives how many.

        One that was made anew meanwhile, with a higher counter, stays.

        Raises
        ------
        psycopg.Error
            If the database fails; all or none were deleted.
        """
        columns = [
            [request.venue for request in requests],
            [request.symbol for request in requests],
            [request.interval for request in requests],
            [_EPOCH + timedelta(microseconds=request.start // 1_000) for request in requests],
            [request.counter for request in requests],
        ]
        return self._database.run(lambda connection: connection.execute(_DELETE, columns).rowcount)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1_000
