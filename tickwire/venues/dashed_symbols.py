"""Symbols of venues that name spot pairs as the canonical form does: ``BTC-USD``."""

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, canonical_symbol, instrument
from tickwire.venues.feed import RejectReason
from tickwire.venues.frames import UnreadableFrame, shown


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


def spot_instrument(venue: str, native: str, *, field: str, noun: str) -> Instrument:
    """Give the instrument of a venue's own name; names with more parts than a spot pair has none.

    ``field`` is the frame's field that held the name, ``noun`` what the venue calls what it names.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL.
    """
    try:
        found = instrument(venue, native)
    except UnknownSymbol as error:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"{field}={shown(native)}: {error}") from error
    if found.symbol != native:
        raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"{field}={shown(native)} is no spot {noun}")
    return found
