"""OKX: one update a trade on the business path, acks and errors as events, the text ``ping`` answered by ``pong``.

Source: OKX's API guide v5 ("WS / All trades channel", "Subscribe", "Error Code").
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import msgspec

from local.exchange.catalogue import SIZE_PLACES, MarketSpec
from local.exchange.events import Event, Execution, Fill
from local.exchange.texts import plain
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
from tickwire.timestamps import from_epoch

PATH = "ws/v5/business"
CHANNEL = "trades-all"
_INVALID_REQUEST, _NO_SUCH_CHANNEL = "60012", "60018"


def trade_body(spec: MarketSpec, fill: Fill, side: Side, time: int) -> bytes:
    """Give the update of one trade; ``side`` is the aggressor's, ``time`` ns UTC."""
    return (
        f'{{"arg":{{"channel":"{CHANNEL}","instId":"{spec.native}"}},"data":[{{"instId":"{spec.native}",'
        f'"tradeId":"{fill.trade_id}","px":"{plain(fill.price, spec.price_places)}",'
        f'"sz":"{plain(fill.size, SIZE_PLACES)}","side":"{side.name.lower()}","source":"0",'
        f'"ts":"{time // 1_000_000}"}}]}}'
    ).encode()


class OkxSession(Session):
    """One connection; it is cut where it has not subscribed in time."""

    deadline_seconds: ClassVar[float | None] = 30.0

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._id = f"{id(self) % 2**32:08x}"

    def receive(self, text: str, now: int) -> list[Outgoing]:
        if text == "ping":
            return [Outgoing(b"pong")]
        try:
            message = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            return [self._error(_INVALID_REQUEST, f"Invalid request: {text[:200]}", {})]
        number = {"id": message["id"]} if isinstance(message.get("id"), str) else {}
        args = message.get("args")
        if message.get("op") not in ("subscribe", "unsubscribe") or not isinstance(args, list) or not args:
            return [self._error(_INVALID_REQUEST, f"Invalid request: {text[:200]}", number)]
        return [self._answer(message["op"], arg if isinstance(arg, dict) else {}, number) for arg in args]

    def _answer(self, op: str, arg: dict[str, Any], number: dict[str, str]) -> Outgoing:
        channel, native = arg.get("channel"), arg.get("instId")
        if channel != CHANNEL or native not in self.desk.markets:
            text = f"Wrong URL or channel:{channel},instId:{native} doesn't exist. Please use the correct URL, channel"
            return self._error(_NO_SUCH_CHANNEL, f"{text} and parameters referring to API document.", number)
        topic = f"{CHANNEL}:{native}"
        if op == "subscribe":
            self.topics.add(topic)
        else:
            self.topics.discard(topic)
        named = {"channel": channel, "instId": native}
        return Outgoing(msgspec.json.encode({**number, "event": op, "arg": named, "connId": self._id}))

    def _error(self, code: str, text: str, number: dict[str, str]) -> Outgoing:
        body = {**number, "event": "error", "code": code, "msg": text, "connId": self._id}
        return Outgoing(msgspec.json.encode(body))


class OkxProtocol(FeedProtocol):
    """Feed ``okx``."""

    def open(self, path: str, query: Mapping[str, str]) -> Session:
        if path.strip("/") != PATH:
            raise UnknownPath(path)
        return OkxSession(self.desk)

    def encode(self, event: Event, interest: AbstractSet[str]) -> Iterable[Outgoing]:
        topic = f"{CHANNEL}:{event.market.native}"
        if isinstance(event, Execution) and topic in interest:
            for fill in event.fills:
                ids = ((event.market.symbol, fill.trade_id, fill.trade_id),)
                yield Outgoing(trade_body(event.market, fill, event.side, event.time), (topic,), ids)

    def describe(self, frame: bytes) -> Recorded | None:
        if frame == b"pong":
            return None
        try:
            message = _decode(frame)
            if message.event is not None:
                return None
            if message.arg is None or message.arg.instId is None:
                return UNREADABLE
            symbol = canonical_symbol(message.arg.instId)
            rows = message.data if message.arg.channel == CHANNEL else []
            trades = tuple((symbol, int(row.tradeId), int(row.tradeId)) for row in rows)
            time = max((from_epoch(int(row.ts)) for row in rows), default=None)
        except (msgspec.DecodeError, UnknownSymbol, UnreadableTime, ValueError):
            return UNREADABLE
        return Recorded((f"{message.arg.channel}:{message.arg.instId}",), trades, time, (symbol,))


class _Row(msgspec.Struct):
    tradeId: str = ""  # noqa: N815 - the wire's name
    ts: str = ""


class _Arg(msgspec.Struct):
    channel: str
    instId: str | None = None  # noqa: N815 - the wire's name


class _Message(msgspec.Struct):
    event: str | None = None
    arg: _Arg | None = None
    data: list[_Row] = []


_decode = msgspec.json.Decoder(_Message).decode
