"""Who is connected and listens to what: the tables of connections and subscriptions.

A connection's row holds whose it is, and its subscription keys, so that the limit is exact and removal needs no
query. A subscription is a row (``topic`` = ``bars.1m#binance:BTC-USDT``, ``connection_id``), found by
broadcasters. Any change adds one to the row ``#changes``, by which they know when to look again.
"""

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor
from time import time
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.identity.user import User
from lambdas.websocket.batch import write_batch
from tickwire.errors import TickwireError

LIFE_SECONDS = 2 * 3_600 + 600
"""API Gateway cuts a connection after two hours; its rows vanish a little later in any case."""

MAX_SUBSCRIPTIONS = 100

CHANGES_KEY = {"topic": {"S": "#changes"}, "connection_id": {"S": "#"}}

_ATTEMPTS = 5
_log = Logger()


class TooManySubscriptions(TickwireError):
    """A connection asked for more subscriptions than it may have."""


class SubscriptionsNotWritten(TickwireError):
    """The table did not take all rows of a change."""


class Connections:
    """Keeps both tables in step. Keys are :func:`lambdas.broadcaster.messages.subscription_key`."""

    def __init__(
        self,
        client: Any,
        *,
        connections_table: str,
        subscriptions_table: str,
        pool: Executor,
        clock: Callable[[], float] = time,
    ) -> None:
        self._client = client
        self._connections = connections_table
        self._subscriptions = subscriptions_table
        self._pool = pool
        self._clock = clock

    def admit(self, connection_id: str, user: User) -> None:
        """Note a new connection, and whose it is."""
        item = {
            **_row(connection_id),
            "subject": {"S": user.subject},
            "roles": {"SS": list(user.roles)},
            "expires": self._expires(),
            "version": {"N": "0"},
        }
        self._client.put_item(TableName=self._connections, Item=item)

    def reserve(self, connection_id: str, keys: Collection[str]) -> None:
        """Count subscriptions to a connection; nothing is sent for them before :meth:`listen`.

        Raises
        ------
        TooManySubscriptions
            If it would have more than ``MAX_SUBSCRIPTIONS``; then nothing is changed.
        """

        def added(held: set[str]) -> set[str]:
            wanted = held | set(keys)
            if len(wanted) > MAX_SUBSCRIPTIONS:
                raise TooManySubscriptions(
                    f"A connection may have {MAX_SUBSCRIPTIONS} subscriptions (topics times symbols);"
                    f" this would make {len(wanted)}."
                )
            return wanted

        self._change(connection_id, added)

    def subscriptions(self, connection_id: str) -> frozenset[str]:
        """Give the keys of a connection."""
        answer = self._client.get_item(TableName=self._connections, Key=_row(connection_id), ConsistentRead=True)
        return frozenset(answer.get("Item", {}).get("subscriptions", {}).get("SS", ()))

    def listen(self, connection_id: str, keys: Collection[str]) -> None:
        """Let broadcasters find the connection under these keys.

        Raises
        ------
        SubscriptionsNotWritten
            If the table did not take all; sending the same again is safe.
        """
        self._write(
            [
                (
                    key,
                    {"PutRequest": {"Item": {"topic": {"S": key}, **_row(connection_id), "expires": self._expires()}}},
                )
                for key in keys
            ]
        )

    def unsubscribe(self, connection_id: str, keys: Collection[str]) -> None:
        """Take subscriptions away; keys that the connection does not have are ignored."""
        self._change(connection_id, lambda held: held - set(keys))
        self._write(_deletions(connection_id, keys))

    def remove(self, connection_id: str, *, also: Iterable[str] = ()) -> None:
        """Forget a connection and its subscriptions; ``also`` names keys it may have beside its row's."""
        answer = self._client.delete_item(TableName=self._connections, Key=_row(connection_id), ReturnValues="ALL_OLD")
        keys = {*answer.get("Attributes", {}).get("subscriptions", {}).get("SS", ()), *also}
        if keys:
            self._write(_deletions(connection_id, keys))

    def _change(self, connection_id: str, change: Callable[[set[str]], set[str]]) -> None:
        """Change a connection's set of keys, by compare-and-set, as messages of a client may overlap."""
        for attempt in range(1, _ATTEMPTS + 1):
            row = self._client.get_item(TableName=self._connections, Key=_row(connection_id), ConsistentRead=True).get(
                "Item", {}
            )
            version = int(row.get("version", {"N": "0"})["N"])
            keys = change(set(row.get("subscriptions", {}).get("SS", ())))
            values: dict[str, Any] = {
                ":expires": self._expires(),
                ":held": {"N": str(version)},
                ":new": {"N": str(version + 1)},
            }
            if keys:
                values[":keys"] = {"SS": sorted(keys)}
            try:
                # Nothing else of the row is touched, since messages are counted in it meanwhile.
                self._client.update_item(
                    TableName=self._connections,
                    Key=_row(connection_id),
                    UpdateExpression="SET expires = :expires, version = :new"
                    + (", subscriptions = :keys" if keys else " REMOVE subscriptions"),
                    ConditionExpression="attribute_not_exists(version) OR version = :held",
                    ExpressionAttributeValues=values,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException" or attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _write(self, requests: list[tuple[str, dict[str, Any]]]) -> None:
        lost = write_batch(self._client, self._subscriptions, requests, pool=self._pool)
        self._announce()
        if lost:
            raise SubscriptionsNotWritten(f"{len(lost)} of {len(requests)} subscription rows were not written")

    def _announce(self) -> None:
        try:
            self._client.update_item(
                TableName=self._subscriptions,
                Key=CHANGES_KEY,
                UpdateExpression="ADD changes :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
        except ClientError as error:
            # One row takes 1,000 changes a second; past that broadcasters find out by their own rounds.
            _log.warning("change not announced", reason=str(error))

    def _expires(self) -> dict[str, str]:
        return {"N": str(int(self._clock()) + LIFE_SECONDS)}


def _row(connection_id: str) -> dict[str, Any]:
    return {"connection_id": {"S": connection_id}}


def _deletions(connection_id: str, keys: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    return [(key, {"DeleteRequest": {"Key": {"topic": {"S": key}, **_row(connection_id)}}}) for key in keys]
