"""The tables of connections and subscriptions."""

from concurrent.futures import Executor
from typing import Any

import pytest

from lambdas.identity.user import Role, User
from lambdas.websocket.connections import Connections, TooManySubscriptions

VIEWER = User("5d1c2c0e", (Role.VIEWER,), 4_000_000_000)


@pytest.fixture
def connections(dynamodb: Any, pool: Executor) -> Connections:
    return Connections(
        dynamodb,
        connections_table="connections",
        subscriptions_table="subscriptions",
        pool=pool,
        clock=lambda: 1_700_000_000.9,
    )


def rows(dynamodb: Any, table: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = dynamodb.scan(TableName=table)["Items"]
    return [item for item in items if item.get("topic") != {"S": "#changes"}]


def listeners(dynamodb: Any) -> set[tuple[str, str]]:
    return {(row["topic"]["S"], row["connection_id"]["S"]) for row in rows(dynamodb, "subscriptions")}


def changes(dynamodb: Any) -> int:
    key = {"topic": {"S": "#changes"}, "connection_id": {"S": "#"}}
    item = dynamodb.get_item(TableName="subscriptions", Key=key).get("Item")
    return 0 if item is None else int(item["changes"]["N"])


def subscribe(connections: Connections, connection_id: str, keys: list[str]) -> None:
    connections.reserve(connection_id, keys)
    connections.listen(connection_id, keys)


def test_rows_expire_a_little_after_the_connection_must_have_ended(connections: Connections, dynamodb: Any) -> None:
    connections.admit("c1", VIEWER)
    subscribe(connections, "c1", ["trades#*"])
    for table in ("connections", "subscriptions"):
        (row,) = rows(dynamodb, table)
        assert row["expires"] == {"N": str(1_700_000_000 + 2 * 3600 + 10 * 60)}


def test_subscribing_twice_is_subscribing_once(connections: Connections, dynamodb: Any) -> None:
    connections.admit("c1", VIEWER)
    subscribe(connections, "c1", ["trades#*", "quotes#*"])
    subscribe(connections, "c1", ["trades#*"])
    assert listeners(dynamodb) == {("trades#*", "c1"), ("quotes#*", "c1")}


def test_a_change_is_announced_after_its_rows_are_there(connections: Connections, dynamodb: Any) -> None:
    connections.admit("c1", VIEWER)
    connections.reserve("c1", ["trades#*"])
    assert changes(dynamodb) == 0
    connections.listen("c1", ["trades#*"])
    assert changes(dynamodb) == 1
    connections.unsubscribe("c1", ["trades#*"])
    assert changes(dynamodb) == 2


def test_the_hundredth_subscription_is_taken_and_one_more_changes_nothing(
    connections: Connections, dynamodb: Any
) -> None:
    connections.admit("c1", VIEWER)
    subscribe(connections, "c1", [f"trades#v:A{n}-B" for n in range(99)])
    subscribe(connections, "c1", ["trades#*", "trades#v:A0-B"])
    with pytest.raises(TooManySubscriptions, match="would make 101"):
        connections.reserve("c1", ["quotes#*"])
    assert len(listeners(dynamodb)) == 100
    connections.unsubscribe("c1", ["trades#*"])
    connections.reserve("c1", ["quotes#*"])


def test_two_overlapping_messages_of_a_client_are_both_counted(connections: Connections, dynamodb: Any) -> None:
    connections.admit("c1", VIEWER)

    class Overtaken:
        """The first reading of the row is out of date by the time it is written."""

        def __init__(self) -> None:
            self.overtake = True

        def __getattr__(self, name: str) -> Any:
            return getattr(dynamodb, name)

        def get_item(self, **request: Any) -> Any:
            answer = dynamodb.get_item(**request)
            if self.overtake:
                self.overtake = False
                connections.reserve("c1", ["quotes#*"])
            return answer

    slow = Connections(
        Overtaken(), connections_table="connections", subscriptions_table="subscriptions", pool=connections._pool
    )
    slow.reserve("c1", ["trades#*"])
    (row,) = rows(dynamodb, "connections")
    assert sorted(row["subscriptions"]["SS"]) == ["quotes#*", "trades#*"]


def test_unsubscribing_leaves_the_rest_and_other_clients_alone(connections: Connections, dynamodb: Any) -> None:
    for connection_id in ("c1", "c2"):
        connections.admit(connection_id, VIEWER)
        subscribe(connections, connection_id, ["trades#*", "quotes#*"])
    connections.unsubscribe("c1", ["trades#*", "health#*"])
    assert listeners(dynamodb) == {("quotes#*", "c1"), ("trades#*", "c2"), ("quotes#*", "c2")}


def test_removing_a_connection_removes_all_its_rows(connections: Connections, dynamodb: Any) -> None:
    for connection_id in ("c1", "c2"):
        connections.admit(connection_id, VIEWER)
        subscribe(connections, connection_id, [f"trades#v:A{n}-B" for n in range(60)])
    connections.remove("c1")
    assert {row["connection_id"]["S"] for row in rows(dynamodb, "connections")} == {"c2"}
    assert {connection_id for _, connection_id in listeners(dynamodb)} == {"c2"}
    assert len(listeners(dynamodb)) == 60


def test_a_subscription_without_its_connection_is_removed_by_the_key_that_was_known(
    connections: Connections, dynamodb: Any
) -> None:
    connections.listen("c1", ["trades#*"])
    connections.remove("c1", also=["trades#*"])
    assert listeners(dynamodb) == set()


def test_removing_an_unknown_connection_does_nothing(connections: Connections, dynamodb: Any) -> None:
    connections.remove("nobody")
    assert changes(dynamodb) == 0
