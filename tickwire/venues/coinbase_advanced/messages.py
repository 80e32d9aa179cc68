"""Coinbase Advanced Trade's messages, typed, and every field that each is known to have.

Source: Coinbase's Advanced Trade WebSocket channels page, and live frames of June to September 2026.
"""

import msgspec

from tickwire.venues.drift import JsonTypes
from tickwire.venues.frames import Int64


class TradeRow(msgspec.Struct, gc=False):
    """A trade; ``trade_id`` is text, ``side`` the maker's, and trailing zeros are stripped throughout."""

    product_id: str
    trade_id: str
    price: str
    size: str
    time: str
    side: str


class TradesEvent(msgspec.Struct):
    """A snapshot of about 100 recent trades, newest first, or an update of any number."""

    type: str
    trades: list[TradeRow]


class MarketTrades(msgspec.Struct, tag_field="channel", tag="market_trades"):
    sequence_num: Int64
    events: list[TradesEvent]


class TickerRow(msgspec.Struct, gc=False):
    """The best bid and offer after a match."""

    product_id: str
    best_bid: str | None = None
    best_bid_quantity: str | None = None
    best_ask: str | None = None
    best_ask_quantity: str | None = None


class TickersEvent(msgspec.Struct):
    type: str
    tickers: list[TickerRow]


class Tickers(msgspec.Struct, tag_field="channel", tag="ticker"):
    timestamp: str
    sequence_num: Int64
    events: list[TickersEvent]


class Heartbeats(msgspec.Struct, tag_field="channel", tag="heartbeats", gc=False):
    """Sent each second; it names no trade."""

    sequence_num: Int64


class Level2(msgspec.Struct, tag_field="channel", tag="l2_data", gc=False):
    """The book: passed over, but it takes part in the connection's sequence."""

    sequence_num: Int64


Message = MarketTrades | Tickers | Heartbeats | Level2
DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
NAMES: dict[type, str] = {
    MarketTrades: "market_trades",
    Tickers: "ticker",
    Heartbeats: "heartbeats",
    Level2: "l2_data",
}
ROWS = {"market_trades": "trades", "ticker": "tickers"}
"""Where each channel's events keep their rows."""

_ENVELOPE: dict[str, JsonTypes] = {"channel": str, "timestamp": str, "sequence_num": int, "events": list}
EXPECTED: dict[str, dict[str, JsonTypes]] = {
    "market_trades": _ENVELOPE,
    "market_trades.event": {"type": str, "trades": list},
    "market_trades.trade": dict.fromkeys(("product_id", "trade_id", "price", "size", "time", "side"), str),
    "ticker": _ENVELOPE,
    "ticker.event": {"type": str, "tickers": list},
    "ticker.ticker": dict.fromkeys(
        "type product_id price volume_24_h low_24_h high_24_h low_52_w high_52_w price_percent_chg_24_h"
        " best_bid best_ask best_bid_quantity best_ask_quantity".split(),
        str,
    ),
    "heartbeats": _ENVELOPE,
    "heartbeats.event": {"current_time": str, "heartbeat_counter": (int, str)},
    "subscriptions": _ENVELOPE,
    "subscriptions.event": {"subscriptions": dict},
}
# In the documents and in old captures, absent from live market data of 2026.
OPTIONAL = {name: frozenset({"client_id"}) for name in ("market_trades", "ticker", "heartbeats", "subscriptions")}
