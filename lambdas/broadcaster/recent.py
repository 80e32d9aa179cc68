"""What was said in the last seconds, for clients that have just subscribed. Pure."""

from collections import defaultdict, deque
from typing import NamedTuple

from lambdas.broadcaster.conflation import Conflated
from lambdas.broadcaster.partition import Numbered
from lambdas.broadcaster.value import Key

KEPT_SECONDS = 3.0
"""Longer than a broadcaster takes to hear of a client, and then to the next flush."""


class _Moment(NamedTuple):
    time: float
    source: int
    numbered: Numbered


class Recent:
    """Keeps updates for ``KEPT_SECONDS``. A snapshot that was read in that time ends where these begin, or later."""

    def __init__(self) -> None:
        self._moments: dict[Key, deque[_Moment]] = defaultdict(deque)
        self._order: deque[tuple[float, Key]] = deque()

    def add(self, source: int, numbered: Numbered, *, now: float) -> None:
        """Keep an update (``now``: s, monotonic)."""
        while self._order and now - self._order[0][0] > KEPT_SECONDS:
            _, key = self._order.popleft()
            self._moments[key].popleft()
            if not self._moments[key]:
                del self._moments[key]
        self._moments[numbered.key].append(_Moment(now, source, numbered))
        self._order.append((now, numbered.key))

    def spoken_of(self) -> list[Key]:
        """Give the keys that something was said of."""
        return list(self._moments)

    def of(self, key: Key, *, now: float) -> dict[int, Conflated]:
        """Give, by source, what was said of a key in the last seconds."""
        found: dict[int, Conflated] = defaultdict(Conflated)
        for moment in self._moments.get(key, ()):
            if now - moment.time <= KEPT_SECONDS:
                found[moment.source].add(moment.numbered.span, moment.numbered.said)
        return dict(found)
