"""Coinbase Exchange: subscribe within 5 s, last_match and ticker on joining, match, heartbeat."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import msgspec

from local.exchange.catalogue import SIZE_PLACES, MarketSpec
from local.exchange.events import Event, Execution, Fill, QuoteChange
from local.exchange.texts import plain, rfc3339
from local.exchange.venues.protocol import (
    UNREADABLE,
    Desk,
    FeedProtocol,
    Outgoing,
    Recorded,
    Session,
    UnknownPath,
)
from tickwire.columns import Side
from tickwire.errors import UnknownSymbol, UnreadableTime
from tickwire.symbols import canonical_symbol
from tickwire.timestamps import parse_rfc3339

CHANNELS = ("matches", "ticker", "heartbeat")
_RECORDED_CHANNELS = ("level2", "level2_batch", "level2_50", "full", "ticker_batch", "status")
"""Channels that only a recording can fill."""

_CHANNEL_OF_TYPE = {
    "match": ("matches",),
    "last_match": ("matches",),
    "ticker": ("ticker",),
    "heartbeat": ("heartbeat",),
    "l2update": ("level2", "level2_batch", "level2_50"),
    "snapshot": ("level2", "level2_batch", "level2_50"),
}


def maker_side(aggressor: Side) -> str:
    """Coinbase names the side of the maker, the other one than the aggressor's."""
    return "sell" if aggressor is Side.BUY else "buy"


def match_body(spec: MarketSpec, fill: Fill, side: Side, time: int, *, kind: str = "match") -> bytes:
    """Give a ``match`` or ``last_match`` message; ``side`` is the aggressor's, ``time`` ns UTC."""
    return (
        f'{{"type":"{kind}","trade_id":{fill.trade_id},"maker_order_id":"{_order_id(fill.trade_id, 1)}",'
        f'"taker_order_id":"{_order_id(time, 2)}","side":"{maker_side(side)}",'
        f'"size":"{plain(fill.size, SIZE_PLACES)}","price":"{plain(fill.price, spec.price_places)}",'
        f'"product_id":"{spec.native}","sequence":{fill.sequence},"time":"{rfc3339(time)}"}}'
    ).encode()


def ticker_body(event: QuoteChange, fill: Fill, side: Side, time: int) -> bytes:
    """Give the ticker message that follows a trade."""
    spec, session = event.market, event.session
    places = spec.price_places
    price = plain(fill.price, places)
    return (
        f'{{"type":"ticker","sequence":{event.sequence},"product_id":"{spec.native}","price":"{price}",'
        f'"open_24h":"{plain(session.open, places)}","volume_24h":"{plain(session.volume, SIZE_PLACES)}",'
        f'"low_24h":"{plain(session.low, places)}","high_24h":"{plain(session.high, places)}",'
        f'"volume_30d":"{plain(session.volume * 30, SIZE_PLACES)}",'
        f'"best_bid":"{plain(event.bid, places)}","best_bid_size":"{plain(event.bid_size, SIZE_PLACES)}",'
        f'"best_ask":"{plain(event.ask, places)}","best_ask_size":"{plain(event.ask_size, SIZE_PLACES)}",'
        f'"side":"{maker_side(side)}","time":"{rfc3339(time)}","trade_id":{fill.trade_id},'
        f'"last_size":"{plain(fill.size, SIZE_PLACES)}"}}'
    ).encode()


