"""Kraken v2 symbols: ``BTC/USD``; REST and v1 still say ``XBT/USD``."""

from functools import lru_cache

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, canonical_symbol, instrument
from tickwire.venues.feed import RejectReason
from tickwire.venues.frames import UnreadableFrame, shown

VENUE = "kraken"


def native_symbol(symbol: str) -> str:
    """Turn ``BTC-USD`` into ``BTC/USD``.

    Raises
    ------
    UnknownSymbol
        If it is not a canonical symbol.
    """
    if canonical_symbol(symbol) != symbol:
        raise UnknownSymbol(f"not a canonical symbol: {symbol[:40]!r}")
    return symbol.replace("-", "/")


@lru_cache(maxsize=16384)
def instrument_of(native: str) -> Instrument:
    """Give the instrument of ``BTC/USD`` or ``XBT/USD``; the token ``AAPLx/USD`` becomes ``AAPLX-USD``.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL.
    """
    try:
        return instrument(VENUE, native.upper())
    except UnknownSymbol as error:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"symbol={shown(native)}: {error}") from error
