"""What goes over the WebSocket to a client: topics, the shape of each topic's data, whole messages.

Prices, sizes and sums are decimal text, digit for digit; ``start`` and ``time`` of market data are ms
UTC, ``receive`` and ``sent`` ns UTC. Light on purpose: the WebSocket function imports it too.
The topics of ``health`` and ``conclusions`` are in the modules of these names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from lambdas.broadcaster.conclusions import CONCLUSION_TOPICS, ConclusionData
from lambdas.broadcaster.health import HealthData, Order

MAX_MESSAGE_BYTES = 100_000
"""API Gateway takes 128 KiB a message."""

BAR_TOPICS = {1: "bars.1s", 60: "bars.1m", 300: "bars.5m", 3_600: "bars.1h"}
"""The bars that clients can have, by interval in seconds."""

ALERTS = "alerts"
"""A client's own alerts: they have no symbol, no numbers, and are stored elsewhere."""

TOPICS = (*BAR_TOPICS.values(), "trades", "quotes", "health", *CONCLUSION_TOPICS, ALERTS)
ANY_SYMBOL = "*"

_DATA = b'"data":['
_RESETS_AT_ONCE = 500


def subscription_key(topic: str, symbol: str) -> str:
    """Give the table key of a topic and a wire symbol: ``bars.1m#binance:BTC-USDT``, ``bars.1m#*``."""
    return f"{topic}#{symbol}"


class BarData(msgspec.Struct, frozen=True):
    """A bar as it stands; a higher ``revision`` of the same ``start`` replaces it.

    ``amended`` says that it was computed again from the stored trades, after it had been final: some of
    its trades came too late. ``receive`` is the newest of its live trades, 0 where none is.
    """

    start: int
    open: str
    high: str
    low: str
    close: str
    vwap: str
    volume: str
    buy_volume: str
    notional: str
    trades: int
    revision: int
    final: bool
    receive: int
    amended: bool = False

    @property
    def order(self) -> Order:
        """Which of two bars of one start is the newer."""
        return (self.revision,)


class TradeData(msgspec.Struct, frozen=True):
    """One trade; ``side`` is the aggressor's, ``flags`` are names of :class:`TradeFlag` in lower case."""

    id: int
    price: str
    size: str
    side: str
    time: int
    receive: int
    flags: tuple[str, ...]

    @property
    def order(self) -> Order:
        """Trades are told apart and ordered by id."""
        return (self.id,)


class QuoteData(msgspec.Struct, frozen=True):
    """The best bid and offer."""

    bid: str
    bid_size: str
    ask: str
    ask_size: str
    time: int

    @property
    def order(self) -> Order:
        """Whichever came last wins."""
        return ()


Data = BarData | TradeData | QuoteData | HealthData | ConclusionData


class Subscribed(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="subscribed"):
    """What was asked for is on; a snapshot follows."""

    topics: tuple[str, ...]
    symbols: tuple[str, ...]
    id: str | None = None


class Unsubscribed(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="unsubscribed"):
    """What was asked for is off."""

    topics: tuple[str, ...]
    symbols: tuple[str, ...]
    id: str | None = None


class Resumed(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="resumed"):
    """What was missed has been sent: so many positions were continued, so many reset."""

    replayed: int
    reset: int
    id: str | None = None


class Pong(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="pong"):
    """The answer to a ping."""

    id: str | None = None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="error"):
    """Why a message was not acted on: a code for programmes, a sentence for people."""

    code: Annotated[str, msgspec.Meta(pattern="^[a-z_]+$")]
    message: str
    id: str | None = None


class ResetItem(msgspec.Struct, frozen=True):
    """A position that cannot be continued.

    ``reason`` is ``expired`` (older than the log), ``unknown`` (no such number was given) or ``unavailable`` (the log
    has a hole).
    """

    topic: str
    symbol: str
    source: int
    reason: Literal["expired", "unknown", "unavailable"]


class Reset(msgspec.Struct, frozen=True, tag_field="type", tag="reset"):
    """Positions that are void; a snapshot of their keys follows."""

    items: tuple[ResetItem, ...]


class Item(NamedTuple):
    """Data of one topic and symbol, each object already JSON.

    Attributes
    ----------
    source : the partition that an update's numbers are of; None where there are none
    first, last : the numbers that the update covers
    positions : of a snapshot, by source, the number that the data are up to
    """

    topic: str
    symbol: str
    data: Sequence[bytes]
    source: int | None = None
    first: int = 0
    last: int = 0
    positions: Mapping[str, int] | None = None


def snapshot_messages(items: Iterable[Item]) -> list[bytes]:
    """Give ``snapshot`` messages for the items, at least one, each within the size limit."""
    return list(_messages(b'{"type":"snapshot","items":[', items)) or [b'{"type":"snapshot","items":[]}']


def update_messages(items: Iterable[Item], *, sent: int, replay: bool = False) -> list[bytes]:
    """Give ``update`` messages for the items, stamped ``sent`` (ns UTC), each within the size limit."""
    replayed = b'"replay":true,' if replay else b""
    return list(_messages(b'{"type":"update","sent":%d,%b"items":[' % (sent, replayed), items))


def reset_messages(items: Sequence[ResetItem]) -> list[bytes]:
    """Give ``reset`` messages for the positions, none where there are none, each within the size limit."""
    return [
        msgspec.json.encode(Reset(tuple(items[start : start + _RESETS_AT_ONCE])))
        for start in range(0, len(items), _RESETS_AT_ONCE)
    ]


def _messages(head: bytes, items: Iterable[Item]) -> Iterator[bytes]:
    room = MAX_MESSAGE_BYTES - len(head) - len(b"]}")
    parts: list[bytes] = []
    size = 0
    for part in _parts(items, room):
        if parts and size + len(part) + 1 > room:
            yield head + b",".join(parts) + b"]}"
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield head + b",".join(parts) + b"]}"


def _parts(items: Iterable[Item], room: int) -> Iterator[bytes]:
    """Give items as JSON; one too large for a message comes in several, each with part of the data.

    Only the last says what the whole covers: whoever misses it has missed the numbers.
    """
    for item in items:
        head = b'{"topic":%b,"symbol":%b,' % (msgspec.json.encode(item.topic), msgspec.json.encode(item.symbol))
        whole, part = _covers(item)
        chunk: list[bytes] = []
        size = len(head) + len(whole) + len(_DATA) + 2
        for data in item.data:
            if chunk and size + len(data) + 1 > room:
                yield head + part + _DATA + b",".join(chunk) + b"]}"
                chunk, size = [], len(head) + len(whole) + len(_DATA) + 2
            chunk.append(data)
            size += len(data) + 1
        if chunk or whole:
            yield head + whole + _DATA + b",".join(chunk) + b"]}"


def _covers(item: Item) -> tuple[bytes, bytes]:
    """Give what an item says of its numbers, and what a part of it says that is not its last."""
    if item.source is not None:
        head = b'"source":%d,"from":%d,"to":' % (item.source, item.first)
        return head + b"%d," % item.last, head + b"%d," % (item.first - 1)
    if item.positions:
        return b'"positions":%b,' % msgspec.json.encode(item.positions), b""
    return b"", b""
