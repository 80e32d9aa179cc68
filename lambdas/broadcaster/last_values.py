"""The newest values of a partition: what is still to be stored for snapshots, and when.

Pure: the clock is handed in. A symbol's values of a topic are stored at most once a second, but a
final bar at once. Lists (trades, gaps, …) continue what is stored already: a list that this process
has not read yet is asked for by :meth:`LastValues.unread` and not stored before :meth:`LastValues.continue_from`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lambdas.broadcaster.health import Order
from lambdas.broadcaster.messages import BarData, Data
from lambdas.broadcaster.value import Value

STORE_SECONDS = 1.0
_BARS_AT_HAND = 3


class Place(NamedTuple):
    """Where values are stored."""

    topic: str
    symbol: str
    at: int


class StoredRow(NamedTuple):
    """A row to store: all data of one place, older before newer."""

    place: Place
    data: Sequence[Data]


@dataclass(slots=True)
class _Shelf:
    """The values of one topic and symbol, by ``at`` and order."""

    places: dict[int, dict[Order, Data]] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    urgent: set[int] = field(default_factory=set)
    stored: float = float("-inf")


class LastValues:
    """What a process knows of one partition's newest values."""

    def __init__(self) -> None:
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._keep: dict[Place, int] = {}
        self._changed: set[tuple[str, str]] = set()

    def apply(self, values: Iterable[Value]) -> None:
        """Take new values in; one of a lower order than what is there changes nothing."""
        for topic, symbol, at, keep, data in values:
            shelf = self._shelves.setdefault((topic, symbol), _Shelf())
            held = shelf.places.get(at)
            if held is None:
                held = shelf.places[at] = {}
                self._keep[Place(topic, symbol, at)] = keep
                if keep > 1:
                    shelf.unread.add(at)
            if keep == 1 and any(order > data.order for order in held):
                continue
            if keep == 1:
                held.clear()
            held[data.order] = data
            _trim(held, keep)
            shelf.changed.add(at)
            self._changed.add((topic, symbol))
            if isinstance(data, BarData) and data.final:
                shelf.urgent.add(at)

    def current(self, topic: str, symbol: str) -> list[Data]:
        """Give what is at hand of a topic and symbol, for a client that has just subscribed."""
        shelf = self._shelves.get((topic, symbol))
        return [] if shelf is None else [data for at in sorted(shelf.places) for data in _ordered(shelf.places[at])]

    def keys(self) -> Iterable[tuple[str, str]]:
        """Give every (topic, symbol) that there are values of."""
        return self._shelves.keys()

    def unread(self) -> list[Place]:
        """Give the lists that must continue what is stored, and have not been read."""
        return [Place(*key, at) for key in self._changed for at in sorted(self._shelves[key].unread)]

    def continue_from(self, stored: Mapping[Place, Sequence[Data]]) -> None:
        """Put stored data before what came since."""
        for place, data in stored.items():
            shelf = self._shelves[place.topic, place.symbol]
            held = {one.order: one for one in data} | shelf.places[place.at]
            _trim(held, self._keep[place])
            shelf.places[place.at] = held
            shelf.unread.discard(place.at)

    def due(self, now: float) -> list[StoredRow]:
        """Give the rows to store now (``now``: seconds, monotonic) and take them for stored.

        Rows that could not be stored come back by :meth:`not_stored`.
        """
        rows: list[StoredRow] = []
        for key in list(self._changed):
            shelf = self._shelves[key]
            self._forget_old_bars(key, shelf)
            ready = (shelf.changed if now - shelf.stored >= STORE_SECONDS else shelf.urgent) - shelf.unread
            rows += [StoredRow(Place(*key, at), _ordered(shelf.places[at])) for at in sorted(ready)]
            if ready - shelf.urgent:
                shelf.stored = now
            shelf.changed -= ready
            shelf.urgent -= ready
            if not shelf.changed:
                self._changed.discard(key)
        return rows

    def not_stored(self, places: Iterable[Place]) -> None:
        """Let rows come again at the next :meth:`due`."""
        for topic, symbol, at in places:
            shelf = self._shelves[topic, symbol]
            if at in shelf.places:
                shelf.changed.add(at)
                shelf.urgent.add(at)
                self._changed.add((topic, symbol))

    def _forget_old_bars(self, key: tuple[str, str], shelf: _Shelf) -> None:
        if not key[0].startswith("bars."):
            return
        for at in set(sorted(shelf.places)[:-_BARS_AT_HAND]) - shelf.changed:
            del shelf.places[at]
            del self._keep[Place(*key, at)]


def _ordered(held: dict[Order, Data]) -> list[Data]:
    return [held[order] for order in sorted(held)]


def _trim(held: dict[Order, Data], keep: int) -> None:
    for order in sorted(held)[:-keep]:
        del held[order]
