"""Takes updates to everyone who listens, in as few messages as possible, as often as the pace allows."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lambdas.broadcaster.conflation import Conflated, Said
from lambdas.broadcaster.messages import Item, update_messages
from lambdas.broadcaster.outbox import Delivered
from lambdas.broadcaster.pacing import MIN_INTERVAL
from lambdas.broadcaster.partition import Numbered
from lambdas.broadcaster.pending import Pending
from lambdas.broadcaster.recent import Recent
from lambdas.broadcaster.subscribers import Subscribers
from lambdas.broadcaster.value import Key

LINGER_SECONDS = MIN_INTERVAL + 0.005
"""What comes so soon after a flush waits for the next one here: another invocation may be long in coming."""

NOTHING = Delivered(0, 0, 0)


class Pace(Protocol):
    """Says when updates may be posted."""

    def due(self, now: float, posts: int) -> bool:
        """Say whether so many messages may be posted at ``now`` (s, monotonic)."""
        ...


class AtOnce:
    """Lets everything be posted when it comes."""

    def due(self, now: float, posts: int) -> bool:
        """Say that they may."""
        return True


class Sender(Protocol):
    """Posts messages."""

    def deliver(self, deliveries: Mapping[str, Sequence[bytes]]) -> Delivered:
        """Post each connection's messages in order."""
        ...


_Part = tuple[Key, bool]
"""What a connection gets of a key: what is pending, or (True) what was said in the last seconds."""


class Screens:
    """Holds what is not yet posted; ``clock`` gives ns UTC."""

    def __init__(
        self,
        subscribers: Subscribers,
        outbox: Sender,
        *,
        pace: Pace,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._subscribers = subscribers
        self._outbox = outbox
        self._pace = pace
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._flushed = float("-inf")
        self._pending = Pending()
        self._recent = Recent()
        self._newcomers: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, source: int, numbered: Numbered) -> None:
        """Take an update of a source."""
        key, span, said = numbered
        self._pending.add(key, source, span, list(said))
        self._recent.add(source, numbered, now=self._monotonic())

    def add_unnumbered(self, key: Key, said: Said) -> None:
        """Take what has no number."""
        self._pending.add(key, None, None, [said])

    def drop(self, source: int) -> None:
        """Forget what is not posted of a source that another process has gone on with."""
        self._pending.drop(source)

    def flush(self) -> Delivered:
        """Post what is pending, if the pace allows it."""
        now = self._monotonic()
        for subscription, newcomers in self._subscribers.refresh(self._pending.waiting()).items():
            self._newcomers[subscription] |= newcomers
        late = self._late()
        listeners = {key: self._subscribers.of(*key) for key in self._pending.waiting()}
        if not self._may_post(len(frozenset().union(*listeners.values(), *late.values()))):
            return NOTHING
        wanted: dict[str, list[_Part]] = defaultdict(list)
        for key, connections in listeners.items():
            for connection_id in connections - late.get(key, frozenset()):
                wanted[connection_id].append((key, False))
        for key, connections in late.items():
            for connection_id in connections:
                wanted[connection_id].append((key, True))
        self._flushed = self._monotonic()
        delivered = self._outbox.deliver(self._messages(wanted, now))
        self._pending.clear()
        self._newcomers.clear()
        return delivered

    def _may_post(self, posts: int) -> bool:
        now = self._monotonic()
        if self._pace.due(now, posts):
            return True
        rest = self._flushed + LINGER_SECONDS - now
        if rest <= 0:
            return False
        self._sleep(rest)
        return self._pace.due(self._monotonic(), posts)

    def _late(self) -> dict[Key, frozenset[str]]:
        """Give, by key, who subscribed after updates that their snapshot may have missed."""
        late: dict[Key, frozenset[str]] = {}
        for topic, symbol in self._recent.spoken_of() if self._newcomers else ():
            some = self._newcomers.get(f"{topic}#{symbol}", set()) | self._newcomers.get(f"{topic}#*", set())
            if some:
                late[topic, symbol] = frozenset(some)
        return late

    def _messages(self, wanted: Mapping[str, Sequence[_Part]], now: float) -> dict[str, list[bytes]]:
        sent = self._clock()
        items: dict[_Part, list[Item]] = {}
        prepared: dict[tuple[_Part, ...], list[bytes]] = {}
        deliveries: dict[str, list[bytes]] = {}
        for connection_id, parts in wanted.items():
            signature = tuple(parts)
            if signature not in prepared:
                for key, recent in parts:
                    if (key, recent) not in items:
                        updates = self._recent.of(key, now=now).items() if recent else self._pending.of(key)
                        items[key, recent] = [_item(key, source, update) for source, update in updates]
                prepared[signature] = update_messages([item for part in parts for item in items[part]], sent=sent)
            deliveries[connection_id] = prepared[signature]
        return deliveries


def _item(key: Key, source: int | None, update: Conflated) -> Item:
    data = [bytes(one) for one in update.data()]
    return Item(*key, data) if update.span is None else Item(*key, data, source, *update.span)
