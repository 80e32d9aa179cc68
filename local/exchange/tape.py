"""The tape: every trade that a market made, whether or not a socket got it, as far back as it is kept."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from local.exchange.candle import Candle
from local.exchange.events import Execution
from tickwire.columns import Side
from tickwire.intervals import IntervalSet

CAPACITY = 500_000
"""Trades kept a symbol: 20 minutes of the busiest market at 1,000 trades a second over all; at 33 bytes
each, the tapes of all simulated markets take 300 MB at most."""


class TapeRow(NamedTuple):
    """One trade in the tape's units; ``side`` is the aggressor's and ``time`` ns UTC."""

    trade_id: int
    price: int
    size: int
    side: Side
    time: int


class Tape:
    """The newest trades of one symbol, each id once, by rising id.

    ``price`` is in units of ``10**-price_places`` of the quote and ``size`` in ``10**-size_places``
    of the base currency.
    """

    def __init__(self, *, price_places: int, size_places: int, capacity: int = CAPACITY) -> None:
        self.price_places = price_places
        self.size_places = size_places
        self.made = IntervalSet()
        """Every id ever made, also those no longer kept."""
        self.was_cut = False
        """Whether older trades than those kept were made."""
        self.past: list[Candle] = []
        """Minutes before the first trade, by rising start, of which only these candles are known."""
        self._capacity = capacity
        self._ids, self._prices, self._sizes, self._times = array("q"), array("q"), array("q"), array("q")
        self._sides = array("b")
        self._rises = True
        self._by_time: list[int] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> TapeRow:
        return TapeRow(
            self._ids[index], self._prices[index], self._sizes[index], Side(self._sides[index]), self._times[index]
        )

    def add(self, row: TapeRow) -> None:
        """Add a trade; an id that was made before changes nothing."""
        if row.trade_id in self.made:
            return
        self.made.add(row.trade_id, row.trade_id)
        place = len(self._ids)
        if place and row.trade_id < self._ids[-1]:
            place = bisect_left(self._ids, row.trade_id)
            if not place and self.was_cut:
                return
        self._rises = self._rises and self._fits(place, row.time)
        self._by_time = None
        for column, value in zip(self._columns(), row, strict=True):
            column.insert(place, value)
        # In blocks, as each cut moves all that is kept.
        if len(self._ids) > self._capacity + self._capacity // 8:
            self._cut(len(self._ids) - self._capacity)

    def from_id(self, first: int, limit: int) -> list[TapeRow]:
        """Give up to ``limit`` trades by rising id, from the id ``first`` on."""
        start = bisect_left(self._ids, first)
        return [self[index] for index in range(start, min(start + limit, len(self)))]

    def newest(self, limit: int, *, below: int | None = None, above: int | None = None) -> list[TapeRow]:
        """Give up to ``limit`` trades, the newest first, with ids below and above those given."""
        end = len(self) if below is None else bisect_left(self._ids, below)
        start = 0 if above is None else bisect_right(self._ids, above)
        return [self[index] for index in range(end - 1, max(start, end - limit) - 1, -1)]

    def between(self, start: int, end: int) -> Iterator[TapeRow]:
        """Give the trades of [``start``, ``end``) ns UTC, by time and then by id."""
        order = self._time_order()
        for place in range(self._place(order, start), len(self)):
            row = self[place if order is None else order[place]]
            if row.time >= end:
                return
            yield row

    def raw_between(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Give price, size, side and time of the same trades, which is several times as fast."""
        order = self._time_order()
        first, last = self._place(order, start), self._place(order, end)
        columns = (self._prices, self._sizes, self._sides, self._times)
        if order is None:
            return zip(*(column[first:last] for column in columns), strict=True)
        chosen = order[first:last]
        return zip(*([column[place] for place in chosen] for column in columns), strict=True)

    def last_before(self, time: int) -> TapeRow | None:
        """Give the last trade before ``time`` (ns UTC)."""
        order = self._time_order()
        place = self._place(order, time) - 1
        if place < 0:
            return None
        return self[place if order is None else order[place]]

    @property
    def oldest_time(self) -> int | None:
        """The earliest time of a kept trade, ns UTC."""
        order = self._time_order()
        return None if not len(self) else self._times[0 if order is None else order[0]]

    def _columns(self) -> tuple["array[int]", ...]:
        return self._ids, self._prices, self._sizes, self._sides, self._times

    def _fits(self, place: int, time: int) -> bool:
        return (place == 0 or self._times[place - 1] <= time) and (
            place == len(self._times) or time <= self._times[place]
        )

    def _cut(self, trades: int) -> None:
        for column in self._columns():
            del column[:trades]
        self.was_cut = True
        self._by_time = None
        self._rises = self._rises or all(a <= b for a, b in pairwise(self._times))

    def _time_order(self) -> list[int] | None:
        """Give the places by time; None where they are by id already (a venue's clock may jump)."""
        if self._rises:
            return None
        if self._by_time is None:
            self._by_time = sorted(range(len(self)), key=self._times.__getitem__)
        return self._by_time

    def _place(self, order: list[int] | None, time: int) -> int:
        if order is None:
            return bisect_left(self._times, time)
        return bisect_left(order, time, key=self._times.__getitem__)


class Tapes:
    """The tapes by venue and symbol."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._tapes: dict[str, Tape] = {}

    def open(self, venue: str, symbol: str, *, price_places: int, size_places: int) -> Tape:
        """Give the tape of a symbol, a new one where it has none."""
        key = f"{venue}:{symbol}"
        tape = self._tapes.get(key)
        if tape is None:
            tape = Tape(price_places=price_places, size_places=size_places, capacity=self._capacity)
            self._tapes[key] = tape
        return tape

    def record(self, event: Execution) -> None:
        """Add the trades of an execution."""
        spec = event.market
        tape = self.open(spec.venue, spec.symbol, price_places=spec.price_places, size_places=8)
        for fill in event.fills:
            tape.add(TapeRow(fill.trade_id, fill.price, fill.size, event.side, event.time))

    def get(self, venue: str, symbol: str) -> Tape | None:
        """Give a symbol's tape, or None while it has none."""
        return self.items().get(f"{venue}:{symbol}")

    def items(self) -> dict[str, Tape]:
        """Give all tapes by ``venue:SYMBOL``."""
        return self._tapes
