"""Binance and Binance.US, which speak alike."""

from local.exchange.listings import Listing
from local.exchange.market_spec import MarketSpec

_PROTOCOL = "local.exchange.venues.binance:BinanceProtocol"
_REST = "local.exchange.rest.binance:BinanceRest"


def _market(venue: str, symbol: str, price_places: int, lot: int, **shape: float | int) -> MarketSpec:
    native = symbol.replace("-", "")
    return MarketSpec(venue=venue, symbol=symbol, native=native, price_places=price_places, lot=lot, **shape)  # type: ignore[arg-type]


LISTING = Listing(
    feeds={"binance": "binance", "binance-us": "binance-us"},
    markets=(
        _market("binance", "BTC-USDT", 2, 1_000, weight=30),
        _market("binance", "ETH-USDT", 2, 10_000, weight=22),
        _market("binance", "SOL-USDT", 2, 100_000, weight=12),
        _market("binance", "XRP-USDT", 4, 10_000_000, weight=8),
        _market("binance", "DOGE-USDT", 5, 100_000_000, weight=6),
        _market("binance", "ATOM-EUR", 3, 1_000_000, quiet_rate=0.1, spread_ticks=3),
        _market("binance-us", "BTC-USDT", 2, 1_000, quiet_rate=0.5, spread_ticks=40),
        _market("binance-us", "ETH-USDT", 2, 10_000, quiet_rate=0.3, spread_ticks=8),
    ),
    protocols={"binance": _PROTOCOL, "binance-us": _PROTOCOL},
    rest={"binance": _REST, "binance-us": _REST},
    rest_root="api",
    is_default=True,
)
