"""Coinbase Exchange: the full-precision feed with one message a match."""

FEEDS = {"coinbase": "tickwire.venues.coinbase.feed:CoinbaseFeed"}
HISTORIES = {"coinbase": "tickwire.venues.coinbase.history:CoinbaseHistory"}
