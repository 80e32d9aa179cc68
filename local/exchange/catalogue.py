"""Which markets the simulated venues list, and how liquid each is."""

from dataclasses import dataclass

SIZE_PLACES = 8
"""Sizes are units of 10**-8 of the base currency on every simulated market."""

ASSET_USD = {
    "BTC": 63_500.0,
    "ETH": 1_775.0,
    "SOL": 148.0,
    "XRP": 2.21,
    "DOGE": 0.192,
    "LTC": 84.6,
    "ATOM": 4.12,
    "MINA": 0.243,
}
"""Starting prices in US dollars; every venue's price of an asset derives from one path."""

USD_PER_QUOTE = {"USD": 1.0, "USDT": 0.9997, "EUR": 1.082, "GBP": 1.284}


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSpec:
    """One listed pair.

    Attributes
    ----------
    venue, symbol : as in Tickwire's columns (``binance``, ``BTC-USDT``)
    native : the venue's own name of the pair
    price_places : decimal places of a price; the tick is one unit of the last place
    lot : smallest size, units of 10**-8
    weight : share of the simulated rate, relative to the other markets' weights
    quiet_rate : trades a second of a quiet pair, which the simulated rate does not scale
    spread_ticks : usual distance between best bid and offer
    has_book : whether the venue's feed carries a depth-10 book
    """

    venue: str
    symbol: str
    native: str
    price_places: int
    lot: int = 1
    weight: float = 0.0
    quiet_rate: float = 0.0
    spread_ticks: int = 1
    has_book: bool = False

    @property
    def key(self) -> str:
        """``venue:SYMBOL``."""
        return f"{self.venue}:{self.symbol}"

    @property
    def base(self) -> str:
        return self.symbol.partition("-")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("-")[2]


def _binance(symbol: str, price_places: int, lot: int, **shape: float | int) -> MarketSpec:
    return _spec("binance", symbol, symbol.replace("-", ""), price_places, lot, **shape)


def _coinbase(symbol: str, **shape: float | int) -> MarketSpec:
    return _spec("coinbase", symbol, symbol, 2, 1, **shape)


def _kraken(symbol: str, price_places: int, **shape: float | int) -> MarketSpec:
    return _spec("kraken", symbol, symbol.replace("-", "/"), price_places, 1, has_book=True, **shape)


def _spec(venue: str, symbol: str, native: str, price_places: int, lot: int, **shape: float | int) -> MarketSpec:
    return MarketSpec(venue=venue, symbol=symbol, native=native, price_places=price_places, lot=lot, **shape)  # type: ignore[arg-type]


MARKETS = (
    _binance("BTC-USDT", 2, 1_000, weight=30),
    _binance("ETH-USDT", 2, 10_000, weight=22),
    _binance("SOL-USDT", 2, 100_000, weight=12),
    _binance("XRP-USDT", 4, 10_000_000, weight=8),
    _binance("DOGE-USDT", 5, 100_000_000, weight=6),
    _binance("ATOM-EUR", 3, 1_000_000, quiet_rate=0.1, spread_ticks=3),
    _spec("binance-us", "BTC-USDT", "BTCUSDT", 2, 1_000, quiet_rate=0.5, spread_ticks=40),
    _spec("binance-us", "ETH-USDT", "ETHUSDT", 2, 10_000, quiet_rate=0.3, spread_ticks=8),
    _coinbase("BTC-USD", weight=8),
    _coinbase("ETH-USD", weight=5),
    _coinbase("SOL-USD", weight=3),
    _coinbase("LTC-USD", weight=0.5),
    _kraken("BTC-USD", 1, weight=3),
    _kraken("ETH-USD", 2, weight=2),
    _kraken("SOL-USD", 2, weight=1),
    _kraken("MINA-GBP", 4, quiet_rate=0.03, spread_ticks=4),
)

FEED_VENUES = {
    "binance": "binance",
    "binance-us": "binance-us",
    "coinbase": "coinbase",
    "coinbase-advanced": "coinbase",
    "kraken": "kraken",
}
"""The venue that each feed shows; the two Coinbase feeds show the same trades."""
