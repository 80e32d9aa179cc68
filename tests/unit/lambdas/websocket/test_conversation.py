"""What a client hears, and in which order."""

import json
from concurrent.futures import Executor
from typing import Any

import msgspec
import pytest

from lambdas.broadcaster.heads import Heads
from lambdas.broadcaster.replay_rows import Block, Checkpoint, Update, checkpoint_row, rows_of
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


class Log:
    """The log and the last values of one source, written as the broadcaster would."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb
        self._counter = 0
        self._put("replay", checkpoint_row(3, Checkpoint(0, 1, Heads()), now=0))

    def add(self, topic: str, symbol: str, number: int, data: str) -> None:
        self._counter += 1
        update = Update(topic, symbol, number, number, [(0, 50, (number,), msgspec.Raw(data.encode()))])
        for row in rows_of(Block(3, self._counter, self._counter, 0, 0, [update]), now=0):
            self._put("replay", row)

    def store(self, topic: str, symbol: str, number: int, data: str) -> None:
        item = {
            "item": {"S": f"{topic}#{symbol}"},
            "at": {"N": "0"},
            "data": {"S": data},
            "source": {"N": "3"},
            "seq": {"N": str(number)},
            "stored": {"N": "1"},
        }
        self._put("last-values", item)

    def _put(self, table: str, item: dict[str, Any]) -> None:
        self._dynamodb.put_item(TableName=table, Item=item)


@pytest.fixture
def log(dynamodb: Any) -> Log:
    return Log(dynamodb)


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def test_a_snapshot_is_followed_by_what_was_said_since_it_was_stored(
    conversation: Conversation, posts: Any, log: Log
) -> None:
    log.store("trades", "v:A-B", 1, '[{"id":1}]')
    for number in (1, 2, 3):
        log.add("trades", "v:A-B", number, f'{{"id":{number}}}')
    say(conversation, action="subscribe", topics=["trades"], symbols=["v:A-B"], id="s1")
    subscribed, snapshot, tail = heard(posts)
    assert subscribed["id"] == "s1"
    assert snapshot["items"] == [{"topic": "trades", "symbol": "v:A-B", "positions": {"3": 1}, "data": [{"id": 1}]}]
    assert (tail["type"], tail["replay"]) == ("update", True)
    assert tail["items"] == [
        {"topic": "trades", "symbol": "v:A-B", "source": 3, "from": 2, "to": 3, "data": [{"id": 2}, {"id": 3}]}
    ]


def test_a_client_that_comes_back_is_continued_and_subscribed(
    conversation: Conversation, posts: Any, dynamodb: Any, log: Log
) -> None:
    for number in (1, 2, 3):
        log.add("trades", "v:A-B", number, f'{{"id":{number}}}')
    log.store("quotes", "v:A-B", 0, '[{"bid":"1"}]')
    say(
        conversation,
        action="resume",
        topics=["trades", "quotes"],
        symbols=["v:A-B"],
        positions={"trades": {"v:A-B": {"3": 1}}},
        id="r1",
    )
    update, snapshot, resumed = heard(posts)
    assert (update["type"], update["replay"]) == ("update", True)
    assert [(item["from"], item["to"]) for item in update["items"]] == [(2, 3)]
    # What there is no position of gets its snapshot.
    assert snapshot["items"] == [{"topic": "quotes", "symbol": "v:A-B", "data": [{"bid": "1"}]}]
    assert resumed == {"type": "resumed", "replayed": 1, "reset": 0, "id": "r1"}
    assert listeners(dynamodb) == ["quotes#v:A-B", "trades#v:A-B"]


def test_a_position_that_cannot_be_continued_is_reset_and_the_snapshot_follows(
    conversation: Conversation, posts: Any, log: Log
) -> None:
    log.add("trades", "v:A-B", 5, '{"id":5}')
    log.add("trades", "v:C-D", 1, '{"id":1}')
    log.store("trades", "v:A-B", 5, '[{"id":4},{"id":5}]')
    log.store("trades", "v:C-D", 1, '[{"id":1}]')
    positions = {"trades": {"v:A-B": {"3": 1}, "v:C-D": {"3": 0}}}
    say(conversation, action="resume", topics=["trades"], symbols=["v:A-B", "v:C-D"], positions=positions)
    update, reset, snapshot, resumed = heard(posts)
    assert [item["symbol"] for item in update["items"]] == ["v:C-D"]
    assert reset == {
        "type": "reset",
        "items": [{"topic": "trades", "symbol": "v:A-B", "source": 3, "reason": "expired"}],
    }
    assert [(item["symbol"], item["positions"]) for item in snapshot["items"]] == [("v:A-B", {"3": 5})]
    assert resumed == {"type": "resumed", "replayed": 1, "reset": 1}


def test_with_all_symbols_only_those_without_a_position_get_a_snapshot(
    conversation: Conversation, posts: Any, dynamodb: Any, log: Log
) -> None:
    log.add("trades", "v:A-B", 1, '{"id":1}')
    for symbol in ("v:A-B", "v:C-D"):
        log.store("trades", symbol, 1, '[{"id":1}]')
    names = {"item": {"S": "trades#*"}, "at": {"N": "0"}, "symbols": {"SS": ["v:A-B", "v:C-D"]}}
    dynamodb.put_item(TableName="last-values", Item=names)
    positions = {"trades": {"v:A-B": {"3": 1}}}
    say(conversation, action="resume", topics=["trades"], symbols=["*"], positions=positions)
    snapshot, resumed = heard(posts)
    assert [item["symbol"] for item in snapshot["items"]] == ["v:C-D"]
    assert (resumed["replayed"], resumed["reset"]) == (1, 0)


def test_a_hole_is_filled_without_subscribing_again(
    conversation: Conversation, posts: Any, dynamodb: Any, log: Log
) -> None:
    log.add("trades", "v:A-B", 1, '{"id":1}')
    say(conversation, action="subscribe", topics=["trades"], symbols=["*"])
    posts.posted.clear()
    say(conversation, action="resume", positions={"trades": {"v:A-B": {"3": 0}}})
    assert kinds(heard(posts)) == ["update", "resumed"]
    assert listeners(dynamodb) == ["trades#*"]


def test_holes_of_what_is_not_subscribed_to_are_not_filled(conversation: Conversation, posts: Any, log: Log) -> None:
    log.add("trades", "v:A-B", 1, '{"id":1}')
    say(conversation, action="subscribe", topics=["trades"], symbols=["v:C-D"])
    posts.posted.clear()
    say(conversation, action="resume", positions={"trades": {"v:A-B": {"3": 0}}}, id="r2")
    ((answer),) = heard(posts)
    assert (answer["type"], answer["code"], answer["id"]) == ("error", "forbidden", "r2")


def test_a_resume_with_too_much_subscribes_to_nothing(
    conversation: Conversation, posts: Any, dynamodb: Any, log: Log
) -> None:
    symbols = [f"v:A{n}-B" for n in range(101)]
    say(conversation, action="resume", topics=["trades"], symbols=symbols, positions={}, id="r3")
    assert [(answer["code"], answer["id"]) for answer in heard(posts)] == [("too_many_subscriptions", "r3")]
    assert listeners(dynamodb) == []


def test_alerts_are_the_callers_own(conversation: Conversation, posts: Any, dynamodb: Any) -> None:
    say(conversation, action="subscribe", topics=["alerts"], symbols=["*"])
    assert heard(posts)[0] == {"type": "subscribed", "topics": ["alerts"], "symbols": ["*"]}
    assert listeners(dynamodb) == ["alerts#5d1c2c0e"]
    say(conversation, action="unsubscribe", topics=["alerts"], symbols=["*"])
    assert listeners(dynamodb) == []


def test_every_answer_echoes_the_id(conversation: Conversation, posts: Any) -> None:
    say(conversation, action="ping", id="a")
    say(conversation, action="unsubscribe", topics=["trades"], symbols=["*"], id="b")
    say(conversation, action="subscribe", topics=["news"], symbols=["*"], id="c")
    say(conversation, action="dance", id="d")
    say(conversation, action="ping", id="x" * 65)
    assert [(answer["type"], answer.get("id")) for answer in heard(posts)] == [
        ("pong", "a"),
        ("unsubscribed", "b"),
        ("error", "c"),
        ("error", "d"),
        ("error", None),
    ]


def test_the_snapshot_of_alerts_has_the_callers_newest_firings(conversation: Conversation, posts: Any) -> None:
    class Firings:
        def newest(self, subject: str, limit: int) -> list[bytes]:
            return [b'{"id":"f1"}'] if (subject, limit) == ("5d1c2c0e", 50) else []

    conversation._firings = Firings()
    say(conversation, action="subscribe", topics=["alerts"], symbols=["*"])
    alerts = {"topic": "alerts", "symbol": "*", "data": [{"id": "f1"}]}
    assert heard(posts)[1] == {"type": "snapshot", "items": [alerts]}
    posts.posted.clear()
    say(conversation, action="resume", topics=["alerts"], symbols=["*"], positions={})
    assert [message.get("items") for message in heard(posts)] == [[alerts], None]
    posts.posted.clear()
    say(conversation, action="subscribe", topics=["trades"], symbols=["*"])
    assert heard(posts)[1]["items"] == []
