"""The venues of the task, the symbols that the validator knows of them, and who fills what."""

import time
from collections import Counter
from typing import Any

from ecs_tasks.backfiller.lane import Lane
from ecs_tasks.backfiller.market import Market
from ecs_tasks.backfiller.metrics import Missing
from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.pause import Pause
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.backfiller.states import Sight
from ecs_tasks.backfiller.venue import Venue
from ecs_tasks.backfiller.window import FillMinutes

LATE_SECONDS = 60.0
"""Ids missing for longer are a reason to look."""


class Roster:
    """Takes in what the validator says, and gives new lanes for the host to run."""

    def __init__(
        self, settings: BackfillerSettings, *, outlet: Outlet, pause: Pause, fill_minutes: FillMinutes | None = None
    ) -> None:
        self.venues: dict[str, Venue] = {}
        """By their names in columns; the host puts them in."""
        self._settings = settings
        self._outlet = outlet
        self._pause = pause
        self._fill_minutes = fill_minutes
        self._markets: dict[tuple[str, str], Market] = {}
        self._lanes: dict[str, Lane] = {}
        self._unserved: dict[tuple[str, str], tuple[int, float]] = {}
        """Ids missing where no history can be asked, and since when some are (monotonic s)."""
        self._unreadable: dict[int, str] = {}

    def take(self, sight: Sight) -> list[Lane]:
        """Take in a look at the validator's states; gives the lanes that it needs for the first time."""
        now = time.monotonic()
        new: list[Lane] = []
        self._unreadable = dict(sight.unreadable)
        for (venue, symbol), seen in sight.symbols.items():
            if venue not in self.venues:
                ids, since = self._unserved.get((venue, symbol), (0, now))
                self._unserved[venue, symbol] = seen.missing.count, since if ids else now
                continue
            market = self._markets.get((venue, symbol))
            if market is None:
                market = self._new_market(self.venues[venue], symbol, new)
            market.observe(seen, now)
        for lane in self._lanes.values():
            lane.scanned()
        return new

    def missing(self) -> int:
        """Give how many ids are missing that can be asked for here."""
        return sum(market.missing.count for market in self._markets.values())

    def missing_by_venue(self) -> dict[str, Missing]:
        """Give what is missing, also where nobody here can ask for it."""
        now = time.monotonic()
        venues: dict[str, Missing] = {name: Missing() for name in self.venues}
        for (venue, _), market in self._markets.items():
            venues[venue].add(market.missing.count, market.oldest_seconds(now))
        for (venue, _), (ids, since) in self._unserved.items():
            venues.setdefault(venue, Missing()).add(ids, now - since if ids else 0.0)
        return venues

    def as_json(self) -> dict[str, Any]:
        """Give the counts by venue and symbol."""
        venues: dict[str, Any] = {
            name: {"held": venue.tenure.held, "trouble": venue.trouble, **venue.stats.as_json(), "symbols": {}}
            for name, venue in self.venues.items()
        }
        fills = Counter((lane.venue, symbol) for lane in self._lanes.values() for symbol, _ in lane.turns.all())
        for (name, symbol), market in self._markets.items():
            venues[name]["symbols"][symbol] = market.stats.as_json(
                last_id=market.tail.last_id, missing=market.missing.count, fills=fills[name, symbol]
            )
        return venues

    def complaints(self) -> list[str]:
        """Give what people should look at."""
        now = time.monotonic()
        found = [f"partition {partition}: {reason}" for partition, reason in sorted(self._unreadable.items())]
        found += [
            f"{venue} {symbol}: {ids} ids missing, and {venue} has no history here"
            for (venue, symbol), (ids, _) in self._unserved.items()
            if ids
        ]
        for name, one in self.venues.items():
            found += [f"{name}: {text}" for text in (one.trouble, one.tenure.trouble) if text]
        for (venue, symbol), market in self._markets.items():
            seconds = market.oldest_seconds(now)
            if seconds >= LATE_SECONDS:
                found.append(f"{venue} {symbol}: {market.missing.count} ids missing, some for {seconds:.0f} s")
        return found

    def _new_market(self, venue: Venue, symbol: str, new: list[Lane]) -> Market:
        settings = self._settings
        market = self._markets[venue.name, symbol] = Market(
            symbol,
            venue.history,
            stats=venue.stats.of(symbol),
            grace_seconds=settings.grace_seconds,
            tail_check_seconds=settings.tail_check_seconds,
            retry_seconds=settings.retry_seconds,
            max_retry_seconds=settings.max_retry_seconds,
            second_look_seconds=settings.second_look_seconds,
        )
        key = venue.history.budget_key(symbol)
        if key not in self._lanes:
            self._lanes[key] = Lane(
                key,
                venue,
                outlet=self._outlet,
                settle_seconds=settings.settle_seconds,
                fill_minutes=self._fill_minutes,
                pause=self._pause,
            )
            new.append(self._lanes[key])
        self._lanes[key].markets[symbol] = market
        return market
