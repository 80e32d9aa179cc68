"""Opens the database of dead letters for the command line."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from lambdas.postgres.database import DatabaseSettings, connect
from lambdas.postgres.letters import LetterTable
from tickwire.cli.endpoints import Endpoints
from tickwire.cli.output import CommandError


@contextmanager
def open_letters(endpoints: Endpoints) -> Iterator[LetterTable]:
    """Connect to the platform's database.

    Raises
    ------
    CommandError
        If it cannot be reached, or lacks the table; the message says what to do.
    """
    settings = DatabaseSettings(endpoints.require("database_url"), database_iam=endpoints.database_iam)
    try:
        with connect(settings) as connection:
            yield LetterTable(connection)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise CommandError("the database is behind this version of Tickwire: run its migrations") from error
    except psycopg.OperationalError as error:
        text = " ".join(str(error).split())
        raise CommandError(f"PostgreSQL cannot be reached, or gave up: {text}") from error
