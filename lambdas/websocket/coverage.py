"""Whether a log that is read from its end backwards has all that a client missed of a key. Pure."""

from collections.abc import Sequence

from lambdas.broadcaster.conflation import Conflated
from lambdas.broadcaster.replay_rows import Update


class Coverage:
    """Collects the updates of one key, newest first.

    Parameters
    ----------
    known
        The last number that the client has.
    head
        The last number that was given as far as the checkpoint knows.
    """

    def __init__(self, known: int, head: int) -> None:
        self._known = known
        self._updates: list[Update] = []
        self._apart: list[Update] = []
        self._lowest = head + 1
        self.head = head

    def saw(self, update: Update) -> None:
        """Hear of an update after the checkpoint, before any is added."""
        self.head = max(self.head, update.last)
        self._lowest = self.head + 1

    def add(self, update: Update) -> None:
        """Take an update; those that overlap may come in any order."""
        if update.last <= self._known:
            return
        self._updates.append(update)
        self._apart.append(update)
        while joining := [one for one in self._apart if one.last >= self._lowest - 1]:
            self._lowest = min(self._lowest, *(one.first for one in joining))
            self._apart = [one for one in self._apart if one.last < self._lowest - 1]

    @property
    def whole(self) -> bool:
        """Whether all numbers from the client's to the last are there."""
        return self._lowest <= self._known + 1

    @property
    def holed(self) -> bool:
        """Whether numbers lack between others that are there."""
        return bool(self._apart)

    def conflated(self) -> Conflated:
        """Give one update in place of all."""
        found = Conflated()
        updates: Sequence[Update] = sorted(self._updates, key=lambda update: update.span)
        for update in updates:
            found.add(update.span, update.said())
        return found
