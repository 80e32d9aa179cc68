"""The table `dead_letters` as operators read and mark it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tickwire.dead_letter import FetchBody
from tickwire.errors import TickwireError

KINDS = ("frame", "trade", "record", "malformed")
REDRIVABLE = ("frame", "trade", "record")
MIN_PREFIX = 4
"""Fewer characters of a key are not looked up."""

_COLUMNS = (
    "kind, key, reason, detail, venue, symbol, time_ns, first_seen, last_seen, receipts, queue, redrives,"
    " redriven_at, redrive_outcome, body_address, octet_length(body) AS body_bytes, fields"
)
_OPEN = sql.SQL("(redriven_at IS NULL OR last_seen > redriven_at)")


class NoLetter(TickwireError):
    """A name is that of no dead letter, or of several; the message says which."""


LetterName = tuple[str, str]
"""Kind and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters; None takes any.

    ``since`` is compared to when a letter was last seen. ``redrivable`` takes only those that can be
    redriven and are not, or came again since.
    """

    kind: str | None = None
    reason: str | None = None
    venue: str | None = None
    symbol: str | None = None
    since: datetime | None = None
    redrivable: bool = False

    def condition(self) -> tuple[sql.Composable, list[Any]]:
        """Give the SQL of it and its parameters."""
        parts: list[sql.Composable] = [sql.SQL("TRUE")]
        values: list[Any] = []
        for name in ("kind", "reason", "venue", "symbol"):
            if getattr(self, name) is not None:
                parts.append(sql.SQL("{} = %s").format(sql.Identifier(name)))
                values.append(getattr(self, name))
        if self.since is not None:
            parts.append(sql.SQL("last_seen >= %s"))
            values.append(self.since)
        if self.redrivable:
            parts += [_OPEN, sql.SQL("kind = ANY(%s)")]
            values.append(list(REDRIVABLE))
        return sql.SQL(" AND ").join(parts), values


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter's name, and its message: in the table, or at an address in S3."""

    kind: str
    key: str
    body: bytes | None
    body_address: str | None

    def message(self, fetch: FetchBody) -> bytes:
        """Give the message as it came; raises UnreadableBody if S3 does not have it."""
        return bytes(self.body) if self.body is not None else fetch(self.body_address or "")


class LetterTable:
    """The letters in one database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def newest(
        self, wanted: LetterFilter, limit: int, *, after: tuple[datetime, str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Give letters without their bodies, the last seen first; at most ``limit``, 0 for all.

        ``after`` is when the last letter of the page before was last seen, its kind and its key.
        """
        condition, values = wanted.condition()
        if after is not None:
            condition = sql.SQL("{} AND (last_seen, kind, key) < (%s, %s, %s)").format(condition)
            values.extend(after)
        query = sql.SQL("SELECT {} FROM dead_letters WHERE {} ORDER BY last_seen DESC, kind DESC, key DESC").format(
            sql.SQL(_COLUMNS), condition
        )
        if limit:
            query += sql.SQL(" LIMIT %s")
            values.append(limit)
        with self._connection.transaction(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values).fetchall()

    def find(self, name: str) -> dict[str, Any]:
        """Give the letter of a key, of ``KIND/KEY``, or of the beginning of a key, without its body.

        Raises
        ------
        NoLetter
            If there is none, or more than one.
        """
        kind, slash, key = name.partition("/")
        if not slash or kind not in KINDS:
            kind, key = "", name
        query = sql.SQL("SELECT {} FROM dead_letters WHERE %s IN (kind, '') AND {} ORDER BY kind, key LIMIT 6")
        found: list[dict[str, Any]] = []
        for match in ("key = %s", "starts_with(key, %s)"):
            if not found and (len(key) >= MIN_PREFIX or match == "key = %s"):
                with self._connection.transaction(), self._connection.cursor(row_factory=dict_row) as cursor:
                    statement = query.format(sql.SQL(_COLUMNS), sql.SQL(match))
                    found = cursor.execute(statement, [kind, key]).fetchall()
        if not found:
            raise NoLetter(f"there is no dead letter {name!r}; `tickwire dead-letters list` shows what there is")
        if len(found) > 1:
            names = ", ".join(f"{row['kind']}/{row['key']}" for row in found[:5])
            raise NoLetter(f"{name!r} is the beginning of several keys: {names}{', …' * (len(found) > 5)}")
        return found[0]

    def letter(self, name: LetterName) -> StoredLetter:
        """Give a letter with its body.

        Raises
        ------
        NoLetter
            If it has gone.
        """
        rows = self._letters(sql.SQL("(kind, key) = (%s, %s)"), name, limit=1)
        if not rows:
            raise NoLetter(f"there is no dead letter {name[0]}/{name[1]} any more")
        return rows[0]

    def batches(self, wanted: LetterFilter, *, size: int) -> Iterator[Sequence[StoredLetter]]:
        """Give letters with their bodies in order of their names, ``size`` at a time."""
        condition, values = wanted.condition()
        after: LetterName = ("", "")
        while True:
            letters = self._letters(
                sql.SQL("{} AND (kind, key) > (%s, %s)").format(condition), [*values, *after], limit=size
            )
            if not letters:
                return
            yield letters
            after = (letters[-1].kind, letters[-1].key)

    def placed(self) -> list[tuple[str, str, int]]:
        """Give (venue, symbol, partition) of every symbol that the ledger beside the letters knows."""
        with self._connection.transaction():
            return self._connection.execute("SELECT venue, symbol, partition FROM ledger").fetchall()

    def now(self) -> datetime:
        """Give the database's time, by which ``last_seen`` is set too."""
        with self._connection.transaction():
            (now,) = self._connection.execute("SELECT now()").fetchone() or (None,)
        assert isinstance(now, datetime), "now() is a time"  # noqa: S101
        return now

    def mark(self, outcomes: Sequence[tuple[LetterName, str, bool]], *, began: datetime) -> None:
        """Note what a try came to: (name, outcome, redriven) of each letter.

        ``began`` is a :meth:`now` before anything was sent, so that a letter that comes again is seen
        after it, however soon.
        """
        with self._connection.transaction(), self._connection.cursor() as cursor:
            # In order of the names, as the function that stores letters locks them.
            cursor.executemany(
                "UPDATE dead_letters SET redrive_outcome = %s, redrives = redrives + %s::int,"
                " redriven_at = CASE WHEN %s THEN %s ELSE redriven_at END WHERE (kind, key) = (%s, %s)",
                [(outcome, redriven, redriven, began, *name) for name, outcome, redriven in sorted(outcomes)],
            )

    def _letters(self, condition: sql.Composable, values: Sequence[Any], *, limit: int) -> list[StoredLetter]:
        query = sql.SQL(
            "SELECT kind, key, body, body_address FROM dead_letters WHERE {} ORDER BY kind, key LIMIT %s"
        ).format(condition)
        with self._connection.transaction():
            return [StoredLetter(*row) for row in self._connection.execute(query, [*values, limit])]


def state(row: dict[str, Any]) -> str:
    """Say where a letter stands: ``new``, ``tried``, ``redriven``, or ``came again`` after that."""
    if row["redriven_at"] is None:
        return "new" if row["redrive_outcome"] is None else "tried"
    return "came again" if row["last_seen"] > row["redriven_at"] else "redriven"
