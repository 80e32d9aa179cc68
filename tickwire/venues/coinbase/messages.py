"""Coinbase Exchange's messages, typed, and every field that each is known to have.

Source: Coinbase's Exchange WebSocket channels page, and captures of 2021 and 2026.
"""

import msgspec

from tickwire.columns import Side
from tickwire.venues.frames import Int64

# The wire names the side of the maker's order, on every Coinbase feed; docs: "sell" is an up-tick.
# In the captures of 2021 and 2026 the price moved the aggressor's way in 124 of 138 changes, and
# 98 of 107 trades lie nearer to the side of the quote that the aggressor took.
AGGRESSOR = {"buy": Side.SELL, "sell": Side.BUY, "BUY": Side.SELL, "SELL": Side.BUY}


class Match(msgspec.Struct, tag_field="type", tag="match", gc=False):
    """A trade; ``side`` is the maker's. ``sequence`` counts the full feed, so it is of no use here."""

    trade_id: Int64
    side: str
    size: str
    price: str
    product_id: str
    time: str


class LastMatch(Match, tag_field="type", tag="last_match", gc=False):
    """The last trade before the subscription, sent once a product."""


class Ticker(msgspec.Struct, tag_field="type", tag="ticker", gc=False):
    """The best bid and offer after a match. Sizes came in 2022; the first one may lack the time."""

    product_id: str
    best_bid: str | None = None
    best_ask: str | None = None
    best_bid_size: str | None = None
    best_ask_size: str | None = None
    time: str | None = None


class Beat(msgspec.Struct, tag_field="type", tag="heartbeat", gc=False):
    """Sent each second for each product."""

    product_id: str
    last_trade_id: Int64
    time: str


class Level2Update(msgspec.Struct, tag_field="type", tag="l2update", gc=False):
    """A change of the book: known so that it is passed over at the cost of a scan."""


class Snapshot(msgspec.Struct, tag_field="type", tag="snapshot", gc=False):
    """A whole book, of up to 5 MB: passed over in the same way."""


Message = Match | LastMatch | Ticker | Beat | Level2Update | Snapshot

DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
TYPES: dict[str, type[Message]] = {
    "match": Match,
    "last_match": LastMatch,
    "ticker": Ticker,
    "heartbeat": Beat,
    "l2update": Level2Update,
    "snapshot": Snapshot,
}
NAMES = {struct: name for name, struct in TYPES.items()}

_MATCH_FIELDS: dict[str, type] = dict.fromkeys(
    ("type", "maker_order_id", "taker_order_id", "side", "size", "price", "product_id", "time"), str
) | dict.fromkeys(("trade_id", "sequence"), int)
EXPECTED: dict[str, dict[str, type]] = {
    "match": _MATCH_FIELDS,
    "last_match": _MATCH_FIELDS,
    "heartbeat": dict.fromkeys(("type", "product_id", "time"), str) | dict.fromkeys(("last_trade_id", "sequence"), int),
    "ticker": dict.fromkeys(("type", "product_id", "price", "best_bid", "best_ask", "time", "side", "last_size"), str)
    | dict.fromkeys(("open_24h", "volume_24h", "low_24h", "high_24h", "volume_30d"), str)
    | dict.fromkeys(("best_bid_size", "best_ask_size"), str)
    | dict.fromkeys(("sequence", "trade_id"), int),
    "subscriptions": {"type": str, "channels": list},
}
# The first ticker after a subscription may lack the last trade's fields.
OPTIONAL = {
    "ticker": frozenset({"best_bid_size", "best_ask_size", "time", "side", "last_size", "trade_id"}),
    "subscriptions": frozenset({"account_ids"}),
}
