"""A fault's life: waiting, active, ended; and its account of what it did."""

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from local.exchange.faults.order import FaultOrder, FaultRefused, as_given
from local.exchange.market import Market
from local.exchange.venues.protocol import Outgoing, TradeRange
from tickwire.intervals import IntervalSet

if TYPE_CHECKING:
    from local.exchange.floor import Floor

SECOND = 1_000_000_000


class FaultState(StrEnum):
    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"


class Fault:
    """One order under way.

    Attributes
    ----------
    ids : by ``venue:SYMBOL``, the trades that it touched: sent twice, sent late, not sent, lost,
        dated wrongly
    hits : how many frames, connections or requests it touched
    """

    default_seconds: ClassVar[float] = 10.0
    venues: ClassVar[tuple[str, ...]] = ()
    """Where it can happen; empty: everywhere."""

    def __init__(self, order: FaultOrder, number: int, floor: "Floor", *, seed: int) -> None:
        """Take an order.

        Raises
        ------
        FaultRefused
            If it cannot be carried out here.
        """
        self.order = order
        self.number = number
        self.floor = floor
        # Each fault has its own chance, so that the same orders hit the same frames whatever else goes on.
        source = seed if order.seed is None else order.seed
        self.random = Random(f"{source}:{number}:{order.kind}")  # noqa: S311 - chance, not secrecy
        self.state = FaultState.WAITING
        self.feeds = self._choose_feeds()
        self.ids: defaultdict[str, IntervalSet] = defaultdict(IntervalSet)
        self.hits = 0
        self._armed: int | None = None
        self._started: int | None = None
        self._ended: int | None = None

    def tick(self, now: int) -> None:
        """Start or end it where that is due at ``now`` (ns UTC)."""
        if self.state is FaultState.WAITING:
            if self._armed is None and self._may_arm():
                self._armed = now
            if self._armed is not None and now >= self._armed + round(self.order.after * SECOND):
                self.state, self._started = FaultState.ACTIVE, now
                self.start(now)
        if self.state is FaultState.ACTIVE:
            self.go_on(now)
            if self.is_over(now):
                self.end(now)

    def end(self, now: int) -> None:
        """End it, whether or not it is due."""
        if self.state is FaultState.ACTIVE:
            self.stop(now)
        if self.state is not FaultState.ENDED:
            self.state, self._ended = FaultState.ENDED, now

    def start(self, now: int) -> None:
        """Do what it does at its start."""

    def go_on(self, now: int) -> None:
        """Do what it does meanwhile; called about every 10 ms."""

    def stop(self, now: int) -> None:
        """Put right what it did."""

    def is_over(self, now: int) -> bool:
        """Tell whether its time or its count is used up."""
        return self.used_up() or now - (self._started or 0) >= round(self.seconds * SECOND)

    def used_up(self) -> bool:
        """Tell whether its count is reached."""
        return self.order.count is not None and self.hits >= self.order.count

    @property
    def seconds(self) -> float:
        """How long it lasts at most: bounded even where only a count was ordered."""
        if self.order.seconds is not None:
            return self.order.seconds
        return self.default_seconds if self.order.count is None else 3_600.0

    @property
    def is_active(self) -> bool:
        return self.state is FaultState.ACTIVE and not self.used_up()

    def concerns(self, symbols: Iterable[str]) -> bool:
        """Tell whether one of these canonical symbols is meant."""
        return self.order.symbol is None or self.order.symbol in symbols

    def by_chance(self) -> bool:
        """Draw whether this one is hit."""
        return self.random.random() < self.order.share

    def note(self, venue: str, trades: Iterable[TradeRange]) -> None:
        """Add trades to the account."""
        for symbol, first, last in trades:
            self.ids[f"{venue}:{symbol}"].add(first, last)

    def note_frame(self, feed: str, outgoing: Outgoing) -> None:
        """Count a frame and its trades."""
        self.hits += 1
        self.note(self.floor.protocols[feed].venue, outgoing.trades)

    def markets(self) -> list[Market]:
        """Give the simulated markets concerned, each once; the two Coinbase feeds show the same ones."""
        found: dict[str, Market] = {}
        for feed in self.feeds:
            for symbol, market in self.floor.protocols[feed].desk.markets.items():
                if market is not None and self.concerns((symbol,)):
                    found[market.spec.key] = market
        return list(found.values())

    def report(self) -> dict[str, Any]:
        """Give its account."""
        return {
            "number": self.number,
            "order": as_given(self.order),
            "feeds": list(self.feeds),
            "state": self.state.value,
            "started": self._started,
            "ended": self._ended,
            "hits": self.hits,
            "ids": {key: [list(pair) for pair in ids.ranges()] for key, ids in sorted(self.ids.items())},
        }

    def _may_arm(self) -> bool:
        return any(self.floor.interest(feed) for feed in self.feeds)

    def _choose_feeds(self) -> tuple[str, ...]:
        """Find where it happens; raises ``FaultRefused`` where that is nowhere."""
        order, protocols = self.order, self.floor.protocols
        if order.feed is not None and order.feed not in protocols:
            raise FaultRefused(f"no feed {order.feed}; there are {', '.join(protocols)}")
        feeds = [
            name
            for name, protocol in protocols.items()
            if order.feed in (None, name)
            and (not self.venues or protocol.venue in self.venues)
            and (order.symbol is None or order.symbol in protocol.desk.markets)
        ]
        if feeds:
            return tuple(feeds)
        if order.symbol is not None:
            raise FaultRefused(f"no symbol {order.symbol} at {order.feed or 'any feed'}")
        raise FaultRefused(f"{order.kind} happens only at {', '.join(self.venues)}")
