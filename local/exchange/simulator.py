"""The simulated market of all venues: a pure, seeded function of time."""

import heapq
from collections.abc import Sequence
from enum import IntEnum
from random import Random

from local.exchange import arrivals
from local.exchange.arrivals import SECOND
from local.exchange.catalogue import ASSET_USD, MARKETS, MarketSpec
from local.exchange.events import Event
from local.exchange.market import Market
from local.exchange.prices import AssetPrice
from tickwire.columns import Side

DEFAULT_RATE = 300.0
"""Trades a second over all markets."""

_IDLE_QUOTES = 0.4
"""Quote changes without a trade, for each trade that is expected."""
_QUIET_IDLE_QUOTES = 3.0
_BURST_SHARE = 0.1
"""Bursts make at most this share of all trades."""
_BURST_MIN_SECONDS = 45.0
_BURST_TRADES = (700, 1_100)
_BURST_SIDE = 0.85
"""Share of a burst's trades on its main side."""
_LIQUID_WEIGHT = 5.0
"""Bursts come by themselves on markets of at least this weight."""


class _Kind(IntEnum):
    IMMIGRANT = 0
    CHILD = 1
    QUOTE = 2
    BURST = 3
    BURST_TRADE = 4


class Simulator:
    """All markets, advanced in time by :meth:`step`.

    The events depend on the arguments, on the bursts and the faults that were asked for and on
    nothing else: not on how time is cut into steps.
    """

    def __init__(
        self,
        seed: int,
        *,
        start: int = 1_767_225_600 * SECOND,
        rate: float = DEFAULT_RATE,
        first_burst: int = 10 * SECOND,
        markets: Sequence[MarketSpec] = MARKETS,
    ) -> None:
        """Open the markets.

        Parameters
        ----------
        start : ns UTC of the first instant
        rate : mean trades a second over all markets, bursts included
        first_burst : ns after ``start`` when the first burst comes by itself
        """
        if rate <= 0:
            raise ValueError(f"the rate must be above 0 trades a second, not {rate}")
        self._random = seeded(seed, "bursts")
        assets = {
            name: AssetPrice(seeded(seed, "asset", name), price, start=start) for name, price in ASSET_USD.items()
        }
        self.markets = {
            spec.key: Market(spec, assets[spec.base], seeded(seed, "market", spec.key), start=start) for spec in markets
        }
        self._market_random = {spec.key: seeded(seed, "arrivals", spec.key) for spec in markets}
        self._schedule: list[tuple[int, int, _Kind, str, Side]] = []
        self._scheduled = 0
        self.time = start
        mean_burst = sum(_BURST_TRADES) / 2
        self._burst_seconds = max(_BURST_MIN_SECONDS, mean_burst / (_BURST_SHARE * rate))
        self._trades = _market_trades(markets, rate, rate - mean_burst / self._burst_seconds)
        idle = {spec.key: _QUIET_IDLE_QUOTES if spec.quiet_rate else _IDLE_QUOTES for spec in markets}
        self._rates = {key: (arrivals.immigrant_rate(mean), idle[key] * mean) for key, mean in self._trades.items()}
        for spec in markets:
            self._schedule_next(start, _Kind.IMMIGRANT, spec.key)
            self._schedule_next(start, _Kind.QUOTE, spec.key)
        self._liquid = [spec for spec in markets if spec.weight >= _LIQUID_WEIGHT]
        if self._liquid:
            self._push(start + first_burst, _Kind.BURST, self._burst_market())

    def step(self, until: int) -> list[Event]:
        """Give everything that happens after the last step up to and including ``until`` (ns UTC), in order."""
        events: list[Event] = []
        schedule = self._schedule
        while schedule and schedule[0][0] <= until:
            time, _, kind, key, side = heapq.heappop(schedule)
            if kind is _Kind.QUOTE:
                self._schedule_next(time, kind, key)
                if self.markets[key].pauses:
                    continue
                quote, book = self.markets[key].requote(time)
                events.append(quote)
                if book is not None:
                    events.append(book)
            elif kind is _Kind.BURST:
                self.burst(key, trades=self._random.randint(*_BURST_TRADES), duration=SECOND, at=time)
                pause = int(self._burst_seconds * self._random.uniform(0.6, 1.4) * SECOND)
                self._push(time + pause, _Kind.BURST, self._burst_market())
            else:
                self._order(events, time, kind, key, side)
        self.time = max(self.time, until)
        return events

    def trades_per_second(self, key: str) -> float:
        """Give the mean rate of a market without bursts."""
        return self._trades[key]

    def burst(self, key: str, *, trades: int, duration: int, at: int | None = None) -> None:
        """Schedule a cascade: exactly ``trades`` one-trade orders within ``duration`` ns from ``at`` (default: now).

        Raises
        ------
        KeyError
            If no market has this ``venue:SYMBOL`` key.
        """
        if key not in self.markets:
            raise KeyError(key)
        random = self._market_random[key]
        start = self.time if at is None else at
        main, other = (Side.BUY, Side.SELL) if random.random() < 0.5 else (Side.SELL, Side.BUY)
        for offset in arrivals.burst_offsets(random, trades, duration):
            side = main if random.random() < _BURST_SIDE else other
            self._push(start + offset, _Kind.BURST_TRADE, key, side)

    def _order(self, events: list[Event], time: int, kind: _Kind, key: str, side: Side | None) -> None:
        random = self._market_random[key]
        market = self.markets[key]
        if kind is _Kind.BURST_TRADE:
            fills = 1
        else:
            if kind is _Kind.IMMIGRANT:
                self._schedule_next(time, kind, key)
            for delay in arrivals.children(random):
                self._push(time + delay, _Kind.CHILD, key)
            fills, side = arrivals.order_fills(random), None
        if not market.pauses:
            events.extend(event for event in market.trade(time, fills=fills, side=side) if event is not None)

    def _schedule_next(self, time: int, kind: _Kind, key: str) -> None:
        immigrants, quotes = self._rates[key]
        rate = immigrants if kind is _Kind.IMMIGRANT else quotes
        self._push(time + arrivals.next_gap(self._market_random[key], rate), kind, key)

    def _push(self, time: int, kind: _Kind, key: str, side: Side = Side.UNKNOWN) -> None:
        # The running number breaks ties of time the same way in every run.
        self._scheduled += 1
        heapq.heappush(self._schedule, (time, self._scheduled, kind, key, side))

    def _burst_market(self) -> str:
        return self._random.choices(self._liquid, [spec.weight for spec in self._liquid])[0].key


def seeded(seed: int, *purpose: str) -> Random:
    """Give a generator of its own to each purpose, so that one's draws do not shift another's."""
    return Random(":".join((str(seed), *purpose)))  # noqa: S311 - a market is simulated, nothing is kept secret


def _market_trades(markets: Sequence[MarketSpec], rate: float, steady: float) -> dict[str, float]:
    """Give each market's trades a second, for ``steady`` a second in all."""
    # A very slow simulation slows its quiet pairs too, or they would be most of it.
    quiet_factor = min(1.0, rate / 50.0)
    quiet = sum(spec.quiet_rate for spec in markets) * quiet_factor
    weights = sum(spec.weight for spec in markets) or 1.0
    return {
        spec.key: spec.quiet_rate * quiet_factor + max(0.0, steady - quiet) * spec.weight / weights for spec in markets
    }
