"""Kraken Spot, WebSocket v2."""

FEEDS = {"kraken": "tickwire.venues.kraken.feed:KrakenFeed"}
HISTORIES = {"kraken": "tickwire.venues.kraken.history:KrakenHistory"}
