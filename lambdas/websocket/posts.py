"""Posting to clients through API Gateway's ``@connections``."""

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
    """A message could not be posted, twice."""


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


def _post(client: Any, connection_id: str, message: bytes) -> None:
    try:
        client.post_to_connection(ConnectionId=connection_id, Data=message)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _GONE:
            raise ConnectionGone(connection_id) from error
        raise PostFailed(str(error)) from error
    except BotoCoreError as error:
        raise PostFailed(str(error)) from error
