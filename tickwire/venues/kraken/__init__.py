"""Kraken Spot, WebSocket v2."""

from tickwire.venues.kraken.parse import KrakenFeed

__all__ = ["KrakenFeed"]
