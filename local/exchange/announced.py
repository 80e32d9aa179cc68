"""Which trade ids were truly written to at least one subscriber's socket."""

from collections import defaultdict

from tickwire.intervals import IntervalSet


class Announced:
    """The ids by ``venue:SYMBOL``."""

    def __init__(self) -> None:
        self._ids: defaultdict[str, IntervalSet] = defaultdict(IntervalSet)

    def add(self, key: str, first: int, last: int) -> None:
        """Add the ids ``first`` to ``last``; those already there change nothing."""
        self._ids[key].add(first, last)

    def report(self) -> dict[str, dict[str, object]]:
        """Give ``{"venue:SYMBOL": {"ranges": [[first, last], …], "trades": n}}``."""
        return {
            key: {"ranges": [list(pair) for pair in ids.ranges()], "trades": ids.count}
            for key, ids in sorted(self._ids.items())
        }

    @property
    def trades(self) -> int:
        """Distinct trades over all symbols."""
        return sum(ids.count for ids in self._ids.values())
