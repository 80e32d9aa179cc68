"""What a new subscriber sees first: the stored last values of what it subscribed to."""

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

import msgspec

from lambdas.broadcaster.messages import ALERTS, ANY_SYMBOL, BAR_TOPICS, Item

SNAPSHOT_BARS = 300
MAX_ITEMS = 500
"""A subscription to all symbols of a large market gets its snapshot cut here."""

_BARS = frozenset(BAR_TOPICS.values())
_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Snapshots:
    """Reads the last-values table (``lambdas.broadcaster.last_values_table`` says how it is laid out)."""

    def __init__(self, client: Any, table: str, *, pool: Executor) -> None:
        self._client = client
        self._table = table
        self._pool = pool

    def read(self, keys: Iterable[str], *, without: Collection[str] = ()) -> list[Item]:
        """Give each key's stored data, older before newer; ``…#*`` stands for all symbols of its topic.

        Keys in ``without`` are left out, and alerts, which are stored elsewhere. Positions are the numbers up to
        which all rows of a source were stored when the last of them was.
        """
        wanted: dict[str, None] = {}
        for key in keys:
            topic, _, symbol = key.partition("#")
            if topic == ALERTS:
                continue
            wanted.update(dict.fromkeys(self._symbols(topic) if symbol == ANY_SYMBOL else [key]))
        items = self._pool.map(self._item, [key for key in wanted if key not in without][:MAX_ITEMS])
        return [item for item in items if item.data]

    def _symbols(self, topic: str) -> list[str]:
        row = self._client.get_item(
            TableName=self._table, Key={"item": {"S": f"{topic}#{ANY_SYMBOL}"}, "at": {"N": "0"}}
        ).get("Item", {})
        return [f"{topic}#{symbol}" for symbol in sorted(row.get("symbols", {}).get("SS", ()))]

    def _item(self, key: str) -> Item:
        topic, _, symbol = key.partition("#")
        newest_first = topic in _BARS
        rows = self._client.query(
            TableName=self._table,
            KeyConditionExpression="#item = :key",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={":key": {"S": key}},
            ScanIndexForward=not newest_first,
            Limit=SNAPSHOT_BARS,
            ConsistentRead=True,
        )["Items"]
        if newest_first:
            rows.reverse()
        data = [bytes(data) for row in rows for data in _raw_list(row["data"]["S"])]
        return Item(topic, symbol, data, positions=_positions(rows))


def _positions(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Give, by source, the number up to which all rows are stored, 0 left out; the last stored row says it."""
    newest: dict[str, tuple[int, int]] = {}
    for row in rows:
        if "seq" in row:
            source = row["source"]["N"]
            said = int(row["stored"]["N"]), int(row["seq"]["N"])
            newest[source] = max(said, newest.get(source, said))
    return {source: number for source, (_, number) in newest.items() if number}
