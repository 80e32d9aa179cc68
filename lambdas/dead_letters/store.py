"""Keeps letters in the table `dead_letters`, each once, with how many messages brought it."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from lambdas.dead_letters.letter import Letter, without_fields
from lambdas.postgres.database import Connection, Database

_UPSERT = """
INSERT INTO dead_letters AS stored
    (kind, key, reason, detail, venue, symbol, fields, body, queue, message_id, receipts, time_ns)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (kind, key) DO UPDATE SET
    receipts = stored.receipts
        + CASE WHEN stored.message_id = excluded.message_id THEN excluded.receipts - 1 ELSE excluded.receipts END,
    message_id = excluded.message_id,
    last_seen = now()
"""


def store(database: Database, letters: Sequence[Letter]) -> None:
    """Store letters in one transaction; if the database refuses a value, each by itself.

    Raises
    ------
    psycopg.Error
        If the database fails. Repeating it is safe.
    """
    try:
        database.run(lambda connection: _upsert(connection, letters))
    except psycopg.DataError:
        for letter in letters:
            _store_alone(database, letter)


def _store_alone(database: Database, letter: Letter) -> None:
    try:
        database.run(lambda connection: _upsert(connection, [letter]))
    except psycopg.DataError as error:
        reduced = without_fields(letter, str(error))
        database.run(lambda connection: _upsert(connection, [reduced]))


def _upsert(connection: Connection, letters: Sequence[Letter]) -> None:
    received: dict[tuple[str, str], list[Letter]] = {}
    for letter in letters:
        received.setdefault((letter.kind, letter.key), []).append(letter)
    # In order of the keys, so that two invocations never wait for each other in a ring.
    connection.cursor().executemany(_UPSERT, [_row(received[key]) for key in sorted(received)])


def _row(same: Sequence[Letter]) -> tuple[Any, ...]:
    letter = same[-1]
    return (
        letter.kind,
        letter.key,
        letter.reason,
        letter.detail,
        letter.venue,
        letter.symbol,
        Jsonb(letter.fields) if letter.fields is not None else None,
        letter.body,
        letter.queue,
        letter.message_id,
        len({one.message_id for one in same}),
        letter.time,
    )
