"""The feeds and the markets that the exchange serves unless asked for more."""

from local.exchange.listings import listings
from local.exchange.market_spec import ASSET_USD, SIZE_PLACES, USD_PER_QUOTE, MarketSpec

__all__ = ["ASSET_USD", "FEED_VENUES", "MARKETS", "SIZE_PLACES", "USD_PER_QUOTE", "MarketSpec"]

_DEFAULT = [listing for listing in listings().values() if listing.is_default]

MARKETS = tuple(market for listing in _DEFAULT for market in listing.markets)

FEED_VENUES = {feed: venue for listing in _DEFAULT for feed, venue in listing.feeds.items()}
"""The venue that each feed shows; the two Coinbase feeds show the same trades."""