class CoinbaseSession(Session):
    """One connection; it is cut where it has not subscribed in time."""

    deadline_seconds: ClassVar[float | None] = 5.0

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._channels: dict[str, list[str]] = {}

    def receive(self, text: str, now: int) -> list[Outgoing]:
        try:
            message = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            return [_error("Malformed JSON", None)]
        kind = message.get("type")
        if kind not in ("subscribe", "unsubscribe"):
            return [_error("Type has to be either subscribe or unsubscribe", None)]
        try:
            wanted = self._wanted(message)
        except _Refused as refusal:
            return [_error(f"Failed to {kind}", str(refusal))]
        joined = []
        for channel, products in wanted:
            listed = self._channels.setdefault(channel, [])
            for product in products:
                if kind == "unsubscribe":
                    if product in listed:
                        listed.remove(product)
                    self.topics.discard(f"{channel}:{product}")
                elif product not in listed:
                    listed.append(product)
                    self.topics.add(f"{channel}:{product}")
                    joined.append((channel, product))
            if not listed:
                del self._channels[channel]
        return [self._ack(), *(frame for pair in joined for frame in self._first(*pair))]

    def _wanted(self, message: dict[str, Any]) -> list[tuple[str, list[str]]]:
        """Read the two ways of naming products: for all channels, or in a channel's own object."""
        common = message.get("product_ids", [])
        channels = message.get("channels", [])
        if not isinstance(channels, list) or not channels:
            raise _Refused("channels must be a non-empty array")
        known = CHANNELS + _RECORDED_CHANNELS if self.desk.is_recorded else CHANNELS
        wanted = []
        for entry in channels:
            name = entry.get("name") if isinstance(entry, dict) else entry
            products = entry.get("product_ids", common) if isinstance(entry, dict) else common
            if name not in known:
                raise _Refused(f"{name} is not a valid channel")
            if not isinstance(products, list) or not products:
                raise _Refused("product_ids must be a non-empty array")
            listed = [f"{product}" for product in products]
            unknown = [product for product in listed if product not in self.desk.markets]
            if unknown:
                raise _Refused(f"{unknown[0]} is not a valid product")
            wanted.append((f"{name}", listed))
        return wanted

    def _ack(self) -> Outgoing:
        channels = [
            {"name": name, "product_ids": products, "account_ids": None} for name, products in self._channels.items()
        ]
        return Outgoing(msgspec.json.encode({"type": "subscriptions", "channels": channels}))

    def _first(self, channel: str, product: str) -> list[Outgoing]:
        market = self.desk.markets[product]
        if market is None or not market.recent:
            return []
        fill, side, time = market.recent[-1]
        if channel == "matches":
            ids = ((product, fill.trade_id, fill.trade_id),)
            return [Outgoing(match_body(market.spec, fill, side, time, kind="last_match"), (), ids)]
        if channel == "ticker":
            return [Outgoing(ticker_body(market.quote, fill, side, time))]
        return []


class CoinbaseProtocol(FeedProtocol):
    """Feed ``coinbase``."""

    def open(self, path: str, query: Mapping[str, str]) -> Session:
        if path.strip("/"):
            raise UnknownPath(path)
        return CoinbaseSession(self.desk)

    def encode(self, event: Event, interest: AbstractSet[str]) -> Iterable[Outgoing]:
        product = event.market.native
        if isinstance(event, Execution):
            topic = f"matches:{product}"
            if topic in interest:
                for fill in event.fills:
                    ids = ((event.market.symbol, fill.trade_id, fill.trade_id),)
                    yield Outgoing(match_body(event.market, fill, event.side, event.time), (topic,), ids)
        elif isinstance(event, QuoteChange) and event.cause is not None:
            topic = f"ticker:{product}"
            if topic in interest:
                cause = event.cause
                yield Outgoing(ticker_body(event, cause.fills[-1], cause.side, cause.time), (topic,))

    def beat(self, now: int, interest: AbstractSet[str]) -> list[Outgoing]:
        if not self.desk.beats_itself(now):
            return []
        second = rfc3339(now // 1_000_000_000 * 1_000_000_000)
        beats = []
        for symbol, market in self.desk.markets.items():
            topic = f"heartbeat:{symbol}"
            if topic in interest:
                sequence = 0 if market is None else market.sequence
                body = (
                    f'{{"type":"heartbeat","last_trade_id":{self.desk.last_trade_id(symbol)},'
                    f'"product_id":"{symbol}","sequence":{sequence},"time":"{second}"}}'
                )
                beats.append(Outgoing(body.encode(), (topic,)))
        return beats

    def describe(self, frame: bytes) -> Recorded | None:
        try:
            message = _decode(frame)
            if message.type in ("subscriptions", "error"):
                return None
            if message.product_id is None:
                return UNREADABLE
            symbol = canonical_symbol(message.product_id)
            # A last_match is older than the capture: its time would make the replay wait.
            time = None if message.time is None or message.type == "last_match" else parse_rfc3339(message.time)
        except (msgspec.DecodeError, UnknownSymbol):
            return UNREADABLE
        except UnreadableTime:
            time = None
        channels = _CHANNEL_OF_TYPE.get(message.type)
        topics = UNREADABLE.topics if channels is None else tuple(f"{name}:{message.product_id}" for name in channels)
        is_trade = message.type in ("match", "last_match") and message.trade_id is not None
        trades = ((symbol, message.trade_id, message.trade_id),) if is_trade and message.trade_id is not None else ()
        return Recorded(topics, trades, time, (symbol,), beat=message.type == "heartbeat")


class _Message(msgspec.Struct):
    type: str
    product_id: str | None = None
    trade_id: int | None = None
    time: str | None = None


_decode = msgspec.json.Decoder(_Message).decode


class _Refused(ValueError):
    """A subscription that the venue does not accept, and why."""


def _error(message: str, reason: str | None) -> Outgoing:
    body = {"type": "error", "message": message}
    return Outgoing(msgspec.json.encode(body if reason is None else {**body, "reason": reason}))


def _order_id(number: int, salt: int) -> str:
    """Make an order id that looks like a UUID and is the same for the same order."""
    digits = f"{(number * 2 + salt) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
