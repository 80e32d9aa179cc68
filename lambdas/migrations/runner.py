"""Brings a database up to this code's schema, file by file, each once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

import psycopg

from tickwire.errors import TickwireError

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
# Any fixed number of ours: whoever holds it is the one that migrates this database.
_LOCK = 0x7469636B

_CREATE_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationChanged(TickwireError):
    """A file that the database has applied was edited since; write a new one instead."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file: its number, its name, and its text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Give the migrations of this package in order of their numbers."""
    return sorted(_read(), key=lambda migration: migration.version)


def apply(connection: psycopg.Connection[Any]) -> list[str]:
    """Apply what the database lacks, all in one transaction, and commit it.

    Two at once wait for each other. A database that is ahead of this code is left as it is.

    Parameters
    ----------
    connection : of the schema's owner, outside a transaction

    Returns
    -------
    The names of the migrations that were applied now.

    Raises
    ------
    MigrationChanged
        If an applied file is not what it was. Nothing is applied then.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        connection.execute(_CREATE_LEDGER)
        applied = dict(connection.execute("SELECT version, checksum FROM schema_migrations").fetchall())
        found = migrations()
        for migration in found:
            if applied.get(migration.version, migration.checksum) != migration.checksum:
                raise MigrationChanged(f"migration {migration.version:04} ({migration.name}) was edited after it ran")
        pending = [migration for migration in found if migration.version not in applied]
        for migration in pending:
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
                [migration.version, migration.name, migration.checksum],
            )
    return [migration.name for migration in pending]


def _read() -> Iterator[Migration]:
    for entry in files(__package__).iterdir():
        match = _FILE_NAME.fullmatch(entry.name)
        if match is not None:
            yield Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
