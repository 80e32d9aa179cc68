"""All faults of an exchange: those to come, under way and over."""

import heapq
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from local.exchange.faults.fault import Fault, FaultState
from local.exchange.faults.order import FaultKind, FaultOrder, FaultRefused
from local.exchange.faults.sockets import Disconnect, HalfOpen, ServerShutdown
from local.exchange.faults.venue import ClockJump, Maintenance, RestFault, RestOutage, RestThrottle, VenueOutage
from local.exchange.faults.wire import Duplicate, Garbage, Hole, Reorder, SilentStream, WireFault
from local.exchange.rest.venue import Answer, RestVenue
from local.exchange.venues.protocol import Outgoing

if TYPE_CHECKING:
    from local.exchange.floor import Floor

MAX_FAULTS = 256
"""Faults kept, those that are over included; further orders are refused."""
MAX_LATE_FRAMES = 100_000
"""Frames on hold; beyond that they are not late."""

_FAULTS: Mapping[FaultKind, type[Fault]] = {
    FaultKind.DUPLICATE: Duplicate,
    FaultKind.REORDER: Reorder,
    FaultKind.HOLE: Hole,
    FaultKind.GARBAGE: Garbage,
    FaultKind.DISCONNECT: Disconnect,
    FaultKind.HALF_OPEN: HalfOpen,
    FaultKind.SILENT_STREAM: SilentStream,
    FaultKind.CLOCK_JUMP: ClockJump,
    FaultKind.REST_OUTAGE: RestOutage,
    FaultKind.REST_THROTTLE: RestThrottle,
    FaultKind.MAINTENANCE: Maintenance,
    FaultKind.SERVER_SHUTDOWN: ServerShutdown,
}


class Faults:
    """Takes orders, and stands where frames, connections and requests pass."""

    def __init__(self, floor: "Floor", *, seed: int = 1) -> None:
        self._floor = floor
        self._seed = seed
        self._faults: list[Fault] = []
        self._wire: dict[str, list[WireFault]] = {}
        self._late: list[tuple[int, int, str, Outgoing]] = []
        self._delayed = 0

    def order(self, orders: Iterable[FaultOrder]) -> list[Fault]:
        """Take orders, all or none; those that are due start at once.

        Raises
        ------
        FaultRefused
            If one of them cannot be carried out.
        """
        new: list[Fault] = []
        for order in orders:
            number = len(self._faults) + len(new) + 1
            if number > MAX_FAULTS:
                raise FaultRefused(f"an exchange takes {MAX_FAULTS} faults at most")
            kind = VenueOutage if order.venue_outage else _FAULTS[order.kind]
            new.append(kind(order, number, self._floor, seed=self._seed))
        self._faults += new
        self.tick()
        return new

    def tick(self) -> None:
        """Start and end what is due, and let go of frames that were late enough."""
        now = self._floor.now()
        for fault in self._faults:
            if fault.state is not FaultState.ENDED:
                fault.tick(now)
        self._wire = {}
        for fault in self._faults:
            if isinstance(fault, WireFault) and fault.is_active:
                for feed in fault.feeds:
                    self._wire.setdefault(feed, []).append(fault)
        self._let_go(now)

    def end_all(self) -> None:
        """End every fault, and send what is late."""
        now = self._floor.now()
        for fault in self._faults:
            fault.end(now)
        self.tick()
        self.send_late_frames()

    def distort(self, feed: str, frames: Iterable[Outgoing]) -> Iterable[Outgoing]:
        """Give what becomes of a feed's frames."""
        faults = self._wire.get(feed)
        if not faults:
            return frames
        now = self._floor.now()
        for fault in faults:
            frames = [after for before in frames for after in fault.take(feed, before, now)]
        return frames

    def delay(self, feed: str, outgoing: Outgoing, due: int) -> None:
        """Keep a frame back until a moment (ns UTC)."""
        if len(self._late) >= MAX_LATE_FRAMES:
            due = 0
        # It counts as held, so that a replay does not take it for lost.
        outgoing.holders += 1
        self._delayed += 1
        heapq.heappush(self._late, (due, self._delayed, feed, outgoing))

    def send_late_frames(self) -> None:
        """Send all that is kept back."""
        self._let_go(None)
        self._floor.flush()

    def refuses_connections(self, feed: str) -> bool:
        """Tell whether a feed takes no new connections."""
        now = self._floor.now()
        return any(isinstance(one, Disconnect) and feed in one.feeds and one.refuses(now) for one in self._faults)

    def rest_answer(self, rest: RestVenue, address: str) -> Answer | None:
        """Give what a fault answers to a REST request in the place of the history; None: no fault does."""
        now = self._floor.now()
        for fault in self._faults:
            if isinstance(fault, RestFault | Maintenance) and any(
                self._floor.protocols[feed].venue == rest.venue for feed in fault.feeds
            ):
                answer = fault.refuse(rest, address, now)
                if answer is not None:
                    return answer
        return None

    def report(self) -> list[dict[str, Any]]:
        """Give the account of every fault."""
        return [fault.report() for fault in self._faults]

    @property
    def late_frames(self) -> int:
        """Frames that are kept back now."""
        return len(self._late)

    def _let_go(self, now: int | None) -> None:
        late = self._late
        while late and (now is None or late[0][0] <= now):
            _, _, feed, outgoing = heapq.heappop(late)
            outgoing.holders -= 1
            frames = [outgoing]
            for fault in self._wire.get(feed, ()):
                if fault.holds:
                    frames = [after for one in frames for after in fault.take(feed, one, self._floor.now())]
            self._floor.send(feed, frames)
