"""Coinbase's symbols are canonical already: ``BTC-USD``. Both of its feeds share them."""

from functools import lru_cache

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, canonical_symbol, instrument
from tickwire.venues.feed import RejectReason
from tickwire.venues.frames import UnreadableFrame, shown

VENUE = "coinbase"


def native_symbol(symbol: str) -> str:
    """Give ``BTC-USD`` for ``BTC-USD``.

    Raises
    ------
    UnknownSymbol
        If it is not a canonical symbol.
    """
    if canonical_symbol(symbol) != symbol:
        raise UnknownSymbol(f"not a canonical symbol: {symbol[:40]!r}")
    return symbol


@lru_cache(maxsize=16384)
def instrument_of(product_id: str) -> Instrument:
    """Give the instrument of a ``product_id``; futures and perpetuals (``BTC-PERP-INTX``) have none.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL.
    """
    try:
        found = instrument(VENUE, product_id)
    except UnknownSymbol as error:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"product_id={shown(product_id)}: {error}") from error
    if found.symbol != product_id:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"product_id={shown(product_id)} is no spot product")
    return found
