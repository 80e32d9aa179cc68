"""Who did what: rows are only ever added, by operators' functions and the command line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from lambdas.postgres.database import Connection, Database

_INSERT = "INSERT INTO audit_log (subject, action, target, outcome, detail, request_id) VALUES (%s, %s, %s, %s, %s, %s)"
_SELECT = """
SELECT id, time, subject, action, target, outcome, detail, request_id
FROM audit_log
WHERE time >= %(start)s AND time < %(end)s AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
_FIELDS = ("subject", "action", "target", "outcome", "detail", "request_id")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: ``subject`` is the user pool's id of a user; ``request_id`` is in the log of the function too."""

    subject: str
    request_id: str


@dataclass(slots=True)
class Act:
    """An act under way; what is put into ``detail`` is noted with its end."""

    detail: dict[str, Any] = field(default_factory=dict)


class AuditLog:
    """Writes the table ``audit_log``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self, actor: Actor, action: str, target: str, outcome: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Add a row, and commit it: what was done must not be forgotten because something failed after it.

        Raises
        ------
        psycopg.OperationalError
            If it cannot be; then nothing may be done either.
        """
        values = [actor.subject, action, target, outcome, msgspec.json.encode(detail or {}).decode(), actor.request_id]
        self._database.run(lambda connection: connection.execute(_INSERT, values))

    @contextmanager
    def acting(self, actor: Actor, action: str, target: str) -> Iterator[Act]:
        """Note that an act begins, and how it ended."""
        self.note(actor, action, target, "begun")
        act = Act()
        try:
            yield act
        except BaseException as error:
            self.note(actor, action, target, "failed", {**act.detail, "error": type(error).__name__})
            raise
        self.note(actor, action, target, "done", act.detail)


def read_entries(
    connection: Connection, *, start: datetime, end: datetime, limit: int, before: int | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Give the rows of ``[start, end)``, newest first, ``limit`` at most; ``before`` is the last id of the page before.

    ``time`` is ms UTC. Beside them the last id of this page if there are more.
    """
    rows = connection.execute(_SELECT, {"start": start, "end": end, "before": before, "limit": limit + 1}).fetchall()
    entries = [
        {"id": row[0], "time": round(row[1].timestamp() * 1000), **dict(zip(_FIELDS, row[2:], strict=True))}
        for row in rows[:limit]
    ]
    return entries, rows[limit - 1][0] if len(rows) > limit else None
