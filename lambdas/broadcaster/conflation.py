"""What several updates of a key come to: of each place only what is still news at the end. Pure, and light."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from lambdas.broadcaster.heads import Span
from lambdas.broadcaster.health import Order


class Said(NamedTuple):
    """A value as JSON, and what :class:`lambdas.broadcaster.value.Value` says of its place."""

    at: int
    keep: int
    order: Order
    data: msgspec.Raw


class Conflated:
    """Takes updates of one key and source, in any order of their numbers, and gives one in their place.

    At a place that keeps one value the highest order wins, a later one among equals (a bar's highest revision, the
    last quote); at one that keeps more (trades, gaps) the highest orders stay beside each other.

    Attributes
    ----------
    span : the numbers that were taken; None if the key is not numbered
    """

    def __init__(self) -> None:
        self.span: Span | None = None
        self._places: dict[int, dict[Order, msgspec.Raw]] = {}

    def add(self, span: Span | None, values: Iterable[Said]) -> None:
        """Take an update."""
        if span is not None:
            self.span = span if self.span is None else self.span.with_next(span)
        for at, keep, order, data in values:
            held = self._places.setdefault(at, {})
            if keep == 1 and any(other > order for other in held):
                continue
            if keep == 1:
                held.clear()
            # Said again, it is the newest of what is said.
            held.pop(order, None)
            held[order] = data
            if len(held) > keep:
                del held[min(held)]

    def data(self) -> Sequence[msgspec.Raw]:
        """Give what is left, by place, as it came."""
        return [data for held in self._places.values() for data in held.values()]
