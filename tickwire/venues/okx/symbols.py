"""OKX's spot instruments are canonical already: ``BTC-USDT``; derivatives have a third part (``BTC-USDT-SWAP``)."""

from functools import lru_cache

from tickwire.symbols import Instrument
from tickwire.venues.dashed_symbols import native_symbol, spot_instrument

__all__ = ["VENUE", "instrument_of", "native_symbol"]

VENUE = "okx"


@lru_cache(maxsize=16384)
def instrument_of(native: str) -> Instrument:
    """Give the instrument of an ``instId``; futures, perpetuals and options have none.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL.
    """
    return spot_instrument(VENUE, native, field="instId", noun="instrument")
