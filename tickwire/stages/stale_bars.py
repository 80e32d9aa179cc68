"""Bars that have to be recomputed from the lake, until a record has carried word of them."""

from dataclasses import dataclass, field

from tickwire.records import StaleBar

MAX_STALE_BARS = 3_000
"""Stale bars in one record, about 32 bytes each, so that it stays below its size limit."""

BarGroup = tuple[str, str, int]
"""Venue, symbol, interval in seconds."""


@dataclass(slots=True)
class StaleBars:
    """Collects stale bars; what does not fit into a record waits for the partition's next one.

    ``waiting`` holds, by group, the trades of each bar's start (ns UTC) that came too late. It grows
    only while one backfill brings more late bars a record than one can carry, by a few bytes each.
    """

    waiting: dict[BarGroup, dict[int, int]] = field(default_factory=dict)

    def add(self, group: BarGroup, start: int, trades: int) -> None:
        """Take in that a bar lacks ``trades``."""
        starts = self.waiting.setdefault(group, {})
        starts[start] = starts.get(start, 0) + trades

    def take(self, limit: int = MAX_STALE_BARS) -> tuple[StaleBar, ...]:
        """Give at most ``limit`` that wait, each bar once, and forget them.

        The symbol that did not get all its own through stands at the end of the line next time.
        """
        taken: list[StaleBar] = []
        for group in list(self.waiting):
            if len(taken) == limit:
                break
            starts = self.waiting.pop(group)
            chosen = sorted(starts)[: limit - len(taken)]
            taken += [StaleBar(*group, start, starts.pop(start)) for start in chosen]
            if starts:
                self.waiting[group] = starts
        return tuple(taken)
