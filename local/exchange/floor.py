"""Everyone who is connected: who wants what, sending, and cutting those who break a venue's rules."""

import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from local.exchange.announced import Announced
from local.exchange.connection import Connection
from local.exchange.faults.schedule import Faults
from local.exchange.source import Source
from local.exchange.venues.protocol import EVERYONE, FeedProtocol, Outgoing
from local.exchange.venues.registry import new_protocol

_SECOND = 1_000_000_000
_MISSED_PINGS = 3


def steady_clock() -> Callable[[], int]:
    """Give a clock in ns UTC that starts at the wall's time and never goes back."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: time.monotonic_ns() + offset


class Floor:
    """The connections of every feed, and the account of what they were sent."""

    def __init__(self, source: Source, clock: Callable[[], int], *, seed: int = 1) -> None:
        """Open to the clients of a source; ``seed`` is that of the faults' chance."""
        self.now = clock
        self.protocols: dict[str, FeedProtocol] = {
            feed: new_protocol(feed, desk) for feed, desk in source.desks.items()
        }
        self.announced = Announced()
        self.subscription_changes = 0
        """Grows whenever someone subscribes, unsubscribes or leaves."""
        self.subscription_changed = clock()
        self.cut: dict[str, int] = {}
        """Connections cut, by the reason."""
        self._connections: dict[str, list[Connection]] = {feed: [] for feed in self.protocols}
        self._interest: dict[str, AbstractSet[str]] = {feed: frozenset() for feed in self.protocols}
        self._frames_of_the_gone = 0
        self.clock_offsets: dict[str, int] = {}
        """ns by which the clock of a feed's venue is wrong."""
        self.faults = Faults(self, seed=seed)

    def connections(self, feed: str | None = None) -> list[Connection]:
        """Give the open connections of a feed, or of all."""
        if feed is not None:
            return self._connections[feed]
        return [connection for some in self._connections.values() for connection in some]

    @property
    def frames_sent(self) -> int:
        """Frames that sockets took whole."""
        return self._frames_of_the_gone + sum(connection.frames_written for connection in self.connections())

    def interest(self, feed: str) -> AbstractSet[str]:
        """Give the topics that at least one connection of a feed subscribed to."""
        return self._interest[feed]

    def join(self, feed: str, connection: Connection) -> None:
        """Let a connection in."""
        self._connections[feed].append(connection)
        self.resubscribed(feed)

    def leave(self, feed: str, connection: Connection) -> None:
        """Let a connection go, once its socket is closed."""
        self._connections[feed].remove(connection)
        self._frames_of_the_gone += connection.frames_written
        connection.release()
        self.resubscribed(feed)

    def resubscribed(self, feed: str) -> None:
        """Take note that the topics of one of a feed's connections changed."""
        self._interest[feed] = frozenset().union(*(one.session.topics for one in self._connections[feed]))
        self.subscription_changes += 1
        self.subscription_changed = self.now()

    def publish(self, feed: str, frames: Iterable[Outgoing]) -> None:
        """Let the faults have frames of the market, and queue what comes of them."""
        self.send(feed, self.faults.distort(feed, frames))

    def send(self, feed: str, frames: Iterable[Outgoing]) -> None:
        """Queue frames for all who subscribed to one of their topics."""
        connections = self._connections[feed]
        for outgoing in frames:
            for connection in connections:
                topics = connection.session.topics
                if topics and (outgoing.topics[0] == EVERYONE or not topics.isdisjoint(outgoing.topics)):
                    connection.send(outgoing)

    def flush(self, feed: str | None = None) -> None:
        """Write out what is queued, as far as the clients take it."""
        for connection in self.connections(feed):
            connection.flush()
            if connection.is_slow:
                self.cut_off(connection, "slow")

    def cut_off(self, connection: Connection, reason: str) -> None:
        """Break a connection and count it, once."""
        if connection.is_closing:
            return
        self.cut[reason] = self.cut.get(reason, 0) + 1
        connection.cut()

    def beat(self) -> None:
        """Send the heartbeats of all venues; called once a second."""
        now = self.now()
        for feed, protocol in self.protocols.items():
            self.publish(feed, protocol.beat(now + self.clock_offsets.get(feed, 0), self._interest[feed]))
        self.flush()

    def enforce(self) -> None:
        """Send due ping frames, and cut who did not subscribe or did not answer in time."""
        now = self.now()
        for connection in self.connections():
            if connection.is_half_open:
                continue
            session = connection.session
            deadline = session.deadline_seconds
            if deadline is not None and not session.topics and now - connection.opened > deadline * _SECOND:
                self.cut_off(connection, "not_subscribed")
            elif session.ping_seconds is not None and now - connection.pinged > session.ping_seconds * _SECOND:
                if now - connection.heard > _MISSED_PINGS * session.ping_seconds * _SECOND:
                    self.cut_off(connection, "no_pong")
                else:
                    connection.ping(now)
                    connection.flush()
