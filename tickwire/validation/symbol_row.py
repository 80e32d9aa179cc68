"""The integers that nearly every trade of a symbol changes, as a row that can lie beside those of others."""

from enum import IntEnum


class Row(IntEnum):
    """Where in a symbol's row of int64 each number lies."""

    FIRST_ID = 0
    LAST_ID = 1
    LAST_TIME = 2
    ACCEPTED = 3
    DUPLICATES = 4
    QUARANTINED = 5
    ASK_UNTIL = 6
    """Of an id of the range up to this one the sets must be asked what it is; above it, it was accepted."""
    ASK_ALWAYS = 7
    """1 while ids too far ahead wait to be confirmed: then each trade is for ``TradeSequence``."""
    PRICES = 8
    """The four of :class:`tickwire.validation.price_band.PriceBand`: prices seen, fresh, low, high."""


ROW_WIDTH = 12


class _Cell:
    """An attribute that is kept in a row."""

    __slots__ = ("_place",)

    def __init__(self, place: Row) -> None:
        self._place = int(place)

    def __get__(self, instance: "SymbolRow", owner: type) -> int:
        return instance._row[self._place]

    def __set__(self, instance: "SymbolRow", value: int) -> None:
        instance._row[self._place] = value


class SymbolRow:
    """A symbol's own row, until :meth:`bind` gives it another one."""

    __slots__ = ("_row",)

    first_id = _Cell(Row.FIRST_ID)
    last_id = _Cell(Row.LAST_ID)
    last_time = _Cell(Row.LAST_TIME)
    accepted = _Cell(Row.ACCEPTED)
    duplicates = _Cell(Row.DUPLICATES)
    quarantined = _Cell(Row.QUARANTINED)

    def __init__(self) -> None:
        self._row = memoryview(bytearray(8 * ROW_WIDTH)).cast("q")

    def bind(self, row: memoryview) -> None:
        """Keep the integers from now on in ``row``, of :data:`ROW_WIDTH` int64, which gets their values."""
        row[: len(self._row)] = self._row
        self._row = row
