"""How many messages a client may send: a token bucket in its connection's row, shared by all processes.

The row holds when the bucket will be full again (the generic cell rate algorithm), so an idle client costs one
conditional write a message and no read.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from time import time
from typing import Any, NamedTuple

import msgspec
from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.broadcaster.messages import Problem
from lambdas.websocket.connections import LIFE_SECONDS
from lambdas.websocket.posts import ConnectionGone, PostFailed, hang_up, post

MESSAGES_A_SECOND = 20
BURST = 60
FLOOD = 5
"""So many times the rate, and the burst, is no client of ours: it is cut off."""

_SECOND = 1_000
_EACH = _SECOND // MESSAGES_A_SECOND
_ATTEMPTS = 4
_NAMES = ("allowed_until", "asked_until", "refused_at")

_log = Logger()
_encode = msgspec.json.Encoder().encode


class Verdict(Enum):
    """What is done with a message."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    REFUSED_QUIETLY = "refused quietly"
    """Refused within a second of the last refusal that the client was told of."""
    CUT_OFF = "cut off"


class Allowance(NamedTuple):
    """A connection's buckets; all times in ms UTC.

    Attributes
    ----------
    allowed_until : when the bucket of admitted messages is full again
    asked_until : the same of all messages, at ``FLOOD`` times the rate
    refused_at : when the client was last told of a refusal
    """

    allowed_until: int = 0
    asked_until: int = 0
    refused_at: int = 0

    def take(self, now: int) -> tuple["Allowance", Verdict]:
        """Judge a message that comes at ``now``."""
        asked = max(self.asked_until, now) + _EACH // FLOOD
        if asked - now > FLOOD * BURST * (_EACH // FLOOD):
            return self, Verdict.CUT_OFF
        allowed = max(self.allowed_until, now) + _EACH
        if allowed - now <= BURST * _EACH:
            return Allowance(allowed, asked, self.refused_at), Verdict.ADMITTED
        if now - self.refused_at < _SECOND:
            return Allowance(self.allowed_until, asked, self.refused_at), Verdict.REFUSED_QUIETLY
        return Allowance(self.allowed_until, asked, now), Verdict.REFUSED


class RateLimit:
    """Admits messages; tells a client that sends too many, and hangs up on one that goes on."""

    def __init__(self, client: Any, table: str, *, posts: Any, clock: Callable[[], float] = time) -> None:
        self._client = client
        self._table = table
        self._posts = posts
        self._clock = clock

    def admits(self, connection_id: str) -> bool:
        """Take a token for a message; gives whether to act on it."""
        verdict = self.judge(connection_id)
        try:
            if verdict is Verdict.REFUSED:
                sentence = f"A client may send {MESSAGES_A_SECOND} messages a second; please send fewer."
                post(self._posts, connection_id, _encode(Problem("rate_limited", sentence)))
            elif verdict is Verdict.CUT_OFF:
                hang_up(self._posts, connection_id)
        except (ConnectionGone, PostFailed) as error:
            # It hears of it at its next message, or is gone anyway.
            _log.warning("refusal not told", connection_id=connection_id, reason=str(error))
        return verdict is Verdict.ADMITTED

    def judge(self, connection_id: str) -> Verdict:
        """Take a token and give the verdict. While the table cannot be reached, everything is admitted."""
        try:
            return self._judge(connection_id)
        except (BotoCoreError, ClientError) as error:
            _log.warning("rate not limited", reason=str(error))
            return Verdict.ADMITTED

    def _judge(self, connection_id: str) -> Verdict:
        held = Allowance()
        for attempt in range(_ATTEMPTS):
            now = int(self._clock() * _SECOND)
            new, verdict = held.take(now)
            if verdict is Verdict.CUT_OFF:
                return verdict
            try:
                self._write(connection_id, held, new, now=now, guessed=attempt == 0)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                held = self._held(connection_id, error)
            else:
                return verdict
        # Its messages get in each other's way, which takes many at the same moment.
        return Verdict.REFUSED_QUIETLY

    def _write(self, connection_id: str, held: Allowance, new: Allowance, *, now: int, guessed: bool) -> None:
        """Replace the row's allowance; the first guess is that the client has been idle."""
        if guessed:
            same = "(attribute_not_exists(allowed_until) OR allowed_until <= :now)"
            same += " AND (attribute_not_exists(asked_until) OR asked_until <= :now)"
            values = {":now": now}
            update = "SET allowed_until = :allowed_until, asked_until = :asked_until"
        else:
            same = " AND ".join(
                f"({name} = :held_{name}{'' if value else f' OR attribute_not_exists({name})'})"
                for name, value in held._asdict().items()
            )
            values = {f":held_{name}": value for name, value in held._asdict().items()}
            update = "SET " + ", ".join(f"{name} = :{name}" for name in _NAMES)
            values[":refused_at"] = new.refused_at
        values |= {":allowed_until": new.allowed_until, ":asked_until": new.asked_until}
        numbers = {name: {"N": str(value)} for name, value in values.items()}
        self._client.update_item(
            TableName=self._table,
            Key={"connection_id": {"S": connection_id}},
            # A row that its connection has left behind must not stay.
            UpdateExpression=f"{update}, expires = if_not_exists(expires, :expires)",
            ConditionExpression=same,
            ExpressionAttributeValues={**numbers, ":expires": {"N": str(now // _SECOND + LIFE_SECONDS)}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def _held(self, connection_id: str, error: ClientError) -> Allowance:
        """Read the allowance that a failed write met."""
        row: Mapping[str, Any] | None = error.response.get("Item")
        if row is None:
            key = {"connection_id": {"S": connection_id}}
            row = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item", {})
        return Allowance(*(int(row[name]["N"]) if name in row else 0 for name in _NAMES))
