"""The shared budget against moto: its rules kept by many tasks, and DynamoDB failing in every way."""

import itertools
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecs_tasks.shared.budget import SharedBudget
from ecs_tasks.shared.table import CoordinationUnavailable, NoCoordinationTable
from tickwire.venues.rate_budget import RateBudget, RateRules

RULES = RateRules(burst=10, per_second=2, window_weight=100)
_numbers = itertools.count()


@pytest.fixture
def key() -> str:
    return f"shared#venue-{next(_numbers)}"


@pytest.fixture
def budget(dynamodb: Any, shared: Any, clock: Any, key: str) -> Callable[..., SharedBudget]:
    def new(client: Any = None, *, rules: RateRules = RULES) -> SharedBudget:
        return SharedBudget(
            client or dynamodb, table=shared.TABLE, key=key, rules=rules, now=clock.ns, sleep=clock.sleep
        )

    return new


def test_two_tasks_spend_one_burst_and_then_wait_for_what_comes_back(budget: Any, clock: Any) -> None:
    a, b = budget(), budget()
    assert [a.reserve(5), b.reserve(5)] == [0.0, 0.0]
    # Two come back each second.
    assert [a.reserve(2), b.reserve(2), a.reserve(4)] == [1.0, 2.0, 4.0]
    clock.seconds += 4
    assert b.reserve(1) == 0.5


def test_a_block_and_what_the_venue_counted_hold_for_all(budget: Any, clock: Any) -> None:
    a, b = budget(), budget()
    a.observe(96)
    # The venue has 4 left.
    assert [b.reserve(4), b.reserve(1)] == [0.0, 0.5]
    a.block(60)
    assert b.reserve(1) == 60.5
    # A shorter block takes nothing back.
    b.block(1)
    assert a.reserve(1) == 61.0


def test_a_block_holds_for_its_own_task_while_it_cannot_be_written_and_for_all_afterwards(
    budget: Any, dynamodb: Any, shared: Any, clock: Any
) -> None:
    client = shared.Meddling(dynamodb)
    a, b = budget(client), budget()
    client.failures = [shared.unreachable() for _ in range(1000)]
    began = clock()
    a.block(60)
    a.observe(99)
    assert 0 < len(client.failures) < 1000
    client.failures = []
    waited = clock() - began
    assert b.reserve(1) == 0.0
    assert a.reserve(1) == pytest.approx(60.5 - waited, abs=1e-6)
    assert b.reserve(1) == pytest.approx(61.0 - waited, abs=1e-6)


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"]
)
def test_what_dynamodb_refuses_is_tried_again_and_spent_once(
    budget: Any, dynamodb: Any, shared: Any, code: str
) -> None:
    client = shared.Meddling(dynamodb)
    client.failures = [shared.refused(code) for _ in range(5)]
    assert budget(client).reserve(10) == 0.0
    assert client.calls == 7
    assert budget().reserve(1) > 0


def test_an_outage_sends_nothing_and_says_so(budget: Any, dynamodb: Any, shared: Any, clock: Any) -> None:
    client = shared.Meddling(dynamodb)
    client.failures = [shared.unreachable() for _ in range(1000)]
    began = clock()
    with pytest.raises(CoordinationUnavailable, match="ConnectTimeoutError"):
        budget(client).reserve(1)
    assert clock() - began >= 10
    assert client.failures


def test_an_answer_that_was_lost_costs_its_weight_twice_and_not_less(budget: Any, dynamodb: Any, shared: Any) -> None:
    client = shared.Meddling(dynamodb)
    client.lost_answers = [shared.unreachable()]
    rules = RateRules(burst=1000, per_second=1)
    budget(client, rules=rules).reserve(500)
    assert budget(rules=rules).reserve(1) > 0


def test_who_is_overtaken_waits_behind_the_one_who_was_quicker(budget: Any, dynamodb: Any, shared: Any) -> None:
    client = shared.Meddling(dynamodb)
    slow, quick = (
        budget(client, rules=RateRules(burst=1000, per_second=1)),
        budget(rules=RateRules(burst=1000, per_second=1)),
    )
    meddlers = [lambda: quick.reserve(900)]
    client.before = lambda: [meddlers.pop()() for _ in meddlers[:1]]
    wait = slow.reserve(200)
    # 100 are left; the 100 that lack come back in 100 s, less what it waited before its second try.
    assert 99 < wait <= 100


def test_who_is_always_overtaken_gives_up(budget: Any, dynamodb: Any, shared: Any) -> None:
    client = shared.Meddling(dynamodb)
    rules = RateRules(burst=1, per_second=1000)
    slow, quick = budget(client, rules=rules), budget(rules=rules)
    client.before = lambda: quick.reserve(1)
    with pytest.raises(CoordinationUnavailable, match="always quicker"):
        slow.reserve(1)


