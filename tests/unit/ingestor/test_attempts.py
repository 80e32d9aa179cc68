"""Limits on connection attempts: alone, shared, and cut off from the shared count."""

from typing import Any

import pytest

from ecs_tasks.ingestor.attempts import TASKS, Attempts
from ecs_tasks.shared.table import CoordinationUnavailable, NoCoordinationTable
from tickwire.venues.rate_budget import RateBudget
from tickwire.venues.registry import FEEDS, new_feed

SECOND = 1_000_000_000
MINUTE = 60


class Shared:
    """A shared budget that is there or not."""

    def __init__(self, feed: Any) -> None:
        self.budget = RateBudget(feed.attempts.rules)
        self.failure: Exception | None = None
        self.now = 0

    def reserve(self, weight: int) -> float:
        if self.failure is not None:
            raise self.failure
        return self.budget.reserve(self.now, weight)

    def block(self, seconds: float) -> None:
        if self.failure is not None:
            raise self.failure
        self.budget.block(self.now, seconds)


async def sent(attempts: Attempts, feed: Any, count: int) -> list[float]:
    """Give when each of so many attempts at one moment may be made."""
    return sorted([await attempts.reserve(feed) for _ in range(count)])


def most_in(times: list[float], seconds: float) -> int:
    return max(sum(start <= time <= start + seconds for time in times) for start in times)


# The venues' own limits, as their documentation gives them.
LIMITS = [
    ("binance", 300, 5 * MINUTE),
    ("binance-us", 300, 5 * MINUTE),
    ("coinbase", 8, 1),
    # 8 messages a second, and each attempt is followed by three.
    ("coinbase-advanced", 8 // 3, 1),
    ("kraken", 150, 10 * MINUTE),
]


@pytest.mark.parametrize(("name", "limit", "seconds"), LIMITS)
async def test_half_of_what_a_venue_allows_is_spent_in_any_window(name: str, limit: int, seconds: float) -> None:
    assert name in FEEDS
    times = await sent(Attempts(now=lambda: 0), new_feed(name), 3 * limit)
    assert times[0] == 0.0
    assert most_in(times, seconds) <= max(limit // 2, 1) + 1


@pytest.mark.parametrize(
    ("name", "limit", "seconds"),
    # Those of a second over a minute.
    [(name, limit * max(MINUTE // seconds, 1), max(seconds, MINUTE)) for name, limit, seconds in LIMITS],
)
async def test_tasks_cut_off_from_the_count_and_those_that_are_not_keep_the_limit_together(
    name: str, limit: int, seconds: float
) -> None:
    feed = new_feed(name)
    shared = Shared(feed)
    together = Attempts(lambda feed: shared, now=lambda: 0)  # type: ignore[arg-type, return-value]
    times = await sent(together, feed, 3 * limit)
    shared.failure = CoordinationUnavailable("down")
    for _ in range(TASKS):
        alone = Attempts(lambda feed: shared, now=lambda: 0)  # type: ignore[arg-type, return-value]
        times += await sent(alone, feed, 5)
    # One more than the limit at most, where a window begins and ends with an attempt.
    assert most_in(times, seconds) <= limit + 1


@pytest.mark.parametrize("failure", [CoordinationUnavailable("down"), NoCoordinationTable("none")])
async def test_without_the_count_a_task_still_gets_attempts_of_its_own(failure: Exception) -> None:
    feed = new_feed("kraken")
    shared = Shared(feed)
    attempts = Attempts(lambda feed: shared, now=lambda: 0)  # type: ignore[arg-type, return-value]
    shared.failure = failure
    first, second, third = await sent(attempts, feed, 3)
    # Two are in the burst of 600; the third lacks 3 x 256 - 600 units, and waits up to twice as long.
    assert (first, second) == (0.0, 0.0)
    assert 168.0 <= third <= 336.0
    shared.failure = None
    assert await attempts.reserve(feed) == 0.0


async def test_a_block_holds_for_the_shared_count_and_the_own() -> None:
    feed = new_feed("binance")
    shared = Shared(feed)
    attempts = Attempts(lambda feed: shared, now=lambda: 0)  # type: ignore[arg-type, return-value]
    await attempts.block(feed, 120)
    assert await attempts.reserve(feed) > 120
    shared.failure = NoCoordinationTable("none")
    await attempts.block(feed, 120)
    assert await attempts.reserve(feed) > 120


async def test_feeds_have_limits_apart() -> None:
    attempts = Attempts(now=lambda: 0)
    await attempts.block(new_feed("binance"), 120)
    assert await attempts.reserve(new_feed("kraken")) == 0.0
