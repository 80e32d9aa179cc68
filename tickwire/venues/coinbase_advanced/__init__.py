"""Coinbase Advanced Trade: the same trades as Coinbase Exchange, so it shares that one's history."""

FEEDS = {"coinbase-advanced": "tickwire.venues.coinbase_advanced.feed:CoinbaseAdvancedFeed"}
HISTORIES = {"coinbase-advanced": "tickwire.venues.coinbase.history:CoinbaseHistory"}
