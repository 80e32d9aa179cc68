"""What fills the exchange: a simulated market, or recordings."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from local.exchange.arrivals import SECOND
from local.exchange.catalogue import ASSET_USD, FEED_VENUES, MARKETS, SIZE_PLACES, USD_PER_QUOTE
from local.exchange.events import Event, Execution
from local.exchange.listings import listings
from local.exchange.past import past_minutes, price_path
from local.exchange.simulator import Simulator, seeded
from local.exchange.tape import Tapes
from local.exchange.venues.protocol import Desk

if TYPE_CHECKING:
    from local.exchange.floor import Floor

TICK_SECONDS = 0.005
"""How often the simulated market is advanced: the most that a trade waits before it is sent."""

_MAX_STEP = SECOND // 4
_WARM_UP_SECONDS = 60
_WARM_UP_TRADES = 10_000


class Source(ABC):
    """Where the frames come from.

    ``desks`` gives a desk for each feed that the source fills, ``tapes`` the trades made so far.
    """

    name: str
    desks: dict[str, Desk]
    tapes: Tapes

    @abstractmethod
    async def run(self, floor: "Floor") -> None:
        """Publish frames until the source is played to its end or stopped."""

    @abstractmethod
    def stop(self) -> None:
        """End gracefully: publish nothing new."""

    def catalogue(self) -> dict[str, list[str]]:
        """Give the canonical symbols of each feed."""
        return {feed: list(desk.markets) for feed, desk in self.desks.items()}

    def burst(self, symbol: str, *, trades: int, milliseconds: int) -> str:
        """Make a burst on a market and give its ``venue:SYMBOL``.

        Raises
        ------
        LookupError
            If the source cannot, or has no such market.
        """
        raise LookupError(f"{self.name} makes no bursts")

    def report(self) -> dict[str, Any]:
        """Give what else ``/control/state`` should say."""
        return {}


class SimulatorSource(Source):
    """The simulated market, advanced by the clock of the floor."""

    name = "simulator"

    def __init__(self, *, seed: int, rate: float, now: int, also: Sequence[str] = ()) -> None:
        """Open the markets at ``now`` (ns UTC), with enough past for the snapshots of the first subscribers.

        ``also`` names listings that are served besides those of the default catalogue.
        """
        warm_up = int(min(_WARM_UP_SECONDS, _WARM_UP_TRADES / rate) * SECOND)
        more = [listings()[name] for name in also]
        specs = MARKETS + tuple(spec for listing in more for spec in listing.markets)
        feeds = FEED_VENUES | {feed: venue for listing in more for feed, venue in listing.feeds.items()}
        self._simulator = Simulator(
            seed, start=now - warm_up, rate=rate, first_burst=warm_up + 10 * SECOND, markets=specs
        )
        self.tapes = Tapes()
        self._open_past(seed, end=now - warm_up)
        self._record(self._simulator.step(now))
        self._stopped = asyncio.Event()
        markets = self._simulator.markets.values()
        self.desks = {
            feed: Desk({market.spec.symbol: market for market in markets if market.spec.venue == venue})
            for feed, venue in feeds.items()
        }

    @property
    def time(self) -> int:
        """How far the market is simulated, ns UTC."""
        return self._simulator.time

    async def run(self, floor: "Floor") -> None:
        while not self._stopped.is_set():
            # The venues' clock is the wall's: times in frames are now. After a pause of the
            # process the market catches up in steps, between which clients can read.
            now = floor.now()
            until = min(now, self.time + _MAX_STEP)
            events = self._simulator.step(until)
            self._record(events)
            self._publish(floor, events)
            floor.flush()
            await asyncio.sleep(TICK_SECONDS if until == now else 0)

    def _open_past(self, seed: int, *, end: int) -> None:
        """Give each market the candles of the day before its first trade."""
        paths = {base: price_path(seeded(seed, "past", base)) for base in ASSET_USD}
        for key, market in self._simulator.markets.items():
            spec = market.spec
            tape = self.tapes.open(spec.venue, spec.symbol, price_places=spec.price_places, size_places=SIZE_PLACES)
            tape.past = past_minutes(
                paths[spec.base],
                seeded(seed, "past", key),
                opening=(market.bid + market.ask) // 2,
                end=end,
                trades_per_second=self._simulator.trades_per_second(key),
                unit_usd=USD_PER_QUOTE[spec.quote] / 10 ** (spec.price_places + SIZE_PLACES),
            )

    def _record(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Execution):
                self.tapes.record(event)

    @staticmethod
    def _publish(floor: "Floor", events: list[Event]) -> None:
        for feed, protocol in floor.protocols.items():
            interest = floor.interest(feed)
            if interest:
                for event in events:
                    if event.market.venue == protocol.venue:
                        floor.publish(feed, protocol.encode(event, interest))

    def stop(self) -> None:
        self._stopped.set()

    def burst(self, symbol: str, *, trades: int, milliseconds: int) -> str:
        keys = self._simulator.markets
        key = symbol if symbol in keys else next((key for key in keys if key.partition(":")[2] == symbol), None)
        if key is None:
            raise LookupError(f"no market {symbol}; there are {', '.join(keys)}")
        self._simulator.burst(key, trades=trades, duration=milliseconds * 1_000_000)
        return key
