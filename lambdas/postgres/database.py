"""One connection kept across invocations, and units of work that survive losing it."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Result = TypeVar("Result")
Connection = psycopg.Connection[tuple[Any, ...]]

_READING_OPTIONS: dict[str, str | int] = {
    "connect_timeout": 5,
    "application_name": "tickwire",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_OPTIONS: dict[str, str | int] = {
    **_READING_OPTIONS,
    # For a while after a failover the cluster's name may still lead to the old writer, a reader now.
    "target_session_attrs": "read-write",
    # A function that is frozen or killed in a transaction must not hold its rows for long.
    "options": "-c idle_in_transaction_session_timeout=20s -c statement_timeout=30s",
}


class DatabaseSettings(msgspec.Struct, frozen=True):
    """Attributes
    ----------
    database_url : ``postgresql://`` address
    database_iam : log in with a token of RDS in place of a password
    """

    database_url: str
    database_iam: bool = False


def connect(settings: DatabaseSettings) -> Connection:
    """Open a connection.

    Raises
    ------
    psycopg.OperationalError
        If the server cannot be reached or refuses the login.
    """
    return psycopg.connect(_address(settings, _OPTIONS))


def connect_for_reading(settings: DatabaseSettings) -> Connection:
    """Open a connection for a role that only reads, through RDS Proxy or straight.

    The proxy takes no options with a connection, and a session that prepares statements keeps its
    connection to the database for itself ("Avoiding pinning an RDS Proxy"); so the limits belong to the role, and
    nothing is prepared.

    Raises
    ------
    psycopg.OperationalError
        If the server cannot be reached or refuses the login.
    """
    return psycopg.connect(_address(settings, _READING_OPTIONS), prepare_threshold=None)


class Database:
    """Gives units of work a connection: the last one if it lives, a new one if not.

    ``prepare`` is called once for each new connection, outside a transaction.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        *,
        prepare: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._open = open_connection
        self._prepare = prepare
        self._connection: Connection | None = None

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work`` in one transaction and commit it.

        If the connection is lost on the way, or leads to a server that no longer takes writes, it runs
        once more on a new one, so ``work`` must change nothing when its earlier commit did come through:
        every sink's checkpoint sees to that.
        """
        reused = self._connection is not None
        try:
            return self._run_once(work)
        except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction):
            if not reused or self._connection is not None:
                raise
        return self._run_once(work)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run_once(self, work: Callable[[Connection], Result]) -> Result:
        connection = self._living()
        try:
            with connection.transaction():
                return work(connection)
        except psycopg.errors.ReadOnlySqlTransaction:
            # A failover made this server a reader, and it would stay one for as long as we stay.
            connection.close()
            raise
        finally:
            if connection.closed:
                self._connection = None

    def _living(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = self._open()
            self._prepare(connection)
            connection.commit()
            self._connection = connection
        return self._connection


def _address(settings: DatabaseSettings, options: dict[str, str | int]) -> str:
    address = make_conninfo(settings.database_url, **options)
    if settings.database_iam:
        address = make_conninfo(address, password=_login_token(conninfo_to_dict(address)))
    return address


def _login_token(parameters: dict[str, Any]) -> str:
    import boto3

    client = boto3.client("rds")
    token = client.generate_db_auth_token(
        DBHostname=parameters["host"], Port=int(parameters.get("port", 5432)), DBUsername=parameters["user"]
    )
    return str(token)
