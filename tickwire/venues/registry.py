"""The feeds by name, loaded when asked for so that importing Tickwire stays fast."""

from importlib import import_module

from tickwire.venues.feed import Feed

FEEDS = {
    "binance": "tickwire.venues.binance:BinanceFeed",
    "binance-us": "tickwire.venues.binance:BinanceUsFeed",
    "coinbase": "tickwire.venues.coinbase:CoinbaseFeed",
    "coinbase-advanced": "tickwire.venues.coinbase_advanced:CoinbaseAdvancedFeed",
    "kraken": "tickwire.venues.kraken:KrakenFeed",
}


def new_feed(name: str) -> Feed:
    """Give a fresh parser of the named feed, for one connection.

    Raises
    ------
    KeyError
        If there is no feed of that name; the message lists those that there are.
    """
    if name not in FEEDS:
        raise KeyError(f"no feed {name!r}; there are {', '.join(FEEDS)}")
    module, _, cls = FEEDS[name].partition(":")
    feed: Feed = getattr(import_module(module), cls)()
    return feed
