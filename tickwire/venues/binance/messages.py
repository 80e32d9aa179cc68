"""Binance Spot's messages, typed, and every field that each is known to have.

Source: Binance's web-socket-streams page, and captures of 2021, 2024 and 2026.
"""

import msgspec

from tickwire.venues.frames import Int64


class Trade(msgspec.Struct, tag_field="e", tag="trade", gc=False):
    """One match of two orders; the ids are dense per symbol."""

    symbol: str = msgspec.field(name="s")
    trade_id: Int64 = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    time: Int64 = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class AggregateTrade(msgspec.Struct, tag_field="e", tag="aggTrade", gc=False):
    """The trades ``first`` to ``last`` of one taker order at one price; its ids are a space of their own."""

    symbol: str = msgspec.field(name="s")
    aggregate_id: Int64 = msgspec.field(name="a")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    time: Int64 = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class DepthUpdate(msgspec.Struct, tag_field="e", tag="depthUpdate", gc=False):
    """A change of the book: known so that it is passed over at the cost of a scan."""


class Kline(msgspec.Struct, tag_field="e", tag="kline", gc=False):
    """A candle in the making: passed over, bars are made from trades."""


class BookTicker(msgspec.Struct, gc=False):
    """The best bid and offer after book update ``update_id``; spot sends neither type nor time."""

    update_id: Int64 = msgspec.field(name="u")
    symbol: str = msgspec.field(name="s")
    bid_price: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")
    ask_price: str = msgspec.field(name="a")
    ask_size: str = msgspec.field(name="A")


Event = Trade | AggregateTrade | DepthUpdate | Kline


class CombinedEvent(msgspec.Struct, gc=False):
    stream: str
    data: Event


class CombinedBookTicker(msgspec.Struct, gc=False):
    stream: str
    data: BookTicker


EVENT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
BOOK_TICKER = msgspec.json.Decoder(BookTicker)
COMBINED_EVENT = msgspec.json.Decoder(CombinedEvent)
COMBINED_BOOK_TICKER = msgspec.json.Decoder(CombinedBookTicker)

TYPES: dict[str, type[Trade | AggregateTrade | DepthUpdate | Kline | BookTicker]] = {
    "trade": Trade,
    "aggTrade": AggregateTrade,
    "depthUpdate": DepthUpdate,
    "kline": Kline,
    "bookTicker": BookTicker,
}
NAMES = {struct: name for name, struct in TYPES.items()}

EXPECTED: dict[str, dict[str, type]] = {
    "trade": {
        **dict.fromkeys(("e", "s", "p", "q"), str),
        **dict.fromkeys(("E", "t", "T"), int),
        **dict.fromkeys(("m", "M"), bool),
    },
    "aggTrade": {
        **dict.fromkeys(("e", "s", "p", "q"), str),
        **dict.fromkeys(("E", "a", "f", "l", "T"), int),
        **dict.fromkeys(("m", "M"), bool),
    },
    "bookTicker": {"u": int, "s": str, "b": str, "B": str, "a": str, "A": str},
}
# The order ids of buyer and seller: in captures of 2019, gone from those of 2024 and 2026.
OPTIONAL = {"trade": frozenset({"b", "a"})}

BOOK_TICKER_KEYS = EXPECTED["bookTicker"].keys()
