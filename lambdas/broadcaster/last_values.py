"""The newest values of a partition: what is still to be stored for snapshots, and when.

Pure: the clock is handed in. A symbol's values of a topic are stored at most once a second, the longer bars
once in five, but a final bar at once. Lists (trades, gaps, …) continue what is stored already: a list that this process
has not read yet is asked for by :meth:`LastValues.unread` and not stored before :meth:`LastValues.continue_from`.

A row says up to which of its key's numbers all rows of the key are stored, its ``position``: of the rows that fall
due together, only the last says so of them, and it is to be written after the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lambdas.broadcaster.health import Order
from lambdas.broadcaster.messages import BarData, Data
from lambdas.broadcaster.value import Key, Value

STORE_SECONDS = 1.0
_LONG_STORE_SECONDS = {"bars.5m": 5.0, "bars.1h": 5.0}
"""What changes as often as a bar of a minute, and is looked at less closely."""
_BARS_AT_HAND = 3


class Place(NamedTuple):
    """Where values are stored."""

    topic: str
    symbol: str
    at: int


class StoredRow(NamedTuple):
    """A row to store: all data of one place, older before newer.

    Attributes
    ----------
    before : the position while some row of the key is not stored
    position : the position with this row, where all others are stored; None where more rows follow
    """

    place: Place
    data: Sequence[Data]
    before: int = 0
    position: int | None = None

    @property
    def closing(self) -> bool:
        """Whether it is to be written after the others of its key."""
        return self.position is not None


@dataclass(slots=True)
class _Shelf:
    """The values of one topic and symbol, by ``at`` and order.

    Attributes
    ----------
    head : the number that all values up to are here
    position : the number that all values up to are stored
    not_stored_from : the counter of the first record whose values are not stored; None if all are
    undo : ``position`` and ``not_stored_from`` before what was last given to be stored
    """

    head: int = 0
    position: int = 0
    not_stored_from: int | None = None
    undo: tuple[int, int | None] | None = None
    places: dict[int, dict[Order, Data]] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    urgent: set[int] = field(default_factory=set)
    stored: float = float("-inf")


class LastValues:
    """What a process knows of one partition's newest values."""

    def __init__(self) -> None:
        self._shelves: dict[Key, _Shelf] = {}
        self._keep: dict[Place, int] = {}
        self._changed: set[Key] = set()

    def apply(self, values: Iterable[Value], heads: Mapping[Key, int] | None = None, *, counter: int = 0) -> None:
        """Take new values in; one of a lower order than what is there changes nothing.

        They come of records from ``counter`` on; ``heads`` gives the last number of each of their keys.
        """
        for key, head in (heads or {}).items():
            shelf = self._shelves.setdefault(key, _Shelf())
            shelf.head = head
            if shelf.not_stored_from is None:
                shelf.not_stored_from = counter
            # Also where no value is new: what the snapshot says of its position is.
            self._changed.add(key)
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

    def not_stored_from(self) -> int | None:
        """Give the counter of the first record whose values are not all stored; None if all are."""
        counters = (self._shelves[key].not_stored_from for key in self._changed)
        return min((counter for counter in counters if counter is not None), default=None)

    def due(self, now: float) -> list[StoredRow]:
        """Give the rows to store now (``now``: seconds, monotonic) and take them for stored.

        Rows that could not be stored come back by :meth:`not_stored`.
        """
        rows: list[StoredRow] = []
        for key in list(self._changed):
            shelf = self._shelves[key]
            self._forget_old_bars(key, shelf)
            every = _LONG_STORE_SECONDS.get(key[0], STORE_SECONDS)
            ready = (shelf.changed if now - shelf.stored >= every else shelf.urgent) - shelf.unread
            found = [StoredRow(Place(*key, at), _ordered(shelf.places[at]), shelf.position) for at in sorted(ready)]
            shelf.undo = None
            if ready == shelf.changed:
                if found:
                    found[-1] = found[-1]._replace(position=shelf.head)
                    shelf.undo = (shelf.position, shelf.not_stored_from)
                shelf.position = shelf.head
                shelf.not_stored_from = None
            rows += found
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
                if shelf.undo is not None:
                    shelf.position, shelf.not_stored_from = shelf.undo
                    shelf.undo = None
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
