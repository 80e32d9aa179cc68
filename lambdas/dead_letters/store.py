"""Keeps letters in the table `dead_letters`, each once, with how many messages brought it.

A message above :data:`INLINE_BYTES` goes to S3 where there is a bucket, before the row that names it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from lambdas.dead_letters.letter import Letter, without_fields
from lambdas.postgres.database import Connection, Database
from tickwire.dead_letter import StoreBody, stored_body

INLINE_BYTES = 64 * 1024
"""Messages up to here are kept in the table."""

_THREADS = 8

_UPSERT = """
INSERT INTO dead_letters AS stored
    (kind, key, reason, detail, venue, symbol, fields, body, body_address, queue, message_id, receipts, time_ns)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
-- A redriven row may break another rule than before; its message is the newest, and its reason is told.
ON CONFLICT (kind, key) DO UPDATE SET
    reason = CASE WHEN stored.message_id = excluded.message_id THEN stored.reason ELSE excluded.reason END,
    detail = CASE WHEN stored.message_id = excluded.message_id THEN stored.detail ELSE excluded.detail END,
    receipts = stored.receipts
        + CASE WHEN stored.message_id = excluded.message_id THEN excluded.receipts - 1 ELSE excluded.receipts END,
    message_id = excluded.message_id,
    last_seen = now()
"""


def store(database: Database, letters: Sequence[Letter], *, bodies: StoreBody | None = None) -> None:
    """Store letters in one transaction; if the database refuses a value, each by itself.

    Parameters
    ----------
    bodies : writes large messages to S3; None keeps all in the table

    Raises
    ------
    psycopg.Error, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        If the database or S3 fails. Repeating it is safe.
    """
    addresses = _addresses(letters, bodies) if bodies is not None else {}
    try:
        database.run(lambda connection: _upsert(connection, letters, addresses))
    except psycopg.DataError:
        for letter in letters:
            _store_alone(database, letter, addresses)


def _addresses(letters: Sequence[Letter], bodies: StoreBody) -> dict[bytes, str]:
    """Write the large messages to S3; gives their addresses."""
    large = {letter.body: letter for letter in letters if len(letter.body) > INLINE_BYTES}
    if not large:
        return {}
    with ThreadPoolExecutor(min(_THREADS, len(large))) as pool:
        stored = pool.map(lambda letter: bodies(stored_body("message", letter.body, time=letter.time)), large.values())
        return dict(zip(large, stored, strict=True))


def _store_alone(database: Database, letter: Letter, addresses: dict[bytes, str]) -> None:
    try:
        database.run(lambda connection: _upsert(connection, [letter], addresses))
    except psycopg.DataError as error:
        reduced = without_fields(letter, str(error))
        database.run(lambda connection: _upsert(connection, [reduced], addresses))


def _upsert(connection: Connection, letters: Sequence[Letter], addresses: dict[bytes, str]) -> None:
    received: dict[tuple[str, str], list[Letter]] = {}
    for letter in letters:
        received.setdefault((letter.kind, letter.key), []).append(letter)
    # In order of the keys, so that two invocations never wait for each other in a ring.
    connection.cursor().executemany(_UPSERT, [_row(received[key], addresses) for key in sorted(received)])


def _row(same: Sequence[Letter], addresses: dict[bytes, str]) -> tuple[Any, ...]:
    letter = same[-1]
    address = addresses.get(letter.body)
    return (
        letter.kind,
        letter.key,
        letter.reason,
        letter.detail,
        letter.venue,
        letter.symbol,
        Jsonb(letter.fields) if letter.fields is not None else None,
        letter.body if address is None else None,
        address,
        letter.queue,
        letter.message_id,
        len({one.message_id for one in same}),
        letter.time,
    )
