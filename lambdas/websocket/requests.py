"""What a client may ask, read from its message and checked. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

from lambdas.broadcaster.messages import ALERTS, ANY_SYMBOL, TOPICS, subscription_key
from tickwire.errors import TickwireError

MAX_MESSAGE_BYTES = 32 * 1024
"""API Gateway hands on frames of so many bytes, and cuts longer messages into several."""

MAX_ID_LENGTH = 64
_EXACT = r"[a-z0-9-]{1,20}:(\*|[A-Z0-9]{1,20}-[A-Z0-9]{1,20})"
_SYMBOL = re.compile(rf"\*|{_EXACT}", re.ASCII)
_POSITION_SYMBOL = re.compile(_EXACT, re.ASCII)
_SOURCE = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)

Id = Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
PositionsByTopic = dict[str, dict[str, dict[str, Number]]]


class RequestRefused(TickwireError):
    """A message cannot be acted on. ``code`` is for programmes, the text a sentence for people.

    ``id`` is the message's own, where it could be read.
    """

    def __init__(self, code: str, message: str, *, id_: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = id_


class Position(NamedTuple):
    """The last number of a topic, symbol and source that a client has."""

    topic: str
    symbol: str
    source: int
    number: int

    @property
    def keys(self) -> tuple[str, str]:
        """The subscription keys that it may have come by."""
        return subscription_key(self.topic, self.symbol), subscription_key(self.topic, ANY_SYMBOL)


class _Topical(msgspec.Struct, frozen=True):
    topics: tuple[str, ...]
    symbols: tuple[str, ...]
    id: Id | None = None

    def keys(self, subject: str) -> list[str]:
        """Give every topic with every symbol, once, as subscription keys; alerts are those of ``subject``."""
        return _keys(self.topics, self.symbols, subject)


class Subscribe(_Topical, frozen=True, tag_field="action", tag="subscribe"):
    """Asks for updates of each topic for each symbol."""


class Unsubscribe(_Topical, frozen=True, tag_field="action", tag="unsubscribe"):
    """Ends updates of each topic for each symbol."""


class Resume(msgspec.Struct, frozen=True, tag_field="action", tag="resume"):
    """Asks for all that was said after the positions; with topics and symbols also for updates, as ``subscribe``.

    ``positions`` are by topic, symbol and source.
    """

    positions: PositionsByTopic
    topics: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    id: Id | None = None

    def keys(self, subject: str) -> list[str]:
        """Give what is subscribed to, as subscription keys; empty if nothing is."""
        return _keys(self.topics, self.symbols, subject)

    def known(self) -> Iterator[Position]:
        """Give the positions one by one."""
        for topic, symbols in self.positions.items():
            for symbol, sources in symbols.items():
                for source, number in sources.items():
                    yield Position(topic, symbol, int(source), number)


class Ping(msgspec.Struct, frozen=True, tag_field="action", tag="ping"):
    """Asks for a pong."""

    id: Id | None = None


Request = Subscribe | Unsubscribe | Resume | Ping
_ACTIONS: Mapping[str, type[Request]] = {
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "resume": Resume,
    "ping": Ping,
}


def read_request(body: str) -> Request:
    """Read a client's message.

    Raises
    ------
    RequestRefused
        ``message_too_large``, ``not_json``, ``unknown_action``, ``invalid_message``,
        ``unknown_topic`` or ``invalid_symbol``.
    """
    # A lone surrogate is text that JSON can name and UTF-8 cannot.
    data = body.encode(errors="replace")
    if len(data) > MAX_MESSAGE_BYTES:
        raise RequestRefused(
            "message_too_large", f"A message may have {MAX_MESSAGE_BYTES} bytes; this has {len(data)}."
        )
    try:
        message = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestRefused("not_json", f"The message is not JSON: {error}.") from error
    try:
        return _read(message)
    except RequestRefused as refusal:
        refusal.id = _id_of(message)
        raise


def _read(message: Any) -> Request:
    action = message.get("action") if isinstance(message, dict) else None
    if not isinstance(action, str) or action not in _ACTIONS:
        raise RequestRefused("unknown_action", f'The message needs an "action", one of: {", ".join(_ACTIONS)}.')
    try:
        request: Request = msgspec.convert(message, _ACTIONS[action])
    except msgspec.ValidationError as error:
        raise RequestRefused("invalid_message", f"The message for {action} does not fit: {error}.") from error
    if isinstance(request, Resume):
        _check_resume(request)
    elif isinstance(request, _Topical):
        _check(request.topics, request.symbols)
    return request


def _id_of(message: Any) -> str | None:
    found = message.get("id") if isinstance(message, dict) else None
    return found if isinstance(found, str) and len(found) <= MAX_ID_LENGTH else None


def _keys(topics: Sequence[str], symbols: Sequence[str], subject: str) -> list[str]:
    pairs = ((topic, subject if topic == ALERTS else symbol) for topic in topics for symbol in symbols)
    return list(dict.fromkeys(subscription_key(topic, symbol) for topic, symbol in pairs))


def _check(topics: Sequence[str], symbols: Sequence[str]) -> None:
    if not topics or not symbols:
        raise RequestRefused("invalid_message", 'Both "topics" and "symbols" need at least one entry.')
    for topic in topics:
        _check_topic(topic)
    for symbol in symbols:
        if _SYMBOL.fullmatch(symbol) is None:
            raise RequestRefused(
                "invalid_symbol", f'{symbol[:60]!r} is no symbol; one looks like "binance:BTC-USDT", and "*" is all.'
            )
    if ALERTS in topics and set(symbols) != {ANY_SYMBOL}:
        raise RequestRefused(
            "invalid_symbol", 'The topic "alerts" has your own alerts, and takes the symbol "*" alone.'
        )


def _check_topic(topic: str) -> None:
    if topic not in TOPICS:
        raise RequestRefused("unknown_topic", f"There is no topic {topic[:40]!r}; there are: {', '.join(TOPICS)}.")


def _check_resume(request: Resume) -> None:
    for topic, symbols in request.positions.items():
        _check_topic(topic)
        if topic == ALERTS:
            raise RequestRefused("invalid_message", "Alerts have no positions; their snapshot has the newest.")
        for symbol, sources in symbols.items():
            if _POSITION_SYMBOL.fullmatch(symbol) is None:
                raise RequestRefused(
                    "invalid_symbol", f'{symbol[:60]!r} has no positions; a symbol looks like "binance:BTC-USDT".'
                )
            for source in sources:
                if _SOURCE.fullmatch(source) is None:
                    raise RequestRefused(
                        "invalid_message", f'{source[:20]!r} is no source; the "source" of an update\'s item is one.'
                    )
    if not request.topics and not request.symbols:
        if not any(True for _ in request.known()):
            raise RequestRefused("invalid_message", 'Without "topics" and "symbols" there must be "positions".')
        return
    _check(request.topics, request.symbols)
    asked = frozenset(request.keys(""))
    for position in request.known():
        if asked.isdisjoint(position.keys):
            raise RequestRefused(
                "invalid_message",
                f"There is a position of {position.topic} for {position.symbol}, which is not asked for:"
                ' add it to "topics" and "symbols", or leave the position out.',
            )
