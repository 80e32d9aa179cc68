"""Kraken v2: status on connecting, one ack a symbol, snapshots, book-10 with CRC32, heartbeats, ping and pong."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import count
from typing import Any
from zlib import crc32

import msgspec

from local.exchange.book import DEPTH
from local.exchange.catalogue import SIZE_PLACES, MarketSpec
from local.exchange.events import Event, Execution, Fill, Levels, QuoteChange
from local.exchange.market import Market
from local.exchange.texts import rfc3339
from local.exchange.venues.coinbase_advanced import id_ranges
from local.exchange.venues.protocol import (
    EVERYONE,
    UNREADABLE,
    FeedProtocol,
    Outgoing,
    Recorded,
    Session,
    UnknownPath,
)
from tickwire.columns import Side
from tickwire.decimals import format_fixed
from tickwire.errors import UnknownSymbol, UnreadableTime
from tickwire.symbols import canonical_symbol
from tickwire.timestamps import parse_rfc3339

SNAPSHOT_TRADES = 50
_CHANNELS = ("trade", "ticker", "book")
_FIRST_CONNECTION_ID = 9_495_665_260_460_728_638
"""Real connection ids pass both 2**53 and int64."""
_connection_ids = count(_FIRST_CONNECTION_ID)


def trade_row(spec: MarketSpec, fill: Fill, side: Side, time: int) -> str:
    """Give one trade of the ``trade`` channel; ``side`` is the aggressor's and is written as it is."""
    return (
        f'{{"symbol":"{spec.native}","side":"{"buy" if side is Side.BUY else "sell"}",'
        f'"price":{format_fixed(fill.price, spec.price_places)},"qty":{format_fixed(fill.size, SIZE_PLACES)},'
        f'"ord_type":"{"limit" if fill.sequence % 3 else "market"}","trade_id":{fill.trade_id},'
        f'"timestamp":"{rfc3339(time)}"}}'
    )


def ticker_row(quote: QuoteChange) -> str:
    """Give one row of the ``ticker`` channel."""
    spec, session = quote.market, quote.session
    places = spec.price_places
    last = session.open if quote.last is None else quote.last.price
    average = session.notional // session.volume if session.volume else last
    return (
        f'{{"symbol":"{spec.native}","bid":{format_fixed(quote.bid, places)},'
        f'"bid_qty":{format_fixed(quote.bid_size, SIZE_PLACES)},"ask":{format_fixed(quote.ask, places)},'
        f'"ask_qty":{format_fixed(quote.ask_size, SIZE_PLACES)},"last":{format_fixed(last, places)},'
        f'"volume":{format_fixed(session.volume, SIZE_PLACES)},"vwap":{format_fixed(average, places)},'
        f'"low":{format_fixed(session.low, places)},"high":{format_fixed(session.high, places)},'
        f'"change":{format_fixed(last - session.open, places)},'
        f'"change_pct":{100.0 * (last - session.open) / session.open:.2f},"timestamp":"{rfc3339(quote.time)}"}}'
    )


def checksum(bids: Levels, asks: Levels) -> int:
    """Give Kraken's CRC32 of the ten best levels: asks from the lowest, then bids from the highest.

    Each level is its price and its size as written with the pair's fixed places, without the point
    and without leading zeros.
    """
    # Without point and leading zeros, a fixed-point text is the integer itself.
    text = "".join(f"{price}{size}" for price, size in (*asks[:DEPTH], *bids[:DEPTH]))
    return crc32(text.encode())


def book_row(spec: MarketSpec, bids: Levels, asks: Levels, *, crc: int, time: int | None) -> str:
    """Give one row of the ``book`` channel; a snapshot bears no time."""
    stamp = "" if time is None else f',"timestamp":"{rfc3339(time)}"'
    return (
        f'{{"symbol":"{spec.native}","bids":[{_levels(spec, bids)}],"asks":[{_levels(spec, asks)}],'
        f'"checksum":{crc}{stamp}}}'
    )


