"""One-use tickets: what lets a browser open a WebSocket, since it cannot send a header with it.

A ticket goes into the address, hence into logs on the way; so it is worth nothing once it was used, or after a
minute. The table (``ticket_hash``, ``user``, ``expires`` s UTC) has only its SHA-256: who reads the table cannot
connect.
"""

import re
import secrets
from collections.abc import Callable
from hashlib import sha256
from time import time
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from lambdas.identity.user import User
from tickwire.errors import TickwireError

LIFE_SECONDS = 60

_BYTES = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)  # 32 bytes in base64url
_decode = msgspec.json.Decoder(User).decode


class TicketRefused(TickwireError):
    """A ticket was never issued, was used before, or is too old."""


class Tickets:
    """Issues and redeems tickets."""

    def __init__(self, client: Any, table: str, *, clock: Callable[[], float] = time) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def issue(self, user: User) -> str:
        """Give a new ticket that stands for a user."""
        ticket = secrets.token_urlsafe(_BYTES)
        self._client.put_item(
            TableName=self._table,
            Item={
                **_key(ticket),
                "user": {"S": msgspec.json.encode(user).decode()},
                "expires": {"N": str(int(self._clock()) + LIFE_SECONDS)},
            },
        )
        return ticket

    def redeem(self, ticket: str) -> User:
        """Give the user that a ticket stands for, once.

        Raises
        ------
        TicketRefused
            The second time, after its life, and for anything that is no ticket.
        """
        if _FORM.fullmatch(ticket) is None:
            raise TicketRefused("not in the form of a ticket")
        try:
            # One write decides, so that of two that come at once one fails. DynamoDB's own expiry takes
            # up to days, so the time is compared here.
            answer = self._client.delete_item(
                TableName=self._table,
                Key=_key(ticket),
                ConditionExpression="expires > :now",
                ExpressionAttributeValues={":now": {"N": str(int(self._clock()))}},
                ReturnValues="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise TicketRefused("unknown, used or too old") from error
        return _decode(answer["Attributes"]["user"]["S"])


def _key(ticket: str) -> dict[str, dict[str, str]]:
    return {"ticket_hash": {"S": sha256(ticket.encode()).hexdigest()}}
