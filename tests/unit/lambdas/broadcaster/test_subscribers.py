"""Who listens, as the broadcaster knows it."""

from concurrent.futures import Executor
from typing import Any

import pytest

from lambdas.broadcaster.subscribers import Subscribers
from lambdas.websocket.connections import Connections

PAIR = ("trades", "v:A-B")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counted:
    """Counts the calls that go to the table."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._client, name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(dynamodb: Any) -> Counted:
    return Counted(dynamodb)


@pytest.fixture
def connections(dynamodb: Any, pool: Executor) -> Connections:
    return Connections(dynamodb, connections_table="connections", subscriptions_table="subscriptions", pool=pool)


@pytest.fixture
def subscribers(table: Counted, pool: Executor, clock: Clock) -> Subscribers:
    return Subscribers(table, "subscriptions", pool=pool, clock=clock)


def test_listeners_to_the_symbol_and_to_all_symbols_are_found_once(
    subscribers: Subscribers, connections: Connections
) -> None:
    connections.listen("c1", ["trades#v:A-B", "trades#*"])
    connections.listen("c2", ["trades#*"])
    connections.listen("c3", ["trades#v:C-D", "quotes#*"])
    subscribers.refresh([PAIR])
    assert subscribers.of(*PAIR) == {"c1", "c2"}


def test_the_table_is_not_asked_again_within_half_a_second(
    subscribers: Subscribers, table: Counted, clock: Clock
) -> None:
    subscribers.refresh([PAIR])
    assert table.calls == ["get_item", "query", "query"]
    clock.now += 0.49
    subscribers.refresh([PAIR])
    assert len(table.calls) == 3


def test_after_half_a_second_only_the_row_of_changes_is_read(
    subscribers: Subscribers, table: Counted, clock: Clock
) -> None:
    subscribers.refresh([PAIR])
    clock.now += 0.5
    subscribers.refresh([PAIR])
    assert table.calls[3:] == ["get_item"]


def test_a_change_is_seen_after_half_a_second_and_the_newcomer_is_named(
    subscribers: Subscribers, connections: Connections, clock: Clock
) -> None:
    connections.listen("c1", ["trades#v:A-B"])
    assert subscribers.refresh([PAIR]) == {}
    connections.listen("c2", ["trades#*"])
    clock.now += 0.4
    assert subscribers.refresh([PAIR]) == {}
    clock.now += 0.1
    assert subscribers.refresh([]) == {"trades#*": {"c2"}}
    assert subscribers.of(*PAIR) == {"c1", "c2"}
    clock.now += 0.5
    assert subscribers.refresh([PAIR]) == {}


def test_who_unsubscribed_is_gone_after_half_a_second(
    subscribers: Subscribers, connections: Connections, clock: Clock
) -> None:
    connections.listen("c1", ["trades#v:A-B"])
    subscribers.refresh([PAIR])
    connections.unsubscribe("c1", ["trades#v:A-B"])
    clock.now += 0.5
    subscribers.refresh([PAIR])
    assert subscribers.of(*PAIR) == set()


def test_a_change_that_nobody_announced_is_seen_within_a_minute(
    subscribers: Subscribers, dynamodb: Any, clock: Clock
) -> None:
    subscribers.refresh([PAIR])
    dynamodb.put_item(TableName="subscriptions", Item={"topic": {"S": "trades#*"}, "connection_id": {"S": "c1"}})
    clock.now += 60
    assert subscribers.refresh([PAIR]) == {"trades#*": {"c1"}}


def test_a_key_met_for_the_first_time_is_read_at_once(
    subscribers: Subscribers, connections: Connections, clock: Clock
) -> None:
    subscribers.refresh([PAIR])
    connections.listen("c1", ["quotes#*"])
    clock.now += 0.1
    assert subscribers.refresh([PAIR, ("quotes", "v:A-B")]) == {}
    assert subscribers.of("quotes", "v:A-B") == {"c1"}


def test_what_was_known_stays_while_the_table_is_away(
    subscribers: Subscribers, connections: Connections, dynamodb: Any, clock: Clock
) -> None:
    connections.listen("c1", ["trades#*"])
    subscribers.refresh([PAIR])
    dynamodb.delete_table(TableName="subscriptions")
    clock.now += 0.5
    assert subscribers.refresh([PAIR]) == {}
    assert subscribers.of(*PAIR) == {"c1"}


def test_a_forgotten_connection_is_under_no_key(subscribers: Subscribers, connections: Connections) -> None:
    connections.listen("c1", ["trades#*", "trades#v:A-B"])
    subscribers.refresh([PAIR])
    assert sorted(subscribers.forget("c1")) == ["trades#*", "trades#v:A-B"]
    assert subscribers.of(*PAIR) == set()


def test_more_listeners_than_a_page_holds_are_all_found(dynamodb: Any, pool: Executor, clock: Clock) -> None:
    class SmallPages:
        def __getattr__(self, name: str) -> Any:
            return getattr(dynamodb, name)

        def query(self, **request: Any) -> Any:
            return dynamodb.query(**request, Limit=2)

    for n in range(5):
        dynamodb.put_item(TableName="subscriptions", Item={"topic": {"S": "trades#*"}, "connection_id": {"S": f"c{n}"}})
    subscribers = Subscribers(SmallPages(), "subscriptions", pool=pool, clock=clock)
    subscribers.refresh([PAIR])
    assert subscribers.of(*PAIR) == {"c0", "c1", "c2", "c3", "c4"}
