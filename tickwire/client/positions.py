"""What a client has seen of each numbered source, and what it has missed.

The numbers are those of docs/websocket-api.md: dense integers from 1 for each
topic, symbol and source.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

Key = tuple[str, str]
"""(topic, symbol)"""


@dataclass
class _Source:
    complete: int | None = None
    beyond: list[tuple[int, int]] = field(default_factory=list)

    @property
    def holed(self) -> bool:
        # What came before the snapshot leaves no hole: the snapshot may hold all of it.
        return self.complete is not None and bool(self.beyond)

    def absorb(self) -> None:
        if self.complete is None:
            return
        while self.beyond and self.beyond[0][0] <= self.complete + 1:
            self.complete = max(self.complete, self.beyond.pop(0)[1])


class Positions:
    """Positions by topic and symbol, then by source.

    Parameters
    ----------
    most_ranges
        How many ranges after a hole are kept for each source; later ones are
        forgotten, so that a replay brings them again.
    """

    def __init__(self, most_ranges: int = 64) -> None:
        self._most_ranges = most_ranges
        self._sources: dict[Key, dict[int, _Source]] = {}
        self._begun: set[Key] = set()
        # Asked for after every message, so kept rather than looked for in all keys.
        self._holed: set[Key] = set()

    def snapshot(self, key: Key, positions: Mapping[int, int]) -> None:
        """Take a snapshot that holds each source up to its number in `positions`."""
        self._begun.add(key)
        sources = self._sources.setdefault(key, {})
        for number in positions:
            sources.setdefault(number, _Source())
        for number, source in sources.items():
            source.complete = max(source.complete or 0, positions.get(number, 0))
            source.absorb()
        self._look_for_holes(key)

    def update(self, key: Key, source: int, first: int, last: int) -> None:
        """Take an item that covers `first`..`last`; a part that is not the last covers nothing.

        A source that is new to a key whose snapshot has come begins at 0, and so does one of which this is the
        first item: there was nothing of it for a snapshot.
        """
        if last < first:
            return
        if first == 1:
            self._begun.add(key)
        begins = _Source(complete=0 if key in self._begun else None)
        seen = self._sources.setdefault(key, {}).setdefault(source, begins)
        ranges: list[tuple[int, int]] = []
        for low, high in sorted([*seen.beyond, (first, last)]):
            if ranges and low <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(ranges[-1][1], high))
            else:
                ranges.append((low, high))
        seen.beyond = ranges
        seen.absorb()
        del seen.beyond[self._most_ranges :]
        self._look_for_holes(key)

    def reset(self, key: Key, source: int) -> None:
        """Forget a source; the snapshot that follows brings its position anew."""
        self._begun.discard(key)
        self._sources.get(key, {}).pop(source, None)
        self._look_for_holes(key)

    def complete(self, key: Key, source: int) -> int:
        """Up to where one source is complete; 0 where that is not known."""
        seen = self._sources.get(key, {}).get(source)
        return (seen.complete or 0) if seen else 0

    @property
    def holed(self) -> Set[Key]:
        """The keys of :meth:`holes`."""
        return self._holed

    def known(self) -> dict[Key, dict[int, int]]:
        """Up to where each source is complete: what a new connection resumes from."""
        found = {
            key: {n: s.complete for n, s in sources.items() if s.complete is not None}
            for key, sources in self._sources.items()
        }
        return {key: numbers for key, numbers in found.items() if numbers}

    def holes(self) -> dict[Key, dict[int, int]]:
        """The positions before each hole: what to resume from on this connection."""
        return {key: {n: s.complete or 0 for n, s in self._sources[key].items() if s.holed} for key in self._holed}

    def _look_for_holes(self, key: Key) -> None:
        if any(source.holed for source in self._sources.get(key, {}).values()):
            self._holed.add(key)
        else:
            self._holed.discard(key)
