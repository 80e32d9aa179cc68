"""Coinbase Advanced Trade: one channel a subscribe message, snapshots newest first, sequence_num per connection."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import msgspec

from local.exchange.catalogue import SIZE_PLACES, MarketSpec
from local.exchange.events import Event, Execution, Fill, QuoteChange
from local.exchange.market import Market
from local.exchange.texts import plain, rfc3339_stripped
from local.exchange.venues.coinbase import maker_side
from local.exchange.venues.protocol import (
    EVERYONE,
    UNREADABLE,
    Desk,
    FeedProtocol,
    Outgoing,
    Recorded,
    Session,
    TradeRange,
    UnknownPath,
)
from tickwire.columns import Side
from tickwire.errors import UnknownSymbol, UnreadableTime
from tickwire.symbols import canonical_symbol
from tickwire.timestamps import format_rfc3339, parse_rfc3339

HEARTBEATS = "heartbeats"
_CHANNELS = ("market_trades", "ticker", HEARTBEATS)
_RECORDED_CHANNELS = ("level2", "ticker_batch", "candles", "status")
_REQUEST_NAME = {"l2_data": "level2"}
"""Channels whose messages bear another name than the request for them."""


def trade_object(spec: MarketSpec, fill: Fill, side: Side, time: int) -> str:
    """Give one trade of ``market_trades``; ``side`` is the aggressor's and is written as the maker's."""
    return (
        f'{{"product_id":"{spec.native}","trade_id":"{fill.trade_id}","price":"{plain(fill.price, spec.price_places)}",'
        f'"size":"{plain(fill.size, SIZE_PLACES)}","time":"{rfc3339_stripped(time)}",'
        f'"side":"{maker_side(side).upper()}"}}'
    )


def ticker_object(quote: QuoteChange) -> str:
    """Give one ticker of a ``ticker`` event."""
    spec, session = quote.market, quote.session
    places = spec.price_places
    price = session.open if quote.last is None else quote.last.price
    change = 100.0 * (price - session.open) / session.open
    return (
        f'{{"type":"ticker","product_id":"{spec.native}","price":"{plain(price, places)}",'
        f'"volume_24_h":"{plain(session.volume, SIZE_PLACES)}","low_24_h":"{plain(session.low, places)}",'
        f'"high_24_h":"{plain(session.high, places)}","low_52_w":"{plain(session.low, places)}",'
        f'"high_52_w":"{plain(session.high, places)}","price_percent_chg_24_h":"{change:.14f}",'
        f'"best_bid":"{plain(quote.bid, places)}","best_ask":"{plain(quote.ask, places)}",'
        f'"best_bid_quantity":"{plain(quote.bid_size, SIZE_PLACES)}",'
        f'"best_ask_quantity":"{plain(quote.ask_size, SIZE_PLACES)}"}}'
    )


def envelope(channel: str, time: int, events: str) -> tuple[bytes, bytes]:
    """Give a message in two parts, between which a connection puts its ``sequence_num``."""
    head = f'{{"channel":"{channel}","timestamp":"{rfc3339_stripped(time)}","sequence_num":'
    return head.encode(), f',"events":[{events}]}}'.encode()


class CoinbaseAdvancedSession(Session):
    """One connection; its ``sequence_num`` runs from 0 over all channels and products together."""

    deadline_seconds: ClassVar[float | None] = 5.0

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._subscriptions: dict[str, list[str]] = {}
        self._sequence = 0

    def receive(self, text: str, now: int) -> list[Outgoing]:
        try:
            message = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            return [_error("failed to parse message")]
        kind, channel, products = message.get("type"), f"{message.get('channel')}", message.get("product_ids", [])
        if kind not in ("subscribe", "unsubscribe"):
            return [_error("type must be subscribe or unsubscribe")]
        if channel not in (_CHANNELS + _RECORDED_CHANNELS if self.desk.is_recorded else _CHANNELS):
            return [_error(f"channel {channel} is not supported")]
        if channel == HEARTBEATS:
            products = [HEARTBEATS]
        elif not isinstance(products, list) or not products:
            return [_error("product_ids must not be empty")]
        else:
            # -USDC products stream as -USD.
            products = [f"{product}".replace("-USDC", "-USD") for product in products]
            unknown = [product for product in products if product not in self.desk.markets]
            if unknown:
                return [_error(f"product {unknown[0]} is not supported")]
        answers = list(self._apply(kind, channel, products, now))
        subscriptions = msgspec.json.encode({"subscriptions": self._subscriptions}).decode()
        head, tail = envelope("subscriptions", now, subscriptions)
        return [*answers, Outgoing(head, tail=tail)]

    def _apply(self, kind: str, channel: str, products: list[str], now: int) -> Iterator[Outgoing]:
        listed = self._subscriptions.setdefault(channel, [])
        for product in products:
            if kind == "unsubscribe":
                if product in listed:
                    listed.remove(product)
                self.topics.discard(f"{channel}:{product}")
            elif product not in listed:
                listed.append(product)
                self.topics.add(f"{channel}:{product}")
                market = self.desk.markets.get(product)
                if market is not None:
                    yield from _snapshot(channel, market, now)
        if not listed:
            del self._subscriptions[channel]

    def render(self, outgoing: Outgoing) -> bytes:
        if outgoing.tail is None:
            return outgoing.body
        frame = b"%b%d%b" % (outgoing.body, self._sequence, outgoing.tail)
        self._sequence += 1
        return frame


class CoinbaseAdvancedProtocol(FeedProtocol):
    """Feed ``coinbase-advanced``."""

    _beats = 0

    def open(self, path: str, query: Mapping[str, str]) -> Session:
        if path.strip("/"):
            raise UnknownPath(path)
        return CoinbaseAdvancedSession(self.desk)

    def encode(self, event: Event, interest: AbstractSet[str]) -> Iterable[Outgoing]:
        product = event.market.native
        if isinstance(event, Execution):
            topic = f"market_trades:{product}"
            if topic in interest:
                trades = ",".join(trade_object(event.market, fill, event.side, event.time) for fill in event.fills)
                head, tail = envelope("market_trades", event.time, f'{{"type":"update","trades":[{trades}]}}')
                ids = ((event.market.symbol, event.fills[0].trade_id, event.fills[-1].trade_id),)
                yield Outgoing(head, (topic,), ids, tail=tail)
        elif isinstance(event, QuoteChange):
            topic = f"ticker:{product}"
            if topic in interest:
                head, tail = envelope("ticker", event.time, f'{{"type":"update","tickers":[{ticker_object(event)}]}}')
                yield Outgoing(head, (topic,), tail=tail)

    def beat(self, now: int, interest: AbstractSet[str]) -> list[Outgoing]:
        if not self.desk.beats_itself(now):
            return []
        self._beats += 1
        date, _, clock = format_rfc3339(now).rstrip("Z").partition("T")
        event = (
            f'{{"current_time":"{date} {clock} +0000 UTC m=+{self._beats}.{now % 1_000_000_000:09d}",'
            f'"heartbeat_counter":{self._beats}}}'
        )
        head, tail = envelope(HEARTBEATS, now, event)
        return [Outgoing(head, (f"{HEARTBEATS}:{HEARTBEATS}",), tail=tail)]

    def describe(self, frame: bytes) -> Recorded | None:
        try:
            message = _decode(frame)
            time = None if message.timestamp is None else parse_rfc3339(message.timestamp)
            if message.channel is None or message.channel == "subscriptions":
                return None if message.channel or message.type == "error" else UNREADABLE
            if message.channel == HEARTBEATS:
                return Recorded((f"{HEARTBEATS}:{HEARTBEATS}",), time=time, beat=True)
            named = {name for event in message.events for name in event.products()}
            symbols = {product: canonical_symbol(product) for product in sorted(named)}
            rows = [trade for event in message.events for trade in event.trades]
            trades = id_ranges((symbols[row.product_id], int(row.trade_id)) for row in rows)
        except (msgspec.DecodeError, UnknownSymbol, UnreadableTime, ValueError):
            return UNREADABLE
        channel = _REQUEST_NAME.get(message.channel, message.channel)
        topics = tuple(f"{channel}:{product}" for product in symbols) or (EVERYONE,)
        return Recorded(topics, trades, time, tuple(symbols.values()))


def id_ranges(rows: Iterable[tuple[str, int]]) -> tuple[TradeRange, ...]:
    """Join (symbol, id) rows in any order into ranges of contiguous ids."""
    ranges: list[TradeRange] = []
    for symbol, trade_id in sorted(set(rows)):
        if ranges and ranges[-1][0] == symbol and ranges[-1][2] == trade_id - 1:
            ranges[-1] = (symbol, ranges[-1][1], trade_id)
        else:
            ranges.append((symbol, trade_id, trade_id))
    return tuple(ranges)


class _Trade(msgspec.Struct):
    product_id: str
    trade_id: str


class _Ticker(msgspec.Struct):
    product_id: str


class _Event(msgspec.Struct):
    trades: list[_Trade] = []
    tickers: list[_Ticker] = []
    product_id: str | None = None

    def products(self) -> Iterator[str]:
        yield from (trade.product_id for trade in self.trades)
        yield from (ticker.product_id for ticker in self.tickers)
        if self.product_id is not None:
            yield self.product_id


class _Message(msgspec.Struct):
    channel: str | None = None
    type: str | None = None
    timestamp: str | None = None
    events: list[_Event] = []


_decode = msgspec.json.Decoder(_Message).decode


def _snapshot(channel: str, market: Market, now: int) -> Iterator[Outgoing]:
    if channel == "market_trades" and market.recent:
        rows = ",".join(trade_object(market.spec, *row) for row in reversed(market.recent))
        head, tail = envelope(channel, now, f'{{"type":"snapshot","trades":[{rows}]}}')
        ids = ((market.spec.symbol, market.recent[0][0].trade_id, market.recent[-1][0].trade_id),)
        yield Outgoing(head, (), ids, tail=tail)
    elif channel == "ticker":
        head, tail = envelope(channel, now, f'{{"type":"snapshot","tickers":[{ticker_object(market.quote)}]}}')
        yield Outgoing(head, tail=tail)


def _error(message: str) -> Outgoing:
    return Outgoing(msgspec.json.encode({"type": "error", "message": message}))
