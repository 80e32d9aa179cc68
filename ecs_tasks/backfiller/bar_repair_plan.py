"""Which bars to recompute together: requests of one symbol, close in time, become one scan of the lake. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeAlias

from tickwire.bars import SECOND

SCAN_SECONDS = 3_600
"""The most of a symbol's time that one scan spans, so that its trades fit memory."""
MAX_RANGES = 8
"""Ranges of time in one scan's filter. Planning weighs each against every data file's bounds."""

TimeRange: TypeAlias = tuple[int, int]
"""First and last + 1 exchange time, ns UTC."""


class RepairRequest(NamedTuple):
    """One bar that has to be recomputed.

    ``counter`` is that of the newest record of trades-clean that asked for it: what the lake holds up
    to there has all the trades that the live bar had, and those that came too late for it.
    """

    venue: str
    symbol: str
    interval: int
    """Seconds."""
    start: int
    """ns UTC."""
    partition: int
    counter: int

    @property
    def end(self) -> int:
        """Where the bar ends, ns UTC, exclusive."""
        return self.start + self.interval * SECOND


@dataclass(frozen=True, slots=True)
class RepairScan:
    """Requests of one symbol that are answered by one scan.

    ``ranges`` rise, are disjoint, cover every bar of ``requests``, and may cover what lies between.
    """

    venue: str
    symbol: str
    partition: int
    requests: tuple[RepairRequest, ...]
    ranges: tuple[TimeRange, ...]


def plan_scans(requests: Iterable[RepairRequest]) -> list[RepairScan]:
    """Group requests into scans, each of one symbol and at most :data:`SCAN_SECONDS` wide.

    A bar that is wider by itself widens its scan. Scans come in order of venue, symbol and time.
    """
    ordered = sorted(requests, key=lambda r: (r.venue, r.symbol, r.partition, r.start, r.interval))
    scans = []
    for (venue, symbol, partition), of_symbol in groupby(ordered, key=lambda r: (r.venue, r.symbol, r.partition)):
        scans += [
            RepairScan(venue, symbol, partition, tuple(group), _ranges(group)) for group in _within_scan(of_symbol)
        ]
    return scans


def _within_scan(requests: Iterable[RepairRequest]) -> list[list[RepairRequest]]:
    groups: list[list[RepairRequest]] = []
    for request in requests:
        if groups and request.end - groups[-1][0].start <= SCAN_SECONDS * SECOND:
            groups[-1].append(request)
        else:
            groups.append([request])
    return groups


def _ranges(requests: list[RepairRequest]) -> tuple[TimeRange, ...]:
    """Join the bars' times, over the smallest holes too where there would be too many ranges."""
    joined: list[list[int]] = []
    for request in requests:
        if joined and request.start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], request.end)
        else:
            joined.append([request.start, request.end])
    holes = sorted(range(1, len(joined)), key=lambda k: joined[k - 1][1] - joined[k][0])
    kept = sorted(holes[: MAX_RANGES - 1])
    firsts = [0, *kept]
    lasts = [*(k - 1 for k in kept), len(joined) - 1]
    return tuple((joined[first][0], joined[last][1]) for first, last in zip(firsts, lasts, strict=True))
