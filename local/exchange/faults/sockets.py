"""Faults of the connections themselves."""

from typing import TYPE_CHECKING, Any

from local.exchange.faults.fault import SECOND, Fault
from local.exchange.faults.order import FaultOrder
from local.exchange.venues.protocol import Outgoing

if TYPE_CHECKING:
    from local.exchange.connection import Connection
    from local.exchange.floor import Floor

GOING_AWAY = 1001


class Disconnect(Fault):
    """Cuts every connection of its feeds, ``count`` times (once) spread over ``seconds``.

    For ``refuse`` seconds after each cut new connections get HTTP 503.
    """

    default_seconds = 0.0

    def __init__(self, order: FaultOrder, number: int, floor: "Floor", *, seed: int) -> None:
        super().__init__(order, number, floor, seed=seed)
        self._due: list[int] = []
        self._refused_until = 0

    def start(self, now: int) -> None:
        cuts = self.order.count or 1
        pause = round(self.seconds * SECOND) // cuts
        self._due = [now + number * pause for number in range(cuts)]

    def go_on(self, now: int) -> None:
        while self._due and now >= self._due[0]:
            self._due.pop(0)
            self._refused_until = now + round(self.order.refuse * SECOND)
            for feed in self.feeds:
                for connection in self.floor.connections(feed):
                    self._cut(connection)

    def is_over(self, now: int) -> bool:
        return not self._due and now >= self._refused_until

    def used_up(self) -> bool:
        return False

    def refuses(self, now: int) -> bool:
        """Tell whether new connections are refused."""
        return self.is_active and now < self._refused_until

    @property
    def seconds(self) -> float:
        return self.order.seconds or 0.0

    def _cut(self, connection: "Connection") -> None:
        if connection.is_closing:
            return
        self.hits += 1
        if self.order.mode == "close" and not connection.is_half_open:
            connection.say_goodbye(GOING_AWAY)
        else:
            self.floor.cut_off(connection, "fault")


class HalfOpen(Fault):
    """Leaves the sockets open that are there, and neither sends nor hears anything on them, pings included.

    New connections are well. ``count`` is how many sockets it takes, the oldest first. At its end
    those still open are reset.
    """

    default_seconds = 60.0

    def __init__(self, order: FaultOrder, number: int, floor: "Floor", *, seed: int) -> None:
        super().__init__(order, number, floor, seed=seed)
        self._dead: list[Connection] = []

    def start(self, now: int) -> None:
        for feed in self.feeds:
            for connection in self.floor.connections(feed):
                if self.used_up() or connection.is_half_open or connection.is_closing:
                    continue
                self.hits += 1
                connection.fall_silent(lambda outgoing, feed=feed: self._lose(feed, outgoing))  # type: ignore[misc]
                self._dead.append(connection)

    def stop(self, now: int) -> None:
        for connection in self._dead:
            self.floor.cut_off(connection, "fault")
        self._dead.clear()

    @property
    def seconds(self) -> float:
        return self.order.seconds or self.default_seconds

    def is_over(self, now: int) -> bool:
        return now - (self._started or now) >= round(self.seconds * SECOND) or all(
            connection.is_closing for connection in self._dead
        )

    def _lose(self, feed: str, outgoing: Outgoing) -> None:
        self.note(self.floor.protocols[feed].venue, outgoing.trades)
        if not outgoing.holders:
            # A replay would play it again to whoever comes next.
            outgoing.written = True


class ServerShutdown(Fault):
    """Binance's announcement that a server goes: every open connection gets it, and is cut after ``seconds``."""

    venues = ("binance", "binance-us")

    def __init__(self, order: FaultOrder, number: int, floor: "Floor", *, seed: int) -> None:
        super().__init__(order, number, floor, seed=seed)
        self._told: list[Connection] = []

    def start(self, now: int) -> None:
        body = b'{"e":"serverShutdown","E":%d}' % (now // 1_000_000)
        for feed in self.feeds:
            for connection in self.floor.connections(feed):
                self.hits += 1
                connection.send(Outgoing(body, ("!serverShutdown",)))
                connection.flush()
                self._told.append(connection)

    def stop(self, now: int) -> None:
        for connection in self._told:
            self.floor.cut_off(connection, "fault")
        self._told.clear()

    def report(self) -> dict[str, Any]:
        return {**super().report(), "still_open": sum(not connection.is_closing for connection in self._told)}
