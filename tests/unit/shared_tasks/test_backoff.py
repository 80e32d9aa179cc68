"""Waits before further attempts."""

from ecs_tasks.shared.backoff import Backoff


def test_the_ceiling_doubles_up_to_the_cap_and_the_draw_is_from_zero() -> None:
    drawn: list[tuple[float, float]] = []

    def highest(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    backoff = Backoff(base_seconds=0.5, cap_seconds=30, draw=highest)
    assert [backoff.next_seconds() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert all(low == 0 for low, _ in drawn)
    backoff.reset()
    assert backoff.next_seconds() == 0.5


def test_the_jitter_is_full_and_an_outage_of_weeks_does_not_overflow() -> None:
    backoff = Backoff(base_seconds=1, cap_seconds=10)
    for _ in range(5000):
        assert 0 <= backoff.next_seconds() <= 10
    waits = [backoff.next_seconds() for _ in range(500)]
    assert min(waits) < 1
    assert max(waits) > 9
