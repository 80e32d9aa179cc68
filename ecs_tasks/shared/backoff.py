"""Capped exponential backoff with full jitter.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: of the variants
compared there, a uniform draw from 0 to the capped exponential makes clients collide least.
"""

import random
from collections.abc import Callable


class Backoff:
    """Gives the wait before each further attempt, in seconds; ``reset`` after a success."""

    __slots__ = ("_base", "_cap", "_draw", "attempts")

    def __init__(
        self, *, base_seconds: float, cap_seconds: float, draw: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._base = base_seconds
        self._cap = cap_seconds
        self._draw = draw
        self.attempts = 0
        """Failures since the last reset."""

    def next_seconds(self) -> float:
        """Count a failure and give the wait after it: uniform in 0 to min(cap, base x 2**failures)."""
        # The exponent is bounded because 2.0**1024 overflows and an outage can last that long.
        ceiling = min(self._cap, self._base * 2.0 ** min(self.attempts, 62))
        self.attempts += 1
        return self._draw(0.0, ceiling)

    def reset(self) -> None:
        """Start again from the shortest wait."""
        self.attempts = 0
