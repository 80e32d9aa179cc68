"""Binance Spot (and Binance US): combined and raw streams, SUBSCRIBE on a live socket, ping frames."""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import msgspec

from local.exchange.catalogue import SIZE_PLACES
from local.exchange.events import BookChange, Event, Execution, Fill, QuoteChange
from local.exchange.venues.protocol import (
    UNREADABLE,
    FeedProtocol,
    Outgoing,
    Recorded,
    Session,
    TradeRange,
    UnknownPath,
)
from tickwire.columns import Side
from tickwire.decimals import format_fixed
from tickwire.errors import UnreadableTime
from tickwire.timestamps import from_epoch
from tickwire.venues.binance.symbols import instrument_of
from tickwire.venues.frames import UnreadableFrame

PLACES = 8
"""Binance writes every price and size with eight places."""

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_STREAM = re.compile(r"(!?[a-z0-9]+)@([A-Za-z0-9_@]+)")
_MICRO = "#us"
"""Marks the topics of sessions that asked for microseconds."""


def trade_payload(event: Execution, fill: Fill, *, micro: bool = False) -> bytes:
    """Give the payload of ``<symbol>@trade``; ``m`` (buyer is maker) is true when the aggressor sold."""
    spec = event.market
    time = event.time // (1_000 if micro else 1_000_000)
    price = format_fixed(fill.price * 10 ** (PLACES - spec.price_places), PLACES)
    size = format_fixed(fill.size, SIZE_PLACES)
    maker = "true" if event.side is Side.SELL else "false"
    return (
        f'{{"e":"trade","E":{time},"s":"{spec.native}","t":{fill.trade_id},"p":"{price}","q":"{size}",'
        f'"T":{time},"m":{maker},"M":true}}'
    ).encode()


def book_ticker_payload(event: QuoteChange) -> bytes:
    """Give the payload of ``<symbol>@bookTicker``, which carries neither type nor time."""
    spec = event.market
    shift = 10 ** (PLACES - spec.price_places)
    bid, ask = format_fixed(event.bid * shift, PLACES), format_fixed(event.ask * shift, PLACES)
    bid_size, ask_size = format_fixed(event.bid_size, SIZE_PLACES), format_fixed(event.ask_size, SIZE_PLACES)
    return (
        f'{{"u":{event.sequence},"s":"{spec.native}","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}"}}'
    ).encode()


class BinanceSession(Session):
    """A connection to ``/ws…`` (raw payloads) or ``/stream…`` (payloads wrapped with their stream's name)."""

    ping_seconds: ClassVar[float | None] = 20.0
    incoming_per_second: ClassVar[int] = 5

    def __init__(self, protocol: "BinanceProtocol", *, combined: bool, micro: bool, streams: Iterable[str]) -> None:
        super().__init__(protocol.desk)
        self._combined = combined
        self._suffix = _MICRO if micro else ""
        self.topics.update(name + self._suffix for name in streams)

    def receive(self, text: str, now: int) -> list[Outgoing]:
        try:
            message = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return [_error(3, "Invalid JSON: expected value at line 1 column 1")]
        if not isinstance(message, dict):
            return [_error(2, "Invalid request: expected an object")]
        number, method, params = message.get("id"), message.get("method"), message.get("params", [])
        if method not in _METHODS:
            listed = ", ".join(f"`{name}`" for name in _METHODS)
            return [_error(2, f"Invalid request: unknown variant `{method}`, expected one of {listed}", number)]
        if not isinstance(params, list) or not all(isinstance(name, str | bool) for name in params):
            return [_error(2, "Invalid request: params must be an array of strings", number)]
        return [_result(self._apply(method, [name for name in params if isinstance(name, str)]), number)]

    def _apply(self, method: str, names: list[str]) -> Any:
        # Binance accepts streams that it does not have and then sends nothing on them.
        topics = {name + self._suffix for name in names}
        if method == "SUBSCRIBE":
            self.topics |= topics
        elif method == "UNSUBSCRIBE":
            self.topics -= topics
        elif method == "LIST_SUBSCRIPTIONS":
            return sorted(topic.removesuffix(_MICRO) for topic in self.topics)
        elif method == "GET_PROPERTY":
            return self._combined
        return None

    def render(self, outgoing: Outgoing) -> bytes:
        if not self._combined or outgoing.recorded or not outgoing.topics:
            return outgoing.body
        stream = outgoing.topics[0].removesuffix(_MICRO).encode()
        return b'{"stream":"%b","data":%b}' % (stream, outgoing.body)


