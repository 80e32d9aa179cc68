"""Faults of the venue: its clock, its matching, its REST API, its maintenance."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from local.exchange.faults.fault import SECOND, Fault
from local.exchange.faults.order import FaultOrder, FaultRefused
from local.exchange.rest.venue import Answer, RestVenue
from local.exchange.venues.kraken import status_body
from local.exchange.venues.protocol import EVERYONE, Outgoing

if TYPE_CHECKING:
    from local.exchange.floor import Floor
    from local.exchange.market import Market


class MarketFault(Fault, ABC):
    """Acts on simulated markets; its account has the ids that they used meanwhile."""

    def __init__(self, order: FaultOrder, number: int, floor: "Floor", *, seed: int) -> None:
        super().__init__(order, number, floor, seed=seed)
        self._first_ids: list[tuple[Market, int]] = []
        if not self.markets():
            raise FaultRefused(f"{order.kind} needs the simulated market: a recording's trades are made")

    def start(self, now: int) -> None:
        self._first_ids = [(market, market.next_id) for market in self.markets()]
        self._shift(1)

    def stop(self, now: int) -> None:
        self._shift(-1)
        self._note_ids()
        self._first_ids = []

    def report(self) -> dict[str, Any]:
        self._note_ids()
        return super().report()

    @abstractmethod
    def _shift(self, sign: int) -> None:
        """Begin (1) or end (-1) what it does to each market."""

    def _note_ids(self) -> None:
        for market, first in self._first_ids:
            if market.next_id > first:
                self.note(market.spec.venue, [(market.spec.symbol, first, market.next_id - 1)])


class ClockJump(MarketFault):
    """Puts the venue's clock ``offset`` seconds ahead; trades keep the wrong times, in REST too."""

    def _shift(self, sign: int) -> None:
        offset = sign * round(self.order.offset * SECOND)
        for market, _ in self._first_ids:
            market.clock_offset += offset
        if self.order.symbol is None:
            for feed in self.feeds:
                self.floor.clock_offsets[feed] = self.floor.clock_offsets.get(feed, 0) + offset


class VenueOutage(MarketFault):
    """A hole that the venue itself has: ids are used up and nobody has the trades, REST neither.

    With a ``count`` each market skips exactly so many ids at once, otherwise all of some seconds.
    """

    def start(self, now: int) -> None:
        super().start(now)
        if self.order.count is not None:
            for market, _ in self._first_ids:
                market.skip_ids(self.order.count)

    def _shift(self, sign: int) -> None:
        if self.order.count is None:
            for market, _ in self._first_ids:
                market.outages += sign

    def is_over(self, now: int) -> bool:
        return self.order.count is not None or super().is_over(now)


class Maintenance(Fault):
    """Kraken's maintenance: its status says so, nothing is traded or quoted, and REST is unavailable."""

    venues = ("kraken",)

    def start(self, now: int) -> None:
        self._change(1)

    def stop(self, now: int) -> None:
        self._change(-1)

    def _change(self, sign: int) -> None:
        for market in self.markets():
            market.pauses += sign
        for feed in self.feeds:
            desk = self.floor.protocols[feed].desk
            desk.maintenances += sign
            for connection in self.floor.connections(feed):
                self.hits += sign > 0
                connection.send(Outgoing(status_body(desk.system), (EVERYONE,)))
                connection.flush()

    def refuse(self, rest: RestVenue, address: str, now: int) -> Answer | None:
        """Give what REST answers meanwhile."""
        return rest.unavailable() if self.is_active else None


class RestFault(Fault, ABC):
    """Answers requests to a venue's REST API in the place of the history. ``count`` counts requests."""

    def refuse(self, rest: RestVenue, address: str, now: int) -> Answer | None:
        """Give the answer to a request that is hit; None lets it through."""
        if not self.is_active or not self.by_chance():
            return None
        self.hits += 1
        return self._answer(rest, address, now)

    @abstractmethod
    def _answer(self, rest: RestVenue, address: str, now: int) -> Answer:
        """Give the answer."""

    def _may_arm(self) -> bool:
        # A client may ask for history before it subscribes.
        return True


class RestOutage(RestFault):
    """The venue's REST API is down: it says so, or breaks the connection (``mode`` ``abort``)."""

    def _answer(self, rest: RestVenue, address: str, now: int) -> Answer:
        return BROKEN if self.order.mode == "abort" else rest.unavailable()


class RestThrottle(RestFault):
    """The venue refuses requests as too many; Binance shuts out who goes on asking."""

    def _answer(self, rest: RestVenue, address: str, now: int) -> Answer:
        return rest.throttle(address, now, seconds=self.order.retry_after)


BROKEN = Answer(b"", 0)
"""No answer: the connection breaks."""
