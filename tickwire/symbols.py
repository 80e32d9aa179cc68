"""Canonical symbols (``BTC-USD``) and the fixed-point scales of each."""

import re
from typing import NamedTuple

from tickwire.errors import UnknownSymbol

_SEPARATED = re.compile(r"([A-Z0-9]{1,20})[-/_]([A-Z0-9]{1,10})", re.ASCII)
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}
"""Kraken's own names for two assets, on REST and the old WebSocket."""

# Coins whose supply is counted in 10**11 and more: at 10**-8 a large trade overflows int64,
# and their prices need more than 8 places. Kraken counts their sizes to 5 places (lot_decimals).
_LARGE_SUPPLY = frozenset(
    "SHIB PEPE BONK FLOKI LUNC XEC BTT BTTC WIN HOT SATS NFT MOG CAT CHEEMS BABYDOGE TOSHI".split()
)


class Instrument(NamedTuple):
    """A traded pair on one venue, and the scales of its columns.

    ``price_scale`` and ``size_scale`` give the units of int64 columns: 10**-scale of the quote
    currency, and of the base currency.
    """

    venue: str
    symbol: str
    price_scale: int
    size_scale: int


def canonical_symbol(native: str) -> str:
    """Turn ``XBT/USD``, ``BTC-USD`` or ``BTC_USD`` into ``BTC-USD``.

    Quote assets stay what they are: USDT is not USD. A symbol without a separator (``BTCUSDT``)
    can be cut only by who knows what its venue quotes in: see ``tickwire/venues/binance/symbols.py``.

    Raises
    ------
    UnknownSymbol
        If the text is no pair with a separator.
    """
    match = _SEPARATED.fullmatch(native)
    if match is None:
        raise UnknownSymbol(f"not a symbol: {native[:40]!r}")
    base, quote = match.groups()
    return f"{_ALIASES.get(base, base)}-{_ALIASES.get(quote, quote)}"


def instrument(venue: str, native: str) -> Instrument:
    """Give the instrument of a venue's symbol, with the scales that its columns use.

    Raises
    ------
    UnknownSymbol
        As :func:`canonical_symbol`.
    """
    symbol = canonical_symbol(native)
    base = symbol.partition("-")[0]
    if base.removeprefix("1000") in _LARGE_SUPPLY:
        return Instrument(venue, symbol, price_scale=14, size_scale=5)
    return Instrument(venue, symbol, price_scale=8, size_scale=8)