class BinanceProtocol(FeedProtocol):
    """Feeds ``binance`` and ``binance-us``."""

    def open(self, path: str, query: Mapping[str, str]) -> Session:
        parts = [part for part in path.split("/") if part]
        if not parts or parts[0] not in ("ws", "stream"):
            raise UnknownPath(path)
        combined = parts[0] == "stream"
        streams = query.get("streams", "").split("/") if combined else parts[1:]
        micro = query.get("timeUnit", "").upper() == "MICROSECOND"
        return BinanceSession(self, combined=combined, micro=micro, streams=filter(None, streams))

    def encode(self, event: Event, interest: AbstractSet[str]) -> Iterable[Outgoing]:
        if isinstance(event, BookChange):
            return
        symbol = event.market.native.lower()
        for suffix in ("", _MICRO):
            topic = f"{symbol}@{'trade' if isinstance(event, Execution) else 'bookTicker'}{suffix}"
            if topic not in interest:
                continue
            if isinstance(event, QuoteChange):
                yield Outgoing(book_ticker_payload(event), (topic,))
                continue
            for fill in event.fills:
                ids = ((event.market.symbol, fill.trade_id, fill.trade_id),)
                yield Outgoing(trade_payload(event, fill, micro=bool(suffix)), (topic,), ids)

    def describe(self, frame: bytes) -> Recorded | None:
        try:
            message = _decode(frame)
            data = msgspec.json.decode(message.data, type=_Payload) if message.data else message.payload
            if message.stream is None and data.symbol is None:
                # Acks of SUBSCRIBE are answered live, and a recorder's REST snapshots were on no
                # socket; other frames without a symbol go to everyone.
                answered = message.result is not msgspec.UNSET or message.book_id is not None
                return None if answered else UNREADABLE
            time = from_epoch(data.event_time) if data.event_time else None
        except (msgspec.DecodeError, UnreadableTime):
            return UNREADABLE
        stream = message.stream or _stream_of(data)
        topics = (stream, stream + _MICRO)
        symbol = self._symbol_of(stream)
        if symbol is None:
            return Recorded(topics, time=time)
        trades: tuple[TradeRange, ...] = ()
        if stream.endswith("@trade") and data.trade_id is not None:
            trades = ((symbol, data.trade_id, data.trade_id),)
        return Recorded(topics, trades, time, (symbol,))

    def _symbol_of(self, stream: str) -> str | None:
        """Give the canonical symbol of a stream's name; None for one of no pair that the venue lists."""
        match = _STREAM.match(stream)
        try:
            return None if match is None else instrument_of(self.venue, match.group(1).upper()).symbol
        except UnreadableFrame:
            return None


class _Payload(msgspec.Struct):
    type: str | None = msgspec.field(name="e", default=None)
    event_time: int | None = msgspec.field(name="E", default=None)
    symbol: str | None = msgspec.field(name="s", default=None)
    trade_id: int | None = msgspec.field(name="t", default=None)


class _Message(msgspec.Struct):
    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    book_id: int | None = msgspec.field(name="lastUpdateId", default=None)
    type: str | None = msgspec.field(name="e", default=None)
    event_time: int | None = msgspec.field(name="E", default=None)
    symbol: str | None = msgspec.field(name="s", default=None)
    trade_id: int | None = msgspec.field(name="t", default=None)

    @property
    def payload(self) -> _Payload:
        return _Payload(self.type, self.event_time, self.symbol, self.trade_id)


_decode = msgspec.json.Decoder(_Message).decode


def _stream_of(payload: _Payload) -> str:
    """Name the stream of a raw payload; a bookTicker is the one without a type."""
    channel = {"depthUpdate": "depth", None: "bookTicker"}.get(payload.type, payload.type)
    return f"{(payload.symbol or '').lower()}@{channel}"


def _result(result: Any, number: Any) -> Outgoing:
    return Outgoing(msgspec.json.encode({"result": result, "id": number}))


def _error(code: int, text: str, number: Any = None) -> Outgoing:
    body = {"code": code, "msg": text}
    return Outgoing(msgspec.json.encode(body if number is None else {**body, "id": number}))
