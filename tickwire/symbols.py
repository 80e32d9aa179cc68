"""Canonical symbols (``BTC-USD``) and the fixed-point scales of each."""

import re
from typing import NamedTuple

from tickwire.errors import UnknownSymbol

_SEPARATED = re.compile(r"([A-Z0-9]{1,20})[-/_]([A-Z0-9]{1,10})", re.ASCII)
_JOINED = re.compile(r"[A-Z0-9]{4,30}", re.ASCII)
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}
"""Kraken's own names for two assets, on REST and the old WebSocket."""

# Longest first, so that `BTCFDUSD` ends in FDUSD and not in USD.
_QUOTES = sorted(
    "USDT USDC FDUSD TUSD BUSD USD EUR GBP JPY TRY BRL ARS AUD PLN RON ZAR UAH RUB NGN MXN COP CZK IDRT BIDR BKRW"
    " DAI USDP PAX VAI BTC ETH BNB SOL XRP TRX DOGE DOT USD1 EURI AEUR U".split(),
    key=len,
    reverse=True,
)

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
    """Turn a venue's symbol (``BTCUSDT``, ``XBT/USD``, ``BTC-USD``) into ``BASE-QUOTE``.

    Quote assets stay what they are: USDT is not USD.

    Raises
    ------
    UnknownSymbol
        If the text has no separator and ends in no known quote asset, or is no symbol at all.
    """
    match = _SEPARATED.fullmatch(native)
    if match is not None:
        base, quote = match.groups()
        return f"{_ALIASES.get(base, base)}-{_ALIASES.get(quote, quote)}"
    if _JOINED.fullmatch(native) is not None:
        for alias, base in _ALIASES.items():
            if native.startswith(alias) and native.removeprefix(alias) in _QUOTES:
                return f"{base}-{native.removeprefix(alias)}"
        for quote in _QUOTES:
            if native.endswith(quote) and len(native) > len(quote):
                return f"{native[: -len(quote)]}-{quote}"
    raise UnknownSymbol(f"not a symbol: {native[:40]!r}")


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
