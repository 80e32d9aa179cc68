"""Who listens to what, as the broadcaster knows it: read from the table, looked after twice a second."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from time import monotonic
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.broadcaster.messages import ANY_SYMBOL, subscription_key
from lambdas.websocket.connections import CHANGES_KEY

CHECK_SECONDS = 0.5
RELOAD_SECONDS = 60.0
"""Everything is read again this often even when no change was announced."""

_log = Logger()


class Subscribers:
    """The connections by subscription key.

    The row ``#changes`` is read at most every ``CHECK_SECONDS``; only when it has changed are the
    keys that this process has met read again, each by one Query.
    """

    def __init__(self, client: Any, table: str, *, pool: Executor, clock: Callable[[], float] = monotonic) -> None:
        self._client = client
        self._table = table
        self._pool = pool
        self._clock = clock
        self._known: dict[str, frozenset[str]] = {}
        self._changes: str | None = None
        self._checked = self._loaded = float("-inf")

    def of(self, topic: str, symbol: str) -> frozenset[str]:
        """Give the connections that listen to a topic and symbol, or to all symbols of the topic."""
        none: frozenset[str] = frozenset()
        one = self._known.get(subscription_key(topic, symbol), none)
        return one | self._known.get(subscription_key(topic, ANY_SYMBOL), none)

    def refresh(self, pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
        """Bring the knowledge of these (topic, symbol) pairs and all met before up to date.

        Gives the newcomers: by key, the connections that were not there when it was read before. If the table
        cannot be read, what was known stays.
        """
        wanted = {subscription_key(topic, name) for topic, symbol in pairs for name in (symbol, ANY_SYMBOL)}
        now = self._clock()
        try:
            if now - self._checked >= CHECK_SECONDS:
                changes = self._read_changes()
                # Read before the keys: a change after this shows at the next check.
                if changes != self._changes or now - self._loaded >= RELOAD_SECONDS:
                    return self._load(self._known.keys() | wanted, changes, now)
                self._checked = now
            return self._load(wanted - self._known.keys())
        except (BotoCoreError, ClientError) as error:
            _log.warning("subscriptions not read", reason=str(error))
            return {}

    def forget(self, connection_id: str) -> list[str]:
        """Drop a connection; give the keys under which it was known."""
        keys = [key for key, connections in self._known.items() if connection_id in connections]
        for key in keys:
            self._known[key] -= {connection_id}
        return keys

    def _load(
        self, keys: Iterable[str], changes: str | None = None, now: float | None = None
    ) -> dict[str, frozenset[str]]:
        wanted = list(keys)
        found = dict(zip(wanted, self._pool.map(self._query, wanted), strict=True))
        newcomers = {
            key: connections - self._known[key]
            for key, connections in found.items()
            if key in self._known and connections - self._known[key]
        }
        self._known |= found
        if now is not None:
            self._changes, self._checked, self._loaded = changes, now, now
        return newcomers

    def _read_changes(self) -> str:
        row = self._client.get_item(TableName=self._table, Key=CHANGES_KEY, ConsistentRead=True).get("Item", {})
        changes: str = row.get("changes", {"N": "0"})["N"]
        return changes

    def _query(self, key: str) -> frozenset[str]:
        connections: list[str] = []
        page: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="topic = :key",
                ExpressionAttributeValues={":key": {"S": key}},
                ProjectionExpression="connection_id",
                ConsistentRead=True,
                **page,
            )
            connections += [row["connection_id"]["S"] for row in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return frozenset(connections)
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
