"""What a client hears, and in which order."""

import json
from concurrent.futures import Executor
from typing import Any

import pytest

from lambdas.identity.user import Role, User
from lambdas.websocket.connections import Connections
from lambdas.websocket.conversation import Conversation
from lambdas.websocket.replays import Replays
from lambdas.websocket.snapshots import Snapshots

VIEWER = User("5d1c2c0e", (Role.VIEWER,), 4_000_000_000)


@pytest.fixture
def conversation(dynamodb: Any, pool: Executor, posts: Any) -> Conversation:
    connections = Connections(dynamodb, connections_table="connections", subscriptions_table="subscriptions", pool=pool)
    conversation = Conversation(
        connections, Snapshots(dynamodb, "last-values", pool=pool), Replays(dynamodb, "replay", pool=pool), posts=posts
    )
    conversation.open("c1", VIEWER)
    return conversation


def heard(posts: Any, connection_id: str = "c1") -> list[dict[str, Any]]:
    return [json.loads(message) for message in posts.posted.get(connection_id, [])]


def say(conversation: Conversation, **message: Any) -> None:
    conversation.message("c1", json.dumps(message), VIEWER)


def listeners(dynamodb: Any) -> list[str]:
    return sorted(
        row["topic"]["S"] for row in dynamodb.scan(TableName="subscriptions")["Items"] if row["topic"]["S"][0] != "#"
    )


def test_a_subscriber_hears_that_it_is_on_and_then_the_snapshot(
    conversation: Conversation, posts: Any, dynamodb: Any
) -> None:
    dynamodb.put_item(
        TableName="last-values",
        Item={"item": {"S": "quotes#v:A-B"}, "at": {"N": "0"}, "data": {"S": '[{"bid":"1.50"}]'}},
    )
    say(conversation, action="subscribe", topics=["quotes"], symbols=["v:A-B"])
    assert heard(posts) == [
        {"type": "subscribed", "topics": ["quotes"], "symbols": ["v:A-B"]},
        {"type": "snapshot", "items": [{"topic": "quotes", "symbol": "v:A-B", "data": [{"bid": "1.50"}]}]},
    ]
    assert listeners(dynamodb) == ["quotes#v:A-B"]


def test_an_empty_snapshot_is_said_too(conversation: Conversation, posts: Any) -> None:
    say(conversation, action="subscribe", topics=["quotes"], symbols=["*"])
    assert heard(posts)[1] == {"type": "snapshot", "items": []}


def test_the_rows_are_there_before_the_snapshot_is_read(conversation: Conversation, posts: Any, dynamodb: Any) -> None:
    """Else an update between the two would reach nobody."""
    seen = []
    read = conversation._snapshots.read
    conversation._snapshots.read = lambda keys: seen.append(listeners(dynamodb)) or read(keys)  # type: ignore[func-returns-value, method-assign]
    say(conversation, action="subscribe", topics=["quotes"], symbols=["*"])
    assert seen == [["quotes#*"]]


def test_unsubscribing_is_confirmed(conversation: Conversation, posts: Any, dynamodb: Any) -> None:
    say(conversation, action="subscribe", topics=["quotes", "trades"], symbols=["*"])
    say(conversation, action="unsubscribe", topics=["quotes"], symbols=["*"])
    assert heard(posts)[-1] == {"type": "unsubscribed", "topics": ["quotes"], "symbols": ["*"]}
    assert listeners(dynamodb) == ["trades#*"]


def test_a_ping_is_answered(conversation: Conversation, posts: Any) -> None:
    say(conversation, action="ping")
    assert heard(posts) == [{"type": "pong"}]


def test_what_is_wrong_with_a_message_is_said(conversation: Conversation, posts: Any, dynamodb: Any) -> None:
    conversation.message("c1", "{nonsense", VIEWER)
    say(conversation, action="subscribe", topics=["news"], symbols=["*"])
    assert [(answer["type"], answer["code"]) for answer in heard(posts)] == [
        ("error", "not_json"),
        ("error", "unknown_topic"),
    ]
    assert listeners(dynamodb) == []


def test_too_many_subscriptions_are_refused_as_a_whole(conversation: Conversation, posts: Any, dynamodb: Any) -> None:
    say(conversation, action="subscribe", topics=["quotes"], symbols=[f"v:A{n}-B" for n in range(101)])
    assert [answer["code"] for answer in heard(posts)] == ["too_many_subscriptions"]
    assert listeners(dynamodb) == []


def test_a_client_that_left_while_it_was_being_answered_is_forgotten(
    conversation: Conversation, posts: Any, dynamodb: Any
) -> None:
    posts.fail["c1"] = [None, 410]
    say(conversation, action="subscribe", topics=["quotes"], symbols=["*"])
    assert listeners(dynamodb) == []
    assert dynamodb.scan(TableName="connections")["Items"] == []


def test_a_fault_of_ours_is_admitted_to_the_client_and_raised(
    conversation: Conversation, posts: Any, dynamodb: Any
) -> None:
    dynamodb.delete_table(TableName="last-values")
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        say(conversation, action="subscribe", topics=["quotes"], symbols=["*"])
    assert heard(posts)[-1]["code"] == "internal"


def test_a_disconnected_client_is_forgotten(conversation: Conversation, dynamodb: Any) -> None:
    say(conversation, action="subscribe", topics=["quotes"], symbols=["*"])
    conversation.close("c1")
    assert listeners(dynamodb) == []
    assert dynamodb.scan(TableName="connections")["Items"] == []
