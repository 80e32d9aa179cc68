"""Notices for people, conflated so that a flood of one failure is one line a second with a count."""

from dataclasses import dataclass

from tickwire.partitions import partition_of
from tickwire.records import Notice

MAX_TEXT = 200
MAX_KINDS = 500
"""Different (venue, kind, text) held at once; texts come from venues and could be without number."""
OTHER = "(other)"


@dataclass(slots=True)
class _Held:
    count: int
    time: int


class NoticeBoard:
    """Counts what is posted and gives each (venue, kind, text) at most every ``interval`` ns."""

    __slots__ = ("_given", "_held", "_interval", "_partitions")

    def __init__(self, *, partitions: int, interval: int = 1_000_000_000) -> None:
        self._partitions = partitions
        self._interval = interval
        self._held: dict[int, dict[tuple[str, str, str], _Held]] = {}
        self._given: dict[tuple[str, str, str], int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def post(self, venue: str, kind: str, text: str, *, time: int, count: int = 1) -> None:
        """Add ``count`` occurrences of a notice, the latest at ``time`` (ns UTC)."""
        board = self._held.setdefault(partition_of(venue, "*", self._partitions), {})
        key = (venue, kind, "".join(c if c.isprintable() else "�" for c in text[:MAX_TEXT]))
        if key not in board and len(board) >= MAX_KINDS:
            key = (venue, kind, OTHER)
        held = board.get(key)
        if held is None:
            board[key] = _Held(count, time)
        else:
            held.count += count
            held.time = time

    def is_due(self, partition: int, now: int) -> bool:
        """Say whether :meth:`take` at ``now`` (monotonic ns) would give anything."""
        return any(self._due(key, now) for key in self._held.get(partition, ()))

    def take(self, partition: int, now: int, *, final: bool = False) -> tuple[Notice, ...]:
        """Give the partition's notices that are due at ``now`` (monotonic ns), or all if ``final``."""
        board = self._held.get(partition)
        if not board:
            return ()
        given = []
        for key in list(board):
            if final or self._due(key, now):
                held = board.pop(key)
                given.append(Notice(*key, count=held.count, time=held.time))
                self._given[key] = now
        if len(self._given) > 2 * MAX_KINDS:
            self._given = {key: then for key, then in self._given.items() if now - then < self._interval}
        return tuple(given)

    def _due(self, key: tuple[str, str, str], now: int) -> bool:
        return now - self._given.get(key, -self._interval) >= self._interval
