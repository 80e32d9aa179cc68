"""Routes to what could not go on: listed, looked at, sent again."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from lambdas.delivery.raw_stream import NotAccepted, RawStream, WrongPartitions, check_partitions
from lambdas.delivery.redriving import redrive_letters
from lambdas.identity.user import OPERATORS
from lambdas.operator_api.acting import actor_of
from lambdas.postgres.audit_log import AuditLog
from lambdas.postgres.database import Connection, Database
from lambdas.postgres.letters import LetterFilter, LetterName, LetterTable, NoLetter, StoredLetter, state
from lambdas.rest_api.application import Application
from lambdas.rest_api.cursors import Cursor, new_cursor, read_cursor
from lambdas.rest_api.parameters import Symbol, Venue, milliseconds
from lambdas.rest_api.problems import Problem
from tickwire.dead_letter import FetchBody, UnreadableBody, payload

MAX_LETTERS = 200
MAX_REDRIVEN = 100
MAX_BODY_BYTES = 64 * 1024

_Kind = Literal["frame", "trade", "record", "malformed"]
_Reason = Annotated[str, Query(pattern=r"^[a-z0-9_]{1,60}$", description="the rule that was broken, or why unreadable")]
_KEY = r"^[A-Za-z0-9:._-]{1,200}$"
_FIELDS = (
    "kind",
    "key",
    "reason",
    "detail",
    "venue",
    "symbol",
    "receipts",
    "redrives",
    "redrive_outcome",
    "body_bytes",
)
_TIMES = ("first_seen", "last_seen", "redriven_at")


class NamedLetter(BaseModel):
    """Which letter."""

    model_config = ConfigDict(extra="forbid")

    kind: _Kind
    key: Annotated[str, Field(pattern=_KEY)]


class RedriveRequest(BaseModel):
    """Letters to be sent again, at most a hundred."""

    model_config = ConfigDict(extra="forbid")

    letters: Annotated[list[NamedLetter], Field(min_length=1, max_length=MAX_REDRIVEN)]


def add_routes(
    app: Application,
    *,
    database: Database,
    audit: AuditLog,
    fetch: FetchBody,
    stream: Callable[[], RawStream],
    partitions: int,
) -> None:
    """Add the routes."""

    @app.resolver.get("/v1/dead-letters")
    def dead_letters(
        kind: _Kind | None = None,
        venue: Venue | None = None,
        symbol: Symbol | None = None,
        reason: _Reason | None = None,
        since: Annotated[AwareDatetime | None, Query(description="last seen at or after, RFC 3339")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LETTERS)] = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Give what could not go on, the last seen first."""
        user = app.caller(OPERATORS)
        query: dict[str, object] = {"kind": kind, "venue": venue, "symbol": symbol, "reason": reason, "since": since}
        after = read_cursor(cursor, query, str, str, str)
        audit.note(actor_of(app, user), "list dead letters", str(kind or "*"), "done")
        wanted = LetterFilter(kind=kind, venue=venue, symbol=symbol, reason=reason, since=since)
        place = None if after is None else (datetime.fromisoformat(str(after[0])), str(after[1]), str(after[2]))
        rows = database.run(lambda connection: LetterTable(connection).newest(wanted, limit + 1, after=place))
        last = rows[limit - 1] if len(rows) > limit else None
        following = None
        if last is not None:
            following = new_cursor(query, [last["last_seen"].isoformat(), last["kind"], last["key"]])
        return {"letters": [_described(row) for row in rows[:limit]], "next": following}

    @app.resolver.get("/v1/dead-letters/<kind>/<key>")
    def dead_letter(kind: Annotated[_Kind, Path()], key: Annotated[str, Path(pattern=_KEY)]) -> dict[str, Any]:
        """Give one letter with what it is about, as it was received."""
        user = app.caller(OPERATORS)
        with audit.acting(actor_of(app, user), "inspect dead letter", f"{kind}/{key}"):
            return _inspected(database, kind, key, fetch)

    @app.resolver.post("/v1/dead-letters/redrive")
    def redrive(asked: RedriveRequest) -> dict[str, Any]:
        """Try letters again with today's code, and send what is readable; a second time changes nothing."""
        user = app.caller(OPERATORS)
        names = list(dict.fromkeys((one.kind, one.key) for one in asked.letters))
        target = ", ".join("/".join(name) for name in names)
        with audit.acting(actor_of(app, user), "redrive dead letters", target[:2_000]) as act:
            results = _redriven(database, names, fetch, stream, partitions)
            act.detail["results"] = {f"{one['kind']}/{one['key']}": one["outcome"] for one in results}
        return {"results": results}


def _described(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: None if row[name] is None else milliseconds(row[name]) for name in _TIMES}
    return {**{name: row[name] for name in _FIELDS}, **times, "state": state(row)}


def _inspected(database: Database, kind: str, key: str, fetch: FetchBody) -> dict[str, Any]:
    def read(connection: Connection) -> tuple[dict[str, Any], StoredLetter]:
        table = LetterTable(connection)
        row = table.find(f"{kind}/{key}")
        # Its name whole, not the beginning of one: a letter must not be mistaken for another.
        if row["key"] != key:
            raise NoLetter(key)
        return row, table.letter((kind, key))

    try:
        row, letter = database.run(read)
    except NoLetter as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no dead letter {kind}/{key}.") from error
    try:
        body = payload(kind, letter.message(fetch), fetch)
    except UnreadableBody as error:
        return {**_described(row), "body": None, "encoding": None, "truncated": False, "unreadable": str(error)}
    shown = body[:MAX_BODY_BYTES]
    try:
        text, encoding = shown.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = b64encode(shown).decode(), "base64"
    return {
        **_described(row),
        "body": text,
        "encoding": encoding,
        "truncated": len(body) > len(shown),
        "unreadable": None,
    }


class _Marks:
    """Marks letters, each time in a transaction of its own.

    Bodies are fetched and trades sent between them, which may take longer than the role may keep a transaction idle:
    then what was sent would be forgotten.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        return self._database.run(lambda connection: LetterTable(connection).now())

    def mark(self, outcomes: Sequence[tuple[LetterName, str, bool]], *, began: datetime) -> None:
        self._database.run(lambda connection: LetterTable(connection).mark(outcomes, began=began))


def _redriven(
    database: Database,
    names: Sequence[tuple[str, str]],
    fetch: FetchBody,
    stream: Callable[[], RawStream],
    partitions: int,
) -> list[dict[str, Any]]:
    def read(connection: Connection) -> list[StoredLetter]:
        table = LetterTable(connection)
        check_partitions(partitions, table.placed())
        return [table.letter(name) for name in names]

    try:
        letters = database.run(read)
        tried = list(redrive_letters(_Marks(database), [letters], fetch=fetch, put=stream().put, partitions=partitions))
    except NoLetter as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    except WrongPartitions as error:
        raise Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "The function's number of partitions is not the platform's; nothing was sent. Its settings must be mended.",
        ) from error
    except NotAccepted as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The stream did not accept everything; try again, which sends nothing twice into the lake.",
        ) from error
    return [
        {"kind": one.kind, "key": one.key, "done": one.done, "outcome": one.outcome, "trades": one.trades}
        for one in tried
    ]
