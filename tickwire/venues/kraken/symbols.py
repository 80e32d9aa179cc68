"""Kraken v2 symbols: ``BTC/USD``; REST and v1 still say ``XBT/USD``."""

from functools import lru_cache

from tickwire.symbols import Instrument, instrument

VENUE = "kraken"


@lru_cache(maxsize=4096)
def kraken_instrument(native: str) -> Instrument:
    """Give the instrument of ``BTC/USD`` (or ``XBT/USD``); ``AAPLx/USD`` becomes ``AAPLX-USD``.

    Raises
    ------
    UnknownSymbol
        If the text is no symbol.
    """
    return instrument(VENUE, native.upper())


def native_symbol(symbol: str) -> str:
    """Turn a canonical symbol (``BTC-USD``) into v2's (``BTC/USD``)."""
    return symbol.replace("-", "/")
