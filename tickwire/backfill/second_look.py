"""Ids that a page of a venue's history lacks are called absent only when a later page lacks them too."""

from collections.abc import Iterable

from tickwire.intervals import IntervalSet

Range = tuple[int, int]


class SecondLook:
    """Remembers which ids of one symbol a page did not have, and when.

    A history served by several machines may lag on one of them and lack rows in the middle of a
    page. To be absent is final, so it takes two looks.

    Parameters
    ----------
    seconds : how far apart the looks must be; 0 believes the first one
    """

    def __init__(self, *, seconds: float) -> None:
        self.seconds = seconds
        self._looks: list[tuple[float, IntervalSet]] = []

    def take(self, ranges: Iterable[Range], now: float) -> tuple[list[Range], list[Range]]:
        """Take in ids that a page lacks at ``now``; give those confirmed, and those to look for again."""
        lacking = IntervalSet(ranges)
        if not self.seconds:
            return list(lacking.ranges()), []
        confirmed, seen = IntervalSet(), IntervalSet()
        for at, ids in self._looks:
            for span in lacking.ranges():
                for part in ids.within(*span):
                    seen.add(*part)
                    if now - at >= self.seconds:
                        confirmed.add(*part)
        fresh = lacking.difference(seen)
        if fresh:
            self._looks.append((now, fresh))
        return list(confirmed.ranges()), list(lacking.difference(confirmed).ranges())

    def keep(self, missing: IntervalSet) -> None:
        """Forget ids that are no longer missing."""
        kept = [(at, _common(ids, missing)) for at, ids in self._looks]
        self._looks = [(at, ids) for at, ids in kept if ids]


def _common(ids: IntervalSet, missing: IntervalSet) -> IntervalSet:
    return IntervalSet(part for span in ids.ranges() for part in missing.within(*span))
