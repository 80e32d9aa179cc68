"""The feeds by name."""

from collections.abc import Mapping

from local.exchange.catalogue import FEED_VENUES
from local.exchange.venues.binance import BinanceProtocol
from local.exchange.venues.coinbase import CoinbaseProtocol
from local.exchange.venues.coinbase_advanced import CoinbaseAdvancedProtocol
from local.exchange.venues.kraken import KrakenProtocol
from local.exchange.venues.protocol import Desk, FeedProtocol

_PROTOCOLS: Mapping[str, type[FeedProtocol]] = {
    "binance": BinanceProtocol,
    "binance-us": BinanceProtocol,
    "coinbase": CoinbaseProtocol,
    "coinbase-advanced": CoinbaseAdvancedProtocol,
    "kraken": KrakenProtocol,
}


def new_protocol(feed: str, desk: Desk) -> FeedProtocol:
    """Give the protocol of a feed, over what the desk shows.

    Raises
    ------
    KeyError
        If there is no such feed.
    """
    return _PROTOCOLS[feed](feed, FEED_VENUES[feed], desk)
