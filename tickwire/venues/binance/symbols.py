"""Binance's symbols: ``BTCUSDT`` on the wire, no separator."""

from functools import lru_cache

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, canonical_symbol, instrument
from tickwire.venues.feed import RejectReason
from tickwire.venues.frames import UnreadableFrame, shown

# Longest first, so that `BTCFDUSD` ends in FDUSD. One list for each venue: Binance.com has never
# quoted in USD, and Binance.US never in TUSD, which would make BA-TUSD of `BATUSD`.
_GLOBAL_QUOTES = (
    "FDUSD USDT USDC USD1 TUSD BUSD USDP USDS BIDR BKRW BVND GYEN IDRT EURI DOGE"
    " EUR GBP JPY TRY BRL ARS AUD PLN RON ZAR UAH RUB NGN MXN COP CZK DAI PAX VAI BTC ETH BNB SOL XRP TRX DOT U"
).split()
_US_QUOTES = "USDT USDC BUSD USD BTC ETH".split()
_US_BASES_IN_B = frozenset({"BNB", "SHIB", "ARB", "TRB"})
"""Bases that with USD look like another base with BUSD, which Binance.US quoted until 2023."""


def native_symbol(symbol: str) -> str:
    """Turn ``BTC-USDT`` into ``BTCUSDT``.

    Raises
    ------
    UnknownSymbol
        If it is not a canonical symbol.
    """
    if canonical_symbol(symbol) != symbol:
        raise UnknownSymbol(f"not a canonical symbol: {symbol[:40]!r}")
    return symbol.replace("-", "")


@lru_cache(maxsize=16384)
def instrument_of(venue: str, native: str) -> Instrument:
    """Give the instrument of ``BTCUSDT`` by the quote asset that it ends in.

    A feed that subscribed knows better, as it has the canonical symbol: see :class:`SymbolTable`.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL, if it ends in no asset that the venue quotes in.
    """
    united_states = venue.startswith("binance-us")
    for quote in _US_QUOTES if united_states else _GLOBAL_QUOTES:
        base = native.removesuffix(quote)
        if base in (native, ""):
            continue
        if united_states and quote == "BUSD" and base + "B" in _US_BASES_IN_B:
            continue
        try:
            return instrument(venue, f"{base}-{quote}")
        except UnknownSymbol:
            break
    raise UnreadableFrame(RejectReason.UNKNOWN_SYMBOL, f"s={shown(native)} is no symbol of {venue}")


class SymbolTable:
    """Instruments by native symbol: those subscribed to exactly, any other by its ending."""

    __slots__ = ("_subscribed", "_venue")

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._subscribed: dict[str, Instrument] = {}

    def subscribe(self, symbol: str) -> str:
        """Remember a canonical symbol; give the native one."""
        native = native_symbol(symbol)
        self._subscribed[native] = instrument(self._venue, symbol)
        return native

    def __getitem__(self, native: str) -> Instrument:
        found = self._subscribed.get(native)
        return found if found is not None else instrument_of(self._venue, native)
