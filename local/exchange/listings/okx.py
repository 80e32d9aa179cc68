"""OKX, which is served when asked for."""

from local.exchange.listings import Listing
from local.exchange.market_spec import MarketSpec


def _market(symbol: str, price_places: int, **shape: float) -> MarketSpec:
    return MarketSpec(venue="okx", symbol=symbol, native=symbol, price_places=price_places, **shape)  # type: ignore[arg-type]


LISTING = Listing(
    feeds={"okx": "okx"},
    markets=(
        _market("BTC-USDT", 1, weight=10),
        _market("ETH-USDT", 2, weight=7),
        _market("SOL-USDT", 2, weight=3),
        _market("ATOM-USDT", 3, quiet_rate=0.1),
    ),
    protocols={"okx": "local.exchange.venues.okx:OkxProtocol"},
    rest={"okx": "local.exchange.rest.okx:OkxRest"},
    rest_root="api",
)
