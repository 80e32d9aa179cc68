"""What a client may ask, read from its message and checked. Pure."""

import re
from typing import Any

import msgspec

from lambdas.broadcaster.messages import TOPICS, subscription_key
from tickwire.errors import TickwireError

MAX_MESSAGE_BYTES = 8 * 1024
_SYMBOL = re.compile(r"\*|[a-z0-9-]{1,20}:(\*|[A-Z0-9]{1,20}-[A-Z0-9]{1,20})", re.ASCII)


class RequestRefused(TickwireError):
    """A message cannot be acted on. ``code`` is for programmes, the text a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Topical(msgspec.Struct, frozen=True):
    topics: tuple[str, ...]
    symbols: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """Every topic with every symbol, once, as subscription keys."""
        return list(dict.fromkeys(subscription_key(topic, symbol) for topic in self.topics for symbol in self.symbols))


class Subscribe(_Topical, frozen=True):
    """Asks for updates of each topic for each symbol."""


class Unsubscribe(_Topical, frozen=True):
    """Ends updates of each topic for each symbol."""


class Ping(msgspec.Struct, frozen=True):
    """Asks for a pong."""


Request = Subscribe | Unsubscribe | Ping
_ACTIONS: dict[str, type[Subscribe] | type[Unsubscribe] | type[Ping]] = {
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
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
    data = body.encode()
    if len(data) > MAX_MESSAGE_BYTES:
        raise RequestRefused(
            "message_too_large", f"A message may have {MAX_MESSAGE_BYTES} bytes; this has {len(data)}."
        )
    try:
        message = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise RequestRefused("not_json", f"The message is not JSON: {error}.") from error
    action = message.get("action") if isinstance(message, dict) else None
    if not isinstance(action, str) or action not in _ACTIONS:
        raise RequestRefused("unknown_action", f'The message needs an "action", one of: {", ".join(_ACTIONS)}.')
    try:
        request: Request = msgspec.convert(message, _ACTIONS[action])
    except msgspec.ValidationError as error:
        raise RequestRefused("invalid_message", f"The message for {action} does not fit: {error}.") from error
    if isinstance(request, _Topical):
        _check(request)
    return request


def _check(request: Any) -> None:
    if not request.topics or not request.symbols:
        raise RequestRefused("invalid_message", 'Both "topics" and "symbols" need at least one entry.')
    for topic in request.topics:
        if topic not in TOPICS:
            raise RequestRefused("unknown_topic", f"There is no topic {topic[:40]!r}; there are: {', '.join(TOPICS)}.")
    for symbol in request.symbols:
        if _SYMBOL.fullmatch(symbol) is None:
            raise RequestRefused(
                "invalid_symbol", f'{symbol[:60]!r} is no symbol; one looks like "binance:BTC-USDT", and "*" is all.'
            )
