"""A limit order book's best levels, as a venue with a depth-10 feed shows them."""

from random import Random

from local.exchange.events import Levels

DEPTH = 10
_KEPT = 16
"""Levels held a side: some behind the shown ten, so that a deleted one has a successor."""


class LimitBook:
    """Bids and asks by price (units of the market's tick), sizes in units of 10**-8."""

    __slots__ = ("_asks", "_bids", "_gap", "_random", "_typical_size")

    def __init__(self, random: Random, *, gap: int, typical_size: int) -> None:
        self._random = random
        self._gap = max(1, gap)
        self._typical_size = typical_size
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def top(self) -> tuple[Levels, Levels]:
        """Give the ten best bids and asks, best first."""
        bids = sorted(self._bids.items(), reverse=True)[:DEPTH]
        return tuple(bids), tuple(sorted(self._asks.items())[:DEPTH])

    def requote(self, *, bid: int, bid_size: int, ask: int, ask_size: int) -> tuple[Levels, Levels]:
        """Set the best bid and offer and let makers fill up behind them.

        Gives the level changes that take a reader from the ten best before to the ten best
        after: size 0 deletes; a level that better ones only push out of the ten is not told,
        as a reader truncates by itself.
        """
        old_bids, old_asks = self.top()
        self._bids = {price: size for price, size in self._bids.items() if price < bid}
        self._asks = {price: size for price, size in self._asks.items() if price > ask}
        self._bids[bid] = bid_size
        self._asks[ask] = ask_size
        self._fill(self._bids, min(self._bids), -1)
        self._fill(self._asks, max(self._asks), 1)
        new_bids, new_asks = self.top()
        return _changes(old_bids, new_bids, self._bids), _changes(old_asks, new_asks, self._asks)

    def _fill(self, levels: dict[int, int], worst: int, direction: int) -> None:
        random = self._random
        while len(levels) < _KEPT:
            worst += direction * random.randint(1, 2 * self._gap)
            if worst < 1:
                return
            levels[worst] = self._size()
        for price in sorted(levels, reverse=direction < 0)[_KEPT:]:
            del levels[price]
        if len(levels) > 2 and random.random() < 0.4:
            levels[random.choice(sorted(levels)[1:-1])] = self._size()

    def _size(self) -> int:
        return int(self._random.lognormvariate(0.0, 1.6) * self._typical_size) + 1


def _changes(before: Levels, after: Levels, levels: dict[int, int]) -> Levels:
    shown = dict(before)
    deleted = tuple((price, 0) for price, _ in before if price not in levels)
    return deleted + tuple((price, size) for price, size in after if shown.get(price) != size)
