"""The limit of a client's messages, in its row and against a bucket of tokens written down plainly."""

import json
from concurrent.futures import Executor, ThreadPoolExecutor
from fractions import Fraction
from threading import Lock
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from lambdas.identity.user import Role, User
from lambdas.websocket.connections import Connections
from lambdas.websocket.rate_limit import Allowance, RateLimit, Verdict

VIEWER = User("5d1c2c0e", (Role.VIEWER,), 4_000_000_000)
START = 1_700_000_000


class Clock:
    def __init__(self) -> None:
        self.now = float(START)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(dynamodb: Any, posts: Any, clock: Clock) -> RateLimit:
    return RateLimit(dynamodb, "connections", posts=posts, clock=clock)


def row(dynamodb: Any) -> Any:
    return dynamodb.get_item(TableName="connections", Key={"connection_id": {"S": "c1"}})["Item"]


class Tokens:
    """A bucket of tokens, exact."""

    def __init__(self, rate: int, burst: int) -> None:
        self.rate, self.burst, self.held, self.at = rate, burst, Fraction(burst), 0

    def take(self, now: int) -> bool:
        self.fill(now)
        if self.held < 1:
            return False
        self.held -= 1
        return True

    def fill(self, now: int) -> None:
        self.held = min(Fraction(self.burst), self.held + Fraction((now - self.at) * self.rate, 1_000))
        self.at = now


@given(st.lists(st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 5_000)), max_size=600))
def test_messages_are_judged_as_by_two_buckets_of_tokens(gaps: list[int]) -> None:
    """20 a second with a burst of 60 are admitted; 100 with 300 are heard at all."""
    admitted, heard = Tokens(20, 60), Tokens(100, 300)
    allowance, now, told = Allowance(), START * 1_000, -10_000
    for gap in gaps:
        now += gap
        allowance, verdict = allowance.take(now)
        if not heard.take(now):
            assert verdict is Verdict.CUT_OFF
            # A connection that is cut off stays so: nothing is counted any more.
            return
        if admitted.take(now):
            assert verdict is Verdict.ADMITTED
        elif now - told >= 1_000:
            assert verdict is Verdict.REFUSED
            told = now
        else:
            assert verdict is Verdict.REFUSED_QUIETLY


def test_a_burst_of_sixty_is_admitted_and_then_twenty_a_second(limit: RateLimit, clock: Clock) -> None:
    assert [limit.judge("c1") for _ in range(60)] == [Verdict.ADMITTED] * 60
    assert limit.judge("c1") is Verdict.REFUSED
    clock.now += 1
    assert [limit.judge("c1") for _ in range(21)] == [Verdict.ADMITTED] * 20 + [Verdict.REFUSED]
    clock.now += 3
    assert [limit.judge("c1") for _ in range(60)] == [Verdict.ADMITTED] * 60


def test_an_idle_client_costs_one_write_a_message(
    limit: RateLimit, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    update = limit._client.update_item
    monkeypatch.setattr(limit._client, "update_item", lambda **request: calls.append("update") or update(**request))
    monkeypatch.setattr(limit._client, "get_item", lambda **request: calls.append("get"))
    for _ in range(5):
        assert limit.admits("c1")
        clock.now += 10
    assert calls == ["update"] * 5


def test_who_sends_too_many_is_told_once_a_second(limit: RateLimit, posts: Any, clock: Clock) -> None:
    assert [limit.admits("c1") for _ in range(65)] == [True] * 60 + [False] * 5
    (message,) = posts.posted["c1"]
    assert json.loads(message) == {
        "type": "error",
        "code": "rate_limited",
        "message": "A client may send 20 messages a second; please send fewer.",
    }
    clock.now += 1
    assert [limit.admits("c1") for _ in range(25)] == [True] * 20 + [False] * 5
    assert len(posts.posted["c1"]) == 2
    assert posts.closed == []


def test_who_goes_on_at_five_times_the_rate_is_cut_off(limit: RateLimit, posts: Any, clock: Clock) -> None:
    for _ in range(300):
        limit.admits("c1")
    assert posts.closed == []
    assert not limit.admits("c1")
    assert posts.closed == ["c1"]


def test_a_client_that_keeps_above_the_limit_gets_its_twenty(limit: RateLimit, clock: Clock, posts: Any) -> None:
    admitted = 0
    for _ in range(200):
        admitted += limit.admits("c1")
        clock.now += 1 / 40
    # At 40 a second the last comes after 4.975 s: the burst, and 20 a second.
    assert admitted == 60 + 99
    assert posts.closed == []


def test_two_processes_share_a_bucket(limit: RateLimit, dynamodb: Any, posts: Any, clock: Clock) -> None:
    other = RateLimit(dynamodb, "connections", posts=posts, clock=clock)
    assert sum(one.judge("c1") is Verdict.ADMITTED for _ in range(50) for one in (limit, other)) == 60
    assert limit.judge("c2") is Verdict.ADMITTED


def test_messages_at_the_same_moment_never_exceed_the_bucket(limit: RateLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    # A conditional write of DynamoDB is atomic; moto's is not.
    update, atomic = limit._client.update_item, Lock()

    def update_atomically(**request: Any) -> Any:
        with atomic:
            return update(**request)

    monkeypatch.setattr(limit._client, "update_item", update_atomically)
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda _: limit.judge("c1"), range(120)))
    assert verdicts.count(Verdict.ADMITTED) <= 60


def test_counting_and_subscribing_leave_each_other_alone(
    limit: RateLimit, dynamodb: Any, pool: Executor, clock: Clock
) -> None:
    connections = Connections(dynamodb, connections_table="connections", subscriptions_table="subscriptions", pool=pool)
    connections.admit("c1", VIEWER)
    limit.judge("c1")
    connections.reserve("c1", ["trades#*"])
    limit.judge("c1")
    connections.reserve("c1", ["quotes#*"])
    held = row(dynamodb)
    assert held["subscriptions"] == {"SS": ["quotes#*", "trades#*"]}
    assert held["subject"] == {"S": VIEWER.subject}
    assert held["allowed_until"] == {"N": str(START * 1_000 + 2 * 50)}


def test_a_row_that_its_connection_left_behind_expires(limit: RateLimit, dynamodb: Any, pool: Executor) -> None:
    limit.judge("c1")
    assert START + 7_200 <= int(row(dynamodb)["expires"]["N"]) <= START + 8_000
    # And the connection can still subscribe, where somebody removed its row too soon.
    Connections(dynamodb, connections_table="connections", subscriptions_table="subscriptions", pool=pool).reserve(
        "c1", ["trades#*"]
    )


def test_while_the_table_is_away_everything_is_admitted(limit: RateLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Any:
        raise ConnectTimeoutError(endpoint_url="x")

    monkeypatch.setattr(limit._client, "update_item", away)
    assert all(limit.admits("c1") for _ in range(100))


def test_a_client_that_is_gone_is_refused_in_silence(limit: RateLimit, posts: Any) -> None:
    posts.fail["c1"] = [410]
    assert [limit.admits("c1") for _ in range(61)] == [True] * 60 + [False]
