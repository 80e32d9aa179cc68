"""The example venue's symbols: ``BTC_USD``."""

from functools import lru_cache

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, canonical_symbol, instrument
from tickwire.venues.feed import RejectReason
from tickwire.venues.frames import UnreadableFrame, shown

VENUE = "template"


def native_symbol(symbol: str) -> str:
    """Turn ``BTC-USD`` into ``BTC_USD``.

    Raises
    ------
    UnknownSymbol
        If it is not a canonical symbol.
    """
    if canonical_symbol(symbol) != symbol:
        raise UnknownSymbol(f"not a canonical symbol: {symbol[:40]!r}")
    return symbol.replace("-", "_")


# A bounded cache: parsing a symbol costs more than the rest of its frame, and garbage must not fill memory.
@lru_cache(maxsize=16384)
def instrument_of(native: str) -> Instrument:
    """Give the instrument of ``BTC_USD``, with the scales of its columns.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL.
    """
    try:
        return instrument(VENUE, native)
    except UnknownSymbol as error:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"market={shown(native)}: {error}") from error
