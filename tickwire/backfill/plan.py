"""From due ids to fills: which ranges one request serves, when Kraken's search begins, how long to wait."""

import random
from collections.abc import Callable, Iterable, Sequence

from tickwire.backfill.watch import Piece
from tickwire.validation.spans import Span

PAGE_ROWS = 1000
"""Trades a page, at all venues so far."""
HOUR = 3600 * 1_000_000_000
_LONGEST_LOOK_BACK = 24 * 30 * HOUR
MAX_CLUSTER_PIECES = 10_000
DOUBTFUL_ATTEMPTS = 3
"""From so many attempts in vain on, the time known of a gap's beginning is doubted."""


def pages(ids: int) -> int:
    """Give how many requests fetch ``ids`` consecutive ids and the trade before them: pages overlap by a row."""
    return -(-ids // (PAGE_ROWS - 1))


def cluster(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Group rising pieces so that each group, fetched as one range, takes fewer requests than apart.

    Greedy from low to high: the next piece joins a group if the joint range costs fewer requests
    than the group and the piece do by themselves.
    """
    groups: list[list[Piece]] = []
    cost = 0
    for piece in pieces:
        alone = pages(piece.last - piece.first + 1)
        if groups and len(groups[-1]) < MAX_CLUSTER_PIECES:
            together = pages(piece.last - groups[-1][0].first + 1)
            if together < cost + alone:
                groups[-1].append(piece)
                cost = together
                continue
        groups.append([piece])
        cost = alone
    return groups


def choose(groups: Sequence[Sequence[Piece]], *, turn: int) -> Sequence[Piece]:
    """Give the group to fetch next: on even turns the smallest, on odd ones that which waits longest.

    So a short gap does not wait for a long outage, and the outage is not put off for ever by
    short gaps.
    """
    if turn % 2 == 0:
        return min(groups, key=lambda group: (group[-1].last - group[0].first, group[0].since, group[0].first))
    return min(groups, key=lambda group: (min(piece.since for piece in group), group[0].first))


def backoff_seconds(
    attempts: int, *, base: float, cap: float, draw: Callable[[float, float], float] = random.uniform
) -> float:
    """Give the wait after ``attempts`` failures before this one: full jitter up to min(cap, base x 2**attempts).

    Half the base at least, so that a history that lags is not asked at once again. Source: M. Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return max(base / 2, draw(0.0, min(cap, base * 2.0 ** min(attempts, 62))))


def start_time(spans: Sequence[Span], first: int, *, last_time: int, attempts: int) -> int | None:
    """Estimate the exchange time (ns) of the trade before id ``first``, for a venue whose history goes by time.

    In the gap (``Span``) that ``first`` lies in, time is taken to go evenly with the ids: that is
    exact where ``first`` begins the gap, and when an outage of hours is half filled, a task that
    begins anew does not page through the filled half. The fill steps back if the estimate is late.

    Where the gap has no time before it, the end of the nearest gap below is one. Else the time after
    it, or the symbol's newest trade, is the bound, less an hour, which doubles with each attempt in
    vain up to 30 days, since nothing tells how far back the ids lie. None only where no time at all
    is known.
    """
    own = next((span for span in spans if span.first <= first <= span.last), None)
    if own is not None and own.after_time:
        if attempts >= DOUBTFUL_ATTEMPTS:
            return max(own.after_time - _look_back(attempts - DOUBTFUL_ATTEMPTS), 0)
        if attempts or own.before_time <= own.after_time:
            return own.after_time
        share = (first - own.first) / (own.last - own.first + 2)
        return own.after_time + int((own.before_time - own.after_time) * share)
    below = (span.before_time or span.after_time for span in reversed(spans) if span.last < first)
    known = next((time for time in below if time), 0)
    if known and not attempts:
        return known
    bound = known or (own.before_time if own is not None else 0) or last_time
    return max(bound - _look_back(attempts), 0) if bound else None


def _look_back(attempts: int) -> int:
    return min(HOUR << min(attempts, 16), _LONGEST_LOOK_BACK)
