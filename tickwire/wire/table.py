"""The instruments of a record, each told by what is new about it.

An entry is a symbol, whose venue and scales are those of the entry before it, or (symbol, venue), or
(symbol, venue, price scale, size scale). Before the first one the scales are 8 and the venue is the empty text.
"""

from functools import lru_cache
from typing import TypeAlias

from tickwire.errors import DamagedRecord
from tickwire.symbols import Instrument

Table: TypeAlias = tuple[str | tuple[str | int, ...], ...]

_BEFORE = Instrument("", "", 8, 8)
_REMEMBERED = 256
"""Tables: a partition's records have the same one again and again, and what it names is then the same tuple, too."""


@lru_cache(_REMEMBERED)
def to_table(instruments: tuple[Instrument, ...]) -> Table:
    """Give the entries of instruments, in their order."""
    entries: list[str | tuple[str | int, ...]] = []
    before = _BEFORE
    for instrument in instruments:
        venue, symbol, *scales = instrument
        if scales != [before.price_scale, before.size_scale]:
            entries.append((symbol, venue, *scales))
        elif venue != before.venue:
            entries.append((symbol, venue))
        else:
            entries.append(symbol)
        before = instrument
    return tuple(entries)


@lru_cache(_REMEMBERED)
def from_table(table: Table) -> tuple[Instrument, ...]:
    """Give the instruments of entries.

    Raises
    ------
    DamagedRecord
        If an entry is neither of the three.
    """
    instruments: list[Instrument] = []
    venue, _, price_scale, size_scale = _BEFORE
    for entry in table:
        if isinstance(entry, str):
            instruments.append(Instrument(venue, entry, price_scale, size_scale))
            continue
        match entry:
            case (str(symbol), str(venue)):
                pass
            case (str(symbol), str(venue), int(price_scale), int(size_scale)):
                pass
            case _:
                raise DamagedRecord(f"no instrument: {entry!r}")
        instruments.append(Instrument(venue, symbol, price_scale, size_scale))
    return tuple(instruments)
