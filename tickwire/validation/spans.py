"""Ids that became missing together, and the exchange times between which they must lie."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True)
class Span:
    """Ids ``first`` to ``last`` that became missing together, some of which still are.

    ``after_time`` and ``before_time`` are the exchange times (ns UTC, 0 unknown) between which they
    must lie.
    """

    first: int
    last: int
    cause: str
    after_time: int
    before_time: int


def time_before(spans: Sequence[Span], trade_id: int) -> int | None:
    """Give the exchange time (ns) of a trade before an id of one of the rising spans, if that is known."""
    index = bisect_right(spans, trade_id, key=lambda span: span.first) - 1
    for span in reversed(spans[: index + 1]):
        if span.after_time:
            return span.after_time
    return None


def span_within(spans: Sequence[Span], first: int, last: int, cause: str) -> Span:
    """Give ``first`` to ``last`` with the times of the rising spans that they lie in."""
    index = max(0, bisect_right(spans, first, key=lambda span: span.first) - 1)
    within = []
    for span in islice(spans, index, None):
        if span.first > last:
            break
        if span.last >= first:
            within.append(span)
    after = within[0].after_time if within else 0
    return Span(first, last, cause, after, max((span.before_time for span in within), default=0))


def join_spans(spans: Sequence[Span]) -> Span:
    """Give one span in the place of several rising ones; it starts when the first one does."""
    last, before_time = max(span.last for span in spans), max(span.before_time for span in spans)
    return Span(spans[0].first, last, spans[0].cause, spans[0].after_time, before_time)
