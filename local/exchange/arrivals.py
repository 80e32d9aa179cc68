"""When orders arrive: a self-exciting (Hawkes) process, simulated exactly as a branching process.

An order begets others: each has a Poisson number of children with mean :data:`BRANCHING` after
exponential delays. This cluster form of the Hawkes process (Hawkes & Oakes 1974) needs no
thinning, and its mean rate is ``immigrants / (1 - BRANCHING)``.
"""

import math
from bisect import bisect
from itertools import accumulate
from random import Random

SECOND = 1_000_000_000

BRANCHING = 0.55
"""Mean children of an order: below 1, so that the process is stationary."""

_FAST_SHARE, _FAST_SECONDS, _SLOW_SECONDS = 0.7, 0.03, 1.0
"""Children come either as an echo within tens of milliseconds or as a trend over a second."""

# Trades that one order makes: mostly one, now and then it sweeps many resting orders.
_FILLS = {1: 0.74, 2: 0.12, 3: 0.055, 4: 0.03, 6: 0.025, 9: 0.016, 14: 0.009, 25: 0.004, 60: 0.001}
_FILL_COUNTS = tuple(_FILLS)
_FILL_CUMULATED = tuple(accumulate(_FILLS.values()))
MEAN_FILLS = sum(count * share for count, share in _FILLS.items())


def immigrant_rate(trades_per_second: float) -> float:
    """Orders a second to start from outside, so that trades come at this mean rate in all."""
    return trades_per_second * (1.0 - BRANCHING) / MEAN_FILLS


def next_gap(random: Random, rate: float) -> int:
    """Draw the ns to the next arrival of a Poisson process of ``rate`` a second."""
    return int(-math.log(1.0 - random.random()) / rate * SECOND) + 1


def children(random: Random) -> list[int]:
    """Draw the delays in ns after which an order's children arrive."""
    delays = []
    # Poisson by inversion: the mean is small, so this ends after a draw or two.
    left = random.random() - math.exp(-BRANCHING)
    term, count = math.exp(-BRANCHING), 0
    while left > 0:
        count += 1
        term *= BRANCHING / count
        left -= term
        mean = _FAST_SECONDS if random.random() < _FAST_SHARE else _SLOW_SECONDS
        delays.append(next_gap(random, 1.0 / mean))
    return delays


def order_fills(random: Random) -> int:
    """Draw how many trades one order makes."""
    return _FILL_COUNTS[min(bisect(_FILL_CUMULATED, random.random()), len(_FILL_COUNTS) - 1)]


def burst_offsets(random: Random, trades: int, duration: int) -> list[int]:
    """Draw the ns offsets of a burst's trades in order, crowded towards its start, all < ``duration``."""
    return sorted(int(random.random() ** 2 * duration) for _ in range(trades))
