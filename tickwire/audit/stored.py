"""The ids of one symbol that the lake holds, gathered from its files in any order."""

from dataclasses import dataclass, field

import numpy as np

from tickwire.columns import Int64
from tickwire.intervals import IntervalSet


@dataclass(slots=True)
class StoredIds:
    """Ids found so far. What it takes grows with the holes between them, not with their number.

    Attributes
    ----------
    ids : each id that has a row
    twice : ids that have more than one
    rows : number of rows
    """

    ids: IntervalSet = field(default_factory=IntervalSet)
    twice: IntervalSet = field(default_factory=IntervalSet)
    rows: int = 0

    def add(self, trade_ids: Int64) -> None:
        """Take in the ids of some rows, in any order."""
        if not len(trade_ids):
            return
        self.rows += len(trade_ids)
        ordered = np.sort(trade_ids)
        again = np.flatnonzero(ordered[1:] == ordered[:-1])
        for first, last in _runs(np.unique(ordered[again])) if len(again) else ():
            self.twice.add(first, last)
        for first, last in _runs(np.unique(ordered) if len(again) else ordered):
            for known in self.ids.within(first, last):
                self.twice.add(*known)
            self.ids.add(first, last)


def _runs(rising: Int64) -> list[tuple[int, int]]:
    """Give the runs of rising, distinct ids, at least one."""
    breaks = np.flatnonzero(np.diff(rising) != 1)
    firsts = rising[np.concatenate(([0], breaks + 1))].tolist()
    return list(zip(firsts, rising[np.concatenate((breaks, [len(rising) - 1]))].tolist(), strict=True))
