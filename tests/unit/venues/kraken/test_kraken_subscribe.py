"""What is sent to Kraken, and when its connection counts as dead."""

import json

import pytest

from tickwire.errors import UnknownSymbol
from tickwire.venues.kraken.feed import KrakenFeed
from tickwire.venues.kraken.subscribe import resubscribe_book_frames


def test_subscribe_names_three_channels_in_krakens_symbols() -> None:
    assert [json.loads(frame) for frame in KrakenFeed().subscribe(["BTC-USD", "ETH-USD"])] == [
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": True},
            "req_id": 1,
        },
        {
            "method": "subscribe",
            "params": {
                "channel": "ticker",
                "symbol": ["BTC/USD", "ETH/USD"],
                "event_trigger": "bbo",
                "snapshot": True,
            },
            "req_id": 2,
        },
        {
            "method": "subscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD", "ETH/USD"], "depth": 10, "snapshot": True},
            "req_id": 3,
        },
    ]


def test_book_is_resubscribed_by_leaving_and_joining() -> None:
    leave, join = map(json.loads, resubscribe_book_frames("BTC/USD"))
    assert leave == {"method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}}
    assert join["params"] == {"channel": "book", "symbol": ["BTC/USD"], "depth": 10, "snapshot": True}


def test_connection_is_at_v2_and_pinged() -> None:
    feed = KrakenFeed()
    assert feed.default_url + feed.connect_path(["BTC-USD"]) == "wss://ws.kraken.com/v2"
    assert feed.liveness.ping_payload is not None
    assert json.loads(feed.liveness.ping_payload) == {"method": "ping"}
    # Heartbeats are a second apart, at most 1.2 s as recorded.
    assert feed.liveness.silence_seconds >= 5


def test_symbol_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(UnknownSymbol):
        KrakenFeed().subscribe(["BTC/USD"])
