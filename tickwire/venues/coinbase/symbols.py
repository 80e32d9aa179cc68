"""Coinbase's symbols are canonical already: ``BTC-USD``. Both of its feeds share them."""

from functools import lru_cache

from tickwire.symbols import Instrument
from tickwire.venues.dashed_symbols import native_symbol, spot_instrument

__all__ = ["VENUE", "instrument_of", "native_symbol"]

VENUE = "coinbase"


@lru_cache(maxsize=16384)
def instrument_of(product_id: str) -> Instrument:
    """Give the instrument of a ``product_id``; futures and perpetuals (``BTC-PERP-INTX``) have none.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL.
    """
    return spot_instrument(VENUE, product_id, field="product_id", noun="product")
