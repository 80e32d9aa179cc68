"""When calls go through: by a clock that the test turns."""

from tickwire.forecast.breaker import BreakerState, CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _failing(clock: Clock, times: int) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=3, seconds=10.0, clock=clock)
    for _ in range(times):
        assert breaker.allows()
        breaker.failed()
    return breaker


def test_two_failures_in_a_row_do_not_open_it_and_three_do() -> None:
    assert _failing(Clock(), 2).state is BreakerState.CLOSED
    breaker = _failing(Clock(), 3)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.allows()


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = _failing(Clock(), 2)
    breaker.succeeded()
    breaker.failed()
    breaker.failed()
    assert breaker.allows()


def test_after_ten_seconds_one_trial_goes_through_and_no_second_one() -> None:
    breaker = _failing(clock := Clock(), 3)
    clock.now += 9.9
    assert not breaker.allows()
    clock.now += 0.1
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.allows()
    assert not breaker.allows()


def test_a_trial_that_fails_opens_it_for_as_long_again() -> None:
    breaker = _failing(clock := Clock(), 3)
    clock.now += 10
    assert breaker.allows()
    breaker.failed()
    clock.now += 9.9
    assert not breaker.allows()
    clock.now += 0.1
    assert breaker.allows()


def test_a_trial_that_is_answered_closes_it() -> None:
    breaker = _failing(clock := Clock(), 3)
    clock.now += 10
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    breaker.failed()
    assert breaker.allows()