def status_body(system: str) -> bytes:
    """Give a ``status`` message; ``system`` is ``online`` or ``maintenance``."""
    status = {
        "version": "2.0.10",
        "system": system,
        "api_version": "v2",
        "connection_id": next(_connection_ids),
        "upcoming_maintenance": [],
        "emergency": [],
    }
    return msgspec.json.encode({"channel": "status", "type": "update", "data": [status]})


class KrakenSession(Session):
    """One connection to ``/v2``."""

    def greeting(self, now: int) -> list[Outgoing]:
        return [Outgoing(status_body(self.desk.system))]

    def receive(self, text: str, now: int) -> list[Outgoing]:
        try:
            message = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            return [_answer({"error": "Malformed request", "success": False}, {}, now)]
        method, params = message.get("method"), message.get("params", {})
        if method == "ping":
            return [_answer({"method": "pong"}, message, now)]
        if method not in ("subscribe", "unsubscribe") or not isinstance(params, dict):
            return [_answer({"error": "Unsupported method", "method": method, "success": False}, message, now)]
        symbols = params.get("symbol")
        channel = params.get("channel")
        problem = None
        if channel not in _CHANNELS:
            problem = f"Channel {channel} not supported"
        elif not isinstance(symbols, list) or not symbols:
            problem = "Symbol(s) missing"
        elif channel == "book" and params.get("depth", DEPTH) != DEPTH:
            problem = "Subscription depth not supported"
        elif params.get("event_trigger", "trades") not in ("trades", "bbo"):
            problem = "Event trigger not supported"
        if problem is not None or not isinstance(symbols, list):
            return [_answer({"error": problem, "method": method, "success": False}, message, now)]
        # All acks come before the first snapshot.
        acks, snapshots = [], []
        for symbol in symbols:
            ack, first = self._apply(method, f"{symbol}", params)
            acks.append(_answer(ack, message, now))
            snapshots += first
        return acks + snapshots

    def _apply(self, method: str, symbol: str, params: dict[str, Any]) -> tuple[dict[str, Any], list[Outgoing]]:
        channel = params["channel"]
        topic = _topic(channel, symbol, params.get("event_trigger", "trades"))
        canonical = _canonical(symbol)
        failure = {"error": "", "method": method, "success": False, "symbol": symbol}
        if canonical not in self.desk.markets:
            return {**failure, "error": f"Currency pair not supported {symbol}"}, []
        if method == "unsubscribe":
            if topic not in self.topics:
                return {**failure, "error": "Subscription Not Found"}, []
            self.topics.discard(topic)
            return _success(method, {"channel": channel, "symbol": symbol}), []
        if topic in self.topics:
            return {**failure, "error": "Already subscribed"}, []
        self.topics.add(topic)
        wants_snapshot = params.get("snapshot", channel != "trade") is True
        result: dict[str, Any] = {"channel": channel}
        if channel == "book":
            result["depth"] = DEPTH
        elif channel == "ticker":
            result["event_trigger"] = params.get("event_trigger", "trades")
        ack = _success(method, {**result, "snapshot": wants_snapshot, "symbol": symbol})
        market = self.desk.markets[canonical]
        return ack, list(_snapshot(channel, market)) if wants_snapshot and market is not None else []


