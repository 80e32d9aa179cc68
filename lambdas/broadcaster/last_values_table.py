"""The table of last values: written by the broadcaster, read for snapshots by the WebSocket function.

Rows are ``item`` (``bars.1m#binance:BTC-USDT``), ``at`` (a bar's start in ms, or a value's ``at``),
``data`` (a JSON array), ``expires`` (TTL, s UTC), ``source`` (the partition), ``seq`` (the number up to which all rows
of the key are stored) and ``stored`` (ms UTC). Of a source's rows the one stored last is right about all: a batch that
comes again may write what is older over some of them. The row ``bars.1m#*`` at 0 names the topic's symbols.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from time import time
from typing import Any

import msgspec

from lambdas.broadcaster.data_types import decode_list
from lambdas.broadcaster.last_values import Place, StoredRow
from lambdas.broadcaster.messages import ANY_SYMBOL, Data, subscription_key
from lambdas.websocket.batch import write_batch

SYMBOLS_AT = 0
_DAY = 86_400
_LIVES = {"bars.1s": 3_600, "bars.1m": 2 * _DAY, "bars.5m": 7 * _DAY, "bars.1h": 35 * _DAY}
_LONGEST_LIFE = 7 * _DAY

_encode = msgspec.json.Encoder().encode
_READ_AT_ONCE = 100
"""BatchGetItem's limit."""
_READ_ATTEMPTS = 3


class LastValuesTable:
    """Writes rows in parallel batches; reads back the lists that are continued."""

    def __init__(self, client: Any, table: str, *, pool: Executor, clock: Callable[[], float] = time) -> None:
        self._client = client
        self._table = table
        self._pool = pool
        self._clock = clock
        self._named: set[tuple[str, str]] = set()

    def write(self, rows: Mapping[int, Sequence[StoredRow]]) -> dict[int, list[Place]]:
        """Store rows by source; give the places of those that the table did not take.

        A row that says that all of its key are stored is written after the others, and says so only if they are.
        """
        lost: dict[int, list[Place]] = {source: [] for source in rows}
        for source, place in self._put(
            (source, row) for source, some in rows.items() for row in some if not row.closing
        ):
            lost[source].append(place)
        short = {(source, place.topic, place.symbol) for source, places in lost.items() for place in places}
        closing = [
            (source, row._replace(position=None) if (source, row.place.topic, row.place.symbol) in short else row)
            for source, some in rows.items()
            for row in some
            if row.closing
        ]
        for source, place in self._put(closing):
            lost[source].append(place)
        return lost

    def read(self, places: Sequence[Place]) -> dict[Place, Sequence[Data]]:
        """Give the data stored at each of these places; empty where there is none.

        A place that a throttled table does not answer for is left out, to be asked for again.
        """
        found: dict[Place, Sequence[Data]] = {}
        chunks = [places[start : start + _READ_AT_ONCE] for start in range(0, len(places), _READ_AT_ONCE)]
        for part in map(self._read, chunks) if len(chunks) == 1 else self._pool.map(self._read, chunks):
            found |= part
        return found

    def name_symbols(self, keys: Iterable[tuple[str, str]]) -> None:
        """Add (topic, symbol) pairs to the rows that name each topic's symbols, once a process."""
        new: dict[str, set[str]] = {}
        for topic, symbol in keys:
            if (topic, symbol) not in self._named:
                new.setdefault(topic, set()).add(symbol)
        for topic, symbols in new.items():
            self._client.update_item(
                TableName=self._table,
                Key=_key(Place(topic, ANY_SYMBOL, SYMBOLS_AT)),
                UpdateExpression="ADD symbols :symbols SET expires = :expires",
                ExpressionAttributeValues={
                    ":symbols": {"SS": sorted(symbols)},
                    ":expires": {"N": str(int(self._clock()) + _LONGEST_LIFE)},
                },
            )
            self._named |= {(topic, symbol) for symbol in symbols}

    def _put(self, rows: Iterable[tuple[int, StoredRow]]) -> list[tuple[int, Place]]:
        # A batch with two rows for one place would be refused whole; a symbol that moved to another
        # partition can have two for a moment.
        by_place = {row.place: (source, row) for source, row in rows}
        puts = [
            ((source, place), {"PutRequest": {"Item": self._item(source, row)}})
            for place, (source, row) in by_place.items()
        ]
        return write_batch(self._client, self._table, puts, pool=self._pool)

    def _item(self, source: int, row: StoredRow) -> dict[str, Any]:
        life = _LIVES.get(row.place.topic, _LONGEST_LIFE)
        position = row.before if row.position is None else row.position
        return {
            **_key(row.place),
            "source": {"N": str(source)},
            "seq": {"N": str(position)},
            "stored": {"N": str(int(self._clock() * 1_000))},
            "data": {"S": _encode(row.data).decode()},
            "expires": {"N": str(int(self._clock()) + life)},
        }

    def _read(self, places: Sequence[Place]) -> dict[Place, Sequence[Data]]:
        waiting: list[dict[str, Any]] = [_key(place) for place in places]
        found: dict[Place, Sequence[Data]] = dict.fromkeys(places, ())
        for _ in range(_READ_ATTEMPTS):
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": waiting}})
            for item in answer["Responses"].get(self._table, []):
                topic, _, symbol = item["item"]["S"].partition("#")
                place = Place(topic, symbol, int(item["at"]["N"]))
                found[place] = decode_list(topic, item["data"]["S"])
            waiting = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not waiting:
                break
        return {place: data for place, data in found.items() if _key(place) not in waiting}


def _key(place: Place) -> dict[str, dict[str, str]]:
    return {"item": {"S": subscription_key(place.topic, place.symbol)}, "at": {"N": str(place.at)}}
