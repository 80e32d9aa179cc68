"""Stops asking a service that does not answer, and finds out when it does again."""

import time
from collections.abc import Callable
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """Opens after ``failures`` calls in a row that failed; after ``seconds`` it lets one through as a trial.

    The trial closes it, or opens it for as long again. Whoever is allowed to call must tell how it ended.
    """

    def __init__(self, *, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._opened: float | None = None
        self._trial = False

    @property
    def state(self) -> BreakerState:
        """Whether the next call goes through."""
        if self._opened is None:
            return BreakerState.CLOSED
        waited = self._clock() - self._opened >= self._seconds
        return BreakerState.HALF_OPEN if waited and not self._trial else BreakerState.OPEN

    def allows(self) -> bool:
        """Say whether to call; while it is half open, once."""
        state = self.state
        if state is BreakerState.HALF_OPEN:
            self._trial = True
        return state is not BreakerState.OPEN

    def succeeded(self) -> None:
        """Tell that a call was answered."""
        self._failures, self._opened, self._trial = 0, None, False

    def failed(self) -> None:
        """Tell that a call was not."""
        self._failures += 1
        if self._trial or self._failures >= self._limit:
            self._opened, self._trial = self._clock(), False