class KrakenProtocol(FeedProtocol):
    """Feed ``kraken``."""

    def open(self, path: str, query: Mapping[str, str]) -> Session:
        if path.strip("/") != "v2":
            raise UnknownPath(path)
        return KrakenSession(self.desk)

    def encode(self, event: Event, interest: AbstractSet[str]) -> Iterable[Outgoing]:
        spec = event.market
        if isinstance(event, Execution):
            topic = _topic("trade", spec.native)
            if topic in interest:
                rows = ",".join(trade_row(spec, fill, event.side, event.time) for fill in event.fills)
                ids = ((spec.symbol, event.fills[0].trade_id, event.fills[-1].trade_id),)
                yield Outgoing(_message("trade", "update", rows), (topic,), ids)
        elif isinstance(event, QuoteChange):
            topics = [_topic("ticker", spec.native, "bbo")]
            if event.cause is not None:
                topics.append(_topic("ticker", spec.native))
            if not interest.isdisjoint(topics):
                yield Outgoing(_message("ticker", "update", ticker_row(event)), tuple(topics))
        else:
            topic = _topic("book", spec.native)
            if topic in interest and (event.bids or event.asks):
                crc = checksum(event.top_bids, event.top_asks)
                row = book_row(spec, event.bids, event.asks, crc=crc, time=event.time)
                yield Outgoing(_message("book", "update", row), (topic,))

    def beat(self, now: int, interest: AbstractSet[str]) -> list[Outgoing]:
        return [Outgoing(b'{"channel":"heartbeat"}', (EVERYONE,))] if self.desk.beats_itself(now) else []

    def describe(self, frame: bytes) -> Recorded | None:
        try:
            message = _decode(frame)
            if message.channel is None or message.channel == "status":
                return None if message.channel or message.method else UNREADABLE
            if message.channel == "heartbeat":
                return Recorded((EVERYONE,), beat=True)
            symbols = {row.symbol: canonical_symbol(row.symbol) for row in message.data if row.symbol is not None}
            rows = [row for row in message.data if row.trade_id is not None] if message.channel == "trade" else []
            trades = id_ranges((symbols[row.symbol or ""], row.trade_id or 0) for row in rows)
            times = [parse_rfc3339(row.timestamp) for row in message.data if row.timestamp is not None]
        except (msgspec.DecodeError, UnknownSymbol, UnreadableTime, KeyError):
            return UNREADABLE
        triggers = ("trades", "bbo") if message.channel == "ticker" else ("trades",)
        topics = tuple(_topic(message.channel, symbol, trigger) for symbol in symbols for trigger in triggers)
        # A snapshot's trades are older than the capture: their times would make the replay wait.
        time = max(times) if times and message.type != "snapshot" else None
        return Recorded(topics or (EVERYONE,), trades, time, tuple(symbols.values()))


class _Row(msgspec.Struct):
    symbol: str | None = None
    trade_id: int | None = None
    timestamp: str | None = None


class _Message(msgspec.Struct):
    channel: str | None = None
    method: str | None = None
    type: str | None = None
    data: list[_Row] = []


_decode = msgspec.json.Decoder(_Message).decode


def _topic(channel: str, symbol: str, event_trigger: str = "trades") -> str:
    return f"{channel}.{event_trigger}:{symbol}" if channel == "ticker" else f"{channel}:{symbol}"


def _canonical(symbol: str) -> str:
    try:
        return canonical_symbol(symbol)
    except UnknownSymbol:
        return ""


def _levels(spec: MarketSpec, levels: Levels) -> str:
    places = spec.price_places
    return ",".join(
        f'{{"price":{format_fixed(price, places)},"qty":{format_fixed(size, SIZE_PLACES)}}}' for price, size in levels
    )


def _message(channel: str, kind: str, rows: str) -> bytes:
    return f'{{"channel":"{channel}","type":"{kind}","data":[{rows}]}}'.encode()


def _snapshot(channel: str, market: Market) -> Iterator[Outgoing]:
    spec = market.spec
    if channel == "trade" and market.recent:
        recent = list(market.recent)[-SNAPSHOT_TRADES:]
        rows = ",".join(trade_row(spec, *row) for row in recent)
        ids = ((spec.symbol, recent[0][0].trade_id, recent[-1][0].trade_id),)
        yield Outgoing(_message(channel, "snapshot", rows), (), ids)
    elif channel == "ticker":
        yield Outgoing(_message(channel, "snapshot", ticker_row(market.quote)))
    elif channel == "book" and market.book is not None:
        bids, asks = market.book.top()
        row = book_row(spec, bids, asks, crc=checksum(bids, asks), time=None)
        yield Outgoing(_message(channel, "snapshot", row))


def _success(method: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"method": method, "result": result, "success": True}


def _answer(body: dict[str, Any], request: dict[str, Any], now: int) -> Outgoing:
    number = {"req_id": request["req_id"]} if "req_id" in request else {}
    times = {"time_in": rfc3339(now), "time_out": rfc3339(now + 40_000)}
    return Outgoing(msgspec.json.encode({**body, **number, **times}))
