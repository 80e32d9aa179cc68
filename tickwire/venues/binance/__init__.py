"""Binance Spot and Binance.US, over the JSON market streams."""

FEEDS = {
    "binance": "tickwire.venues.binance.feed:BinanceFeed",
    "binance-us": "tickwire.venues.binance.feed:BinanceUsFeed",
}
HISTORIES = {
    "binance": "tickwire.venues.binance.history:BinanceHistory",
    "binance-us": "tickwire.venues.binance.history:BinanceUsHistory",
}