def test_a_table_that_does_not_exist_is_told_and_not_tried_again(dynamodb: Any) -> None:
    lost = SharedBudget(dynamodb, table="nowhere", key="k", rules=RULES)
    for call in (lambda: lost.reserve(1), lambda: lost.observe(99), lambda: lost.block(5)):
        with pytest.raises(NoCoordinationTable, match="no DynamoDB table 'nowhere'"):
            call()


def test_an_observation_that_changes_nothing_writes_nothing(budget: Any, dynamodb: Any, shared: Any) -> None:
    client = shared.Meddling(dynamodb)
    a = budget(client)
    a.observe(96)
    calls = client.calls
    a.observe(10)
    assert client.calls == calls == 1


def test_the_item_is_not_removed_before_its_bucket_is_full(
    budget: Any, dynamodb: Any, shared: Any, key: str, clock: Any
) -> None:
    budget().block(86_400)
    item = dynamodb.get_item(TableName=shared.TABLE, Key={"id": {"S": f"budget#{key}"}})["Item"]
    assert int(item["expires_at"]["N"]) > clock() + 86_400


def assert_within(sent: list[tuple[int, int]], rules: RateRules) -> None:
    """Check (time in ns, weight) against the rules as they are written, in every interval."""
    sent = sorted(sent)
    for first in range(len(sent)):
        weight = 0
        for time, more in sent[first:]:
            weight += more
            seconds = Fraction(time - sent[first][0], 1_000_000_000)
            # The wait is a float of seconds, exact to far less than a microsecond.
            assert weight <= rules.burst + rules.per_second * (seconds + Fraction(1, 1_000_000))


CALLS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 10), st.floats(0, 5)), max_size=25)
RULE = st.builds(RateRules, burst=st.integers(10, 30), per_second=st.integers(1, 20))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULE, calls=CALLS)
def test_tasks_that_share_a_key_spend_as_one_alone_would(
    dynamodb: Any, shared: Any, rules: RateRules, calls: list[tuple[int, int, float]]
) -> None:
    clock, key = shared.Clock(), f"model-{next(_numbers)}"
    tasks = [SharedBudget(dynamodb, table=shared.TABLE, key=key, rules=rules, now=clock.ns) for _ in range(4)]
    alone = RateBudget(rules)
    sent = []
    for task, weight, seconds in calls:
        clock.seconds += seconds
        wait = tasks[task].reserve(weight)
        assert wait == alone.reserve(clock.ns(), weight)
        sent.append((clock.ns() + round(wait * 1e9), weight))
    assert_within(sent, rules)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=RULE, calls=CALLS, trouble=st.lists(st.sampled_from(["overtake", "fail", "lose", "none"]), max_size=40))
def test_tasks_that_overtake_one_another_and_a_store_that_fails_never_exceed_the_rules(
    dynamodb: Any, shared: Any, rules: RateRules, calls: list[tuple[int, int, float]], trouble: list[str]
) -> None:
    clock, key = shared.Clock(), f"race-{next(_numbers)}"
    client = shared.Meddling(dynamodb)

    def new(client: Any) -> SharedBudget:
        return SharedBudget(client, table=shared.TABLE, key=key, rules=rules, now=clock.ns, sleep=clock.sleep)

    tasks, other = [new(client) for _ in range(4)], new(dynamodb)
    sent: list[tuple[int, int]] = []

    def spend(budget: SharedBudget, weight: int) -> None:
        wait = budget.reserve(weight)
        sent.append((clock.ns() + round(wait * 1e9), weight))

    def meddle() -> None:
        match trouble.pop() if trouble else "none":
            case "overtake":
                spend(other, 3)
            case "fail":
                client.failures = [shared.refused("ThrottlingException")]
            case "lose":
                client.lost_answers = [shared.unreachable()]

    client.before = meddle
    for task, weight, seconds in calls:
        clock.seconds += seconds
        spend(tasks[task], weight)
    assert_within(sent, rules)


def test_threads_at_once_never_exceed_the_rules(budget: Any, dynamodb: Any, shared: Any, clock: Any) -> None:
    client = shared.Meddling(dynamodb)
    waits: list[float] = []
    start = threading.Barrier(6)

    def run() -> None:
        task = SharedBudget(client, table=shared.TABLE, key=f"threads-{id(waits)}", rules=RULES, now=clock.ns)
        start.wait()
        waits.extend(task.reserve(1) for _ in range(5))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 10 at once, then one each half second, each once.
    assert sorted(waits) == [0.0] * 10 + [0.5 * number for number in range(1, 21)]
