"""What the validator remembers of a symbol, and where its numbers lie beside those of the others."""

from dataclasses import dataclass, field

import numpy as np

from tickwire.columns import Int64
from tickwire.symbols import Instrument
from tickwire.validation.price_band import PriceBand
from tickwire.validation.sequence import TradeSequence
from tickwire.validation.symbol_row import ROW_WIDTH, Row


@dataclass(slots=True)
class SymbolState:
    """What is remembered of one (venue, symbol).

    ``band`` holds prices at ``price_scale``; ``quote_update_id`` and ``quote_time`` are those of
    the newest quote passed on; ``place`` is its row in a table of many symbols, if it has one.
    """

    price_scale: int
    sequence: TradeSequence = field(default_factory=TradeSequence)
    band: PriceBand = field(default_factory=PriceBand)
    quote_update_id: int = 0
    quote_time: int = 0
    place: int = field(default=0, compare=False)

    def rescale(self, price_scale: int) -> None:
        """Take prices of another scale from now on: the band starts anew."""
        self.price_scale = price_scale
        self.band.clear()


NOT_CARRIED, UNPLACED = -1, -2
"""In the place of a row: the symbol is none that is carried; nothing of it has come yet."""


class Scratch:
    """Memory that one batch after the other is judged in: to get it anew each time costs more than the judging.

    Attributes
    ----------
    order, rows : int64 (capacity,)
    wanted : int8 (capacity,)
    events : int64 (4 capacity + 1 + told, 6)
    """

    def __init__(self, capacity: int, told: int) -> None:
        self.capacity = capacity
        self.order, self.rows = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
        self.wanted = np.empty(capacity, np.int8)
        self.events = np.empty((4 * capacity + 1 + told, 6), np.int64)


class SequenceTable:
    """The rows of a partition's symbols: integers of their sequences and bands, and their recent prices.

    Attributes
    ----------
    rows : int64 (capacity, ROW_WIDTH), see :class:`~tickwire.validation.sequence.Row`
    rings : int64 (capacity, prices of the band)
    symbols : by row
    instruments, places : of the last batch, and the row of each
    scratch : see :meth:`room`
    """

    def __init__(self, *, prices: int) -> None:
        self.rows = np.zeros((0, ROW_WIDTH), np.int64)
        self.rings = np.zeros((0, prices), np.int64)
        self.symbols: list[SymbolState] = []
        self.instruments: tuple[Instrument, ...] = ()
        self.places: Int64 = np.empty(0, np.int64)
        self.scratch = Scratch(0, 0)

    def place(self, symbol: SymbolState) -> int:
        """Give the row of a symbol, which lies in this table from now on."""
        number = symbol.place
        if number < len(self.symbols) and self.symbols[number] is symbol:
            return number
        number = symbol.place = len(self.symbols)
        self.symbols.append(symbol)
        if number < len(self.rows):
            self._bind(number)
        else:
            self._grow()
        return number

    def room(self, rows: int, *, told: int) -> Scratch:
        """Give memory for a batch of so many rows, good until the next call."""
        if self.scratch.capacity < rows:
            self.scratch = Scratch(max(rows, 2 * self.scratch.capacity), told)
        return self.scratch

    def _grow(self) -> None:
        capacity = max(16, 2 * len(self.rows))
        self.rows = np.zeros((capacity, self.rows.shape[1]), np.int64)
        self.rings = np.zeros((capacity, self.rings.shape[1]), np.int64)
        for number in range(len(self.symbols)):
            self._bind(number)

    def _bind(self, number: int) -> None:
        symbol = self.symbols[number]
        symbol.sequence.bind(memoryview(self.rows[number]).cast("B").cast("q"))
        symbol.band.bind(self.rows[number, Row.PRICES :], self.rings[number])
