"""OKX's spot instruments are canonical already: ``BTC-USDT``; derivatives have a third part (``BTC-USDT-SWAP``)."""

from functools import lru_cache

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, canonical_symbol, instrument
from tickwire.venues.feed import RejectReason
from tickwire.venues.frames import UnreadableFrame, shown

VENUE = "okx"


def native_symbol(symbol: str) -> str:
    """Give ``BTC-USDT`` for ``BTC-USDT``.

    Raises
    ------
    UnknownSymbol
        If it is not a canonical symbol.
    """
    if canonical_symbol(symbol) != symbol:
        raise UnknownSymbol(f"not a canonical symbol: {symbol[:40]!r}")
    return symbol


@lru_cache(maxsize=16384)
def instrument_of(native: str) -> Instrument:
    """Give the instrument of an ``instId``; futures, perpetuals and options have none.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL.
    """
    try:
        found = instrument(VENUE, native)
    except UnknownSymbol as error:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"instId={shown(native)}: {error}") from error
    if found.symbol != native:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"instId={shown(native)} is no spot instrument")
    return found
