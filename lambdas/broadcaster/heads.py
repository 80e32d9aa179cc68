"""The sequence numbers of a partition: how many records have spoken of each topic and symbol. Pure.

A record takes one number of every key that it speaks of. So a number is a function of the records alone, whoever
gives it; and a key's number is never above the counter of the record that it was given for, which is what a process
goes on from that does not know the numbers given before: nobody's number is given twice, and clients see a hole.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from lambdas.broadcaster.value import Key

FORGET_SECONDS = 86_400
"""A key that has said nothing for so long is no longer kept."""


class Span(NamedTuple):
    """The numbers of a key from ``first`` to ``last``, both among them."""

    first: int
    last: int

    def with_next(self, other: "Span") -> "Span":
        """Give the span from the first of both to the last of both."""
        return Span(min(self.first, other.first), max(self.last, other.last))


class Head(msgspec.Struct, array_like=True):
    """The last number of a key, and when it was given (s UTC)."""

    number: int
    given: int


class Heads(msgspec.Struct, array_like=True):
    """The last number of every key.

    Attributes
    ----------
    floor : what a key goes on after that is not there
    base : the floor from which all keys began when the numbers before were not known
    """

    floor: int = 0
    base: int = 0
    by_topic: dict[str, dict[str, Head]] = msgspec.field(default_factory=dict)

    @classmethod
    def before(cls, counter: int) -> "Heads":
        """Give the numbers to go on from at a record when those before are not known."""
        return cls(floor=counter - 1, base=counter - 1)

    def copy(self) -> "Heads":
        """Give the numbers as they are now, apart from what becomes of them."""
        return Heads(self.floor, self.base, {topic: dict(heads) for topic, heads in self.by_topic.items()})

    def of(self, key: Key) -> int:
        """Give the last number of a key."""
        head = self.by_topic.get(key[0], {}).get(key[1])
        return self.floor if head is None else head.number

    def take(self, keys_by_record: Iterable[Iterable[Key]], *, now: int) -> dict[Key, Span]:
        """Number consecutive records by their keys (``now``: s UTC); gives the numbers that each key got."""
        spans: dict[Key, Span] = {}
        for keys in keys_by_record:
            for key in keys:
                number = self.of(key) + 1
                spans[key] = Span(spans[key].first if key in spans else number, number)
                self.reach(key, number, now=now)
        return spans

    def reach(self, key: Key, number: int, *, now: int) -> None:
        """Hear that a number was given; a lower one than is known changes nothing."""
        topic = self.by_topic.setdefault(key[0], {})
        topic[key[1]] = Head(max(number, self.of(key)), now)

    def rise(self, *, floor: int, base: int) -> None:
        """Hear that a process went on from a floor and a base; lower ones than are known change nothing."""
        self.floor = max(self.floor, floor)
        if base > self.base:
            self.base = base
            for topic in self.by_topic.values():
                for symbol, head in topic.items():
                    topic[symbol] = Head(max(base, head.number), head.given)

    def forget(self, *, before: int) -> None:
        """Drop the keys last numbered before a time (s UTC); they go on above all that was dropped."""
        for topic in self.by_topic.values():
            for symbol in [symbol for symbol, head in topic.items() if head.given < before]:
                self.floor = max(self.floor, topic.pop(symbol).number)
