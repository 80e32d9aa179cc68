"""The missing ids of one symbol: since when, and when to ask the venue's history for them (again)."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tickwire.intervals import IntervalSet

Ranges = Iterable[tuple[int, int]]
"""Inclusive (first, last) pairs of trade ids."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Ids ``first`` to ``last`` (inclusive) that share one past.

    Attributes
    ----------
    since : when they were first seen missing, monotonic seconds
    due_at : when to ask for them; ``inf`` while somebody does
    attempts : how often they were asked for in vain since they were first seen
    published : whether they were sent on since
    """

    first: int
    last: int
    since: float
    due_at: float
    attempts: int = 0
    published: bool = False


class GapWatch:
    """Follows the missing ids of one symbol; what the validator says is missing is what counts.

    Parameters
    ----------
    grace_seconds : how long ids may be missing before they are due, so that a late twin, a
        snapshot or reordering can bring them
    """

    __slots__ = ("_grace", "_pieces")

    def __init__(self, *, grace_seconds: float) -> None:
        self._grace = grace_seconds
        self._pieces: list[Piece] = []

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)

    def observe(self, missing: IntervalSet, now: float) -> list[Piece]:
        """Take in which ids are missing at ``now``; give those that no longer are."""
        kept: list[Piece] = []
        gone: list[Piece] = []
        for piece in self._pieces:
            still = missing.within(piece.first, piece.last)
            if still == [(piece.first, piece.last)]:
                kept.append(piece)
                continue
            kept += [replace(piece, first=first, last=last) for first, last in still]
            gone += [replace(piece, first=first, last=last) for first, last in _between(piece, still)]
        new: list[Piece] = []
        # What is kept is among the missing, so equal numbers are equal sets: as a rule, and the cheap way.
        if sum(piece.last - piece.first + 1 for piece in kept) < missing.count:
            known = IntervalSet((piece.first, piece.last) for piece in kept)
            new = [Piece(first, last, now, now + self._grace) for first, last in missing.difference(known).ranges()]
        self._pieces = sorted([*kept, *new], key=_first) if new else kept
        return gone

    def due(self, now: float) -> list[Piece]:
        """Give what is to be asked for, rising."""
        return [piece for piece in self._pieces if piece.due_at <= now]

    def taken(self, first: int, last: int) -> None:
        """Say that somebody asks for the due ids among ``first`` to ``last``."""
        self._change(first, last, lambda piece: replace(piece, due_at=math.inf))

    def returned(self, first: int, last: int, *, at: float) -> None:
        """Make what was taken among ``first`` to ``last`` due at ``at``, as if it had not been asked for."""
        self._change(first, last, lambda piece: replace(piece, due_at=at) if math.isinf(piece.due_at) else piece)

    def published(self, ranges: Ranges, *, again_at: float) -> None:
        """Say that ids were sent on; should they still be missing at ``again_at``, they are due again."""
        for first, last in ranges:
            self._change(first, last, lambda piece: replace(piece, due_at=again_at, published=True))

    def failed(self, ranges: Ranges, *, again_at: float) -> None:
        """Say that the history did not give ids; they are due again at ``again_at``."""
        for first, last in ranges:
            self._change(first, last, lambda piece: replace(piece, due_at=again_at, attempts=piece.attempts + 1))

    def wanted(self, first: int, last: int, missing: IntervalSet, now: float) -> IntervalSet:
        """Give the missing ids among ``first`` to ``last`` that were not sent on within their time."""
        wanted = IntervalSet(missing.within(first, last))
        for piece in self._slice(first, last):
            if piece.published and now < piece.due_at < math.inf:
                wanted.remove(piece.first, piece.last)
        return wanted

    def attempts(self, first: int, last: int) -> int:
        """Give the most attempts among ids ``first`` to ``last``."""
        return max((piece.attempts for piece in self._slice(first, last)), default=0)

    def _bounds(self, first: int, last: int) -> tuple[int, int]:
        return bisect_left(self._pieces, first, key=_last), bisect_right(self._pieces, last, key=_first)

    def _slice(self, first: int, last: int) -> list[Piece]:
        low, high = self._bounds(first, last)
        return self._pieces[low:high]

    def _change(self, first: int, last: int, change: Callable[[Piece], Piece]) -> None:
        low, high = self._bounds(first, last)
        result: list[Piece] = []
        for piece in self._pieces[low:high]:
            if piece.first < first:
                result.append(replace(piece, last=first - 1))
            result.append(change(replace(piece, first=max(piece.first, first), last=min(piece.last, last))))
            if piece.last > last:
                result.append(replace(piece, first=last + 1))
        self._pieces[low:high] = result


def _first(piece: Piece) -> int:
    return piece.first


def _last(piece: Piece) -> int:
    return piece.last


def _between(piece: Piece, still: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give the ids of a piece outside the ranges that remain of it."""
    rest, position = [], piece.first
    for first, last in still:
        if first > position:
            rest.append((position, first - 1))
        position = last + 1
    if position <= piece.last:
        rest.append((position, piece.last))
    return rest
