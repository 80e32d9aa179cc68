"""What a simulated market is, and the prices that all of them start from."""

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
