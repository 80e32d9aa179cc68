"""Kraken, the one with books."""

from local.exchange.listings import Listing
from local.exchange.market_spec import MarketSpec


def _market(symbol: str, price_places: int, **shape: float | int) -> MarketSpec:
    native = symbol.replace("-", "/")
    return MarketSpec(venue="kraken", symbol=symbol, native=native, price_places=price_places, has_book=True, **shape)  # type: ignore[arg-type]


LISTING = Listing(
    feeds={"kraken": "kraken"},
    markets=(
        _market("BTC-USD", 1, weight=3),
        _market("ETH-USD", 2, weight=2),
        _market("SOL-USD", 2, weight=1),
        _market("MINA-GBP", 4, quiet_rate=0.03, spread_ticks=4),
    ),
    protocols={"kraken": "local.exchange.venues.kraken:KrakenProtocol"},
    rest={"kraken": "local.exchange.rest.kraken:KrakenRest"},
    rest_root="0",
    is_default=True,
)
