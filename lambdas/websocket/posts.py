"""Posting to clients through API Gateway's ``@connections``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tickwire.errors import TickwireError

POST_CONFIG = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=32
)
"""For the ``apigatewaymanagementapi`` client: who posts decides whether to try again."""

_GONE = 410


class ConnectionGone(TickwireError):
    """The client is no longer there."""


class PostFailed(TickwireError):
    """API Gateway did not do what it was asked; a message is tried twice first."""


def post(client: Any, connection_id: str, message: bytes) -> None:
    """Post one message; a failure other than a gone client is tried once more.

    Raises
    ------
    ConnectionGone
        If API Gateway answers 410.
    PostFailed
        If it fails otherwise, and again.
    """
    try:
        _post(client, connection_id, message)
    except PostFailed:
        _post(client, connection_id, message)


def hang_up(client: Any, connection_id: str) -> None:
    """Close a connection; API Gateway then runs the route $disconnect.

    Raises
    ------
    ConnectionGone
        If API Gateway answers 410.
    PostFailed
        If it fails otherwise.
    """
    with _named(connection_id):
        client.delete_connection(ConnectionId=connection_id)


def _post(client: Any, connection_id: str, message: bytes) -> None:
    with _named(connection_id):
        client.post_to_connection(ConnectionId=connection_id, Data=message)


@contextmanager
def _named(connection_id: str) -> Iterator[None]:
    """Give botocore's failures the names that they have here."""
    try:
        yield
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _GONE:
            raise ConnectionGone(connection_id) from error
        raise PostFailed(str(error)) from error
    except BotoCoreError as error:
        raise PostFailed(str(error)) from error
