"""What is said on a connection: pure, so that it can be tried without one. Messages in, updates and answers out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tickwire.client.positions import Key, Positions
from tickwire.client.updates import Kind, Update

MAX_MESSAGE_BYTES = 32_000
"""The server takes 32 KB."""

_encode = msgspec.json.Encoder().encode
ANY_SYMBOL = "*"


class Wanted(NamedTuple):
    """A subscription: every topic with every symbol. ``id`` names it to the server."""

    id: str
    topics: tuple[str, ...]
    symbols: tuple[str, ...]

    def covers(self, topic: str, symbol: str) -> bool:
        """Say whether an update of this topic and symbol belongs to it."""
        return topic in self.topics and (symbol in self.symbols or ANY_SYMBOL in self.symbols)


class Session:
    """Keeps positions over all connections of a client."""

    def __init__(self) -> None:
        self._positions = Positions()
        self._asked: set[Key] = set()
        # Keys whose numbers have gone back: the server began anew, and says so when it is asked.
        self._restarted: set[Key] = set()

    def begin(self, wanted: Iterable[Wanted]) -> list[bytes]:
        """Give what to say on a new connection: go on where it was, or where that is nowhere, or too long, anew."""
        self._asked.clear()
        return [self.ask(one) for one in wanted]

    def ask(self, wanted: Wanted) -> bytes:
        """Give the message that subscribes."""
        known = {key: numbers for key, numbers in self._positions.known().items() if wanted.covers(*key)}
        asked = {"topics": wanted.topics, "symbols": wanted.symbols, "id": wanted.id}
        resume = _encode({"action": "resume", **asked, "positions": _nested(known)})
        if not known or len(resume) > MAX_MESSAGE_BYTES:
            return _encode({"action": "subscribe", **asked})
        return resume

    def take(self, message: Mapping[str, Any]) -> list[Update]:
        """Take a message of the server in, and give what it tells."""
        match message["type"]:
            case "snapshot":
                return [self._snapshot(item) for item in message["items"]]
            case "update":
                kind = Kind.REPLAY if message.get("replay") else Kind.UPDATE
                return [self._update(item, kind, message["sent"]) for item in message["items"]]
            case "reset":
                return [self._reset(item) for item in message["items"]]
            case "resumed":
                self._asked.clear()
        return []

    @property
    def holes(self) -> bool:
        """Whether something was missed that has not been asked for."""
        return not self._positions.holed | self._restarted <= self._asked

    def fill(self) -> list[bytes]:
        """Give the messages that ask for what was missed; the same is not asked for again before the answer."""
        known = self._positions.known()
        missed = self._positions.holes() | {key: known[key] for key in self._restarted if key in known}
        self._restarted.clear()
        holes = {key: numbers for key, numbers in missed.items() if key not in self._asked}
        self._asked |= holes.keys()
        return list(_chunks(list(holes.items())))

    def ask_again(self) -> None:
        """Forget what was asked for: its answer did not come."""
        self._asked.clear()

    def _snapshot(self, item: Mapping[str, Any]) -> Update:
        key = (item["topic"], item["symbol"])
        if "positions" in item:
            self._positions.snapshot(key, {int(source): number for source, number in item["positions"].items()})
        return Update(Kind.SNAPSHOT, *key, item["data"])

    def _update(self, item: Mapping[str, Any], kind: Kind, sent: int) -> Update:
        key = (item["topic"], item["symbol"])
        if "source" in item:
            source, first, last = item["source"], item["from"], item["to"]
            if kind is Kind.UPDATE and first <= last < self._positions.complete(key, source):
                self._restarted.add(key)
            self._positions.update(key, source, first, last)
        return Update(kind, *key, item["data"], sent)

    def _reset(self, item: Mapping[str, Any]) -> Update:
        key = (item["topic"], item["symbol"])
        self._positions.reset(key, item["source"])
        return Update(Kind.RESET, *key, [])


def _chunks(positions: Sequence[tuple[Key, Mapping[int, int]]]) -> Iterable[bytes]:
    if not positions:
        return
    message = _encode({"action": "resume", "positions": _nested(dict(positions))})
    if len(message) <= MAX_MESSAGE_BYTES or len(positions) == 1:
        yield message
        return
    half = len(positions) // 2
    yield from _chunks(positions[:half])
    yield from _chunks(positions[half:])


def _nested(positions: Mapping[Key, Mapping[int, int]]) -> dict[str, dict[str, dict[str, int]]]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for (topic, symbol), numbers in positions.items():
        found.setdefault(topic, {})[symbol] = {str(source): number for source, number in numbers.items()}
    return found
