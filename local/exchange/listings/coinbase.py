"""Coinbase, whose two feeds show the same trades."""

from local.exchange.listings import Listing
from local.exchange.market_spec import MarketSpec


def _market(symbol: str, weight: float) -> MarketSpec:
    return MarketSpec(venue="coinbase", symbol=symbol, native=symbol, price_places=2, weight=weight)


LISTING = Listing(
    feeds={"coinbase": "coinbase", "coinbase-advanced": "coinbase"},
    markets=(_market("BTC-USD", 8), _market("ETH-USD", 5), _market("SOL-USD", 3), _market("LTC-USD", 0.5)),
    protocols={
        "coinbase": "local.exchange.venues.coinbase:CoinbaseProtocol",
        "coinbase-advanced": "local.exchange.venues.coinbase_advanced:CoinbaseAdvancedProtocol",
    },
    rest={"coinbase": "local.exchange.rest.coinbase:CoinbaseRest"},
    rest_root="products",
    is_default=True,
)
