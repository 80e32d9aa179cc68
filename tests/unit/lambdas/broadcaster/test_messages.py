"""Messages as clients get them."""

import json

from lambdas.broadcaster.messages import (
    MAX_MESSAGE_BYTES,
    Item,
    ResetItem,
    reset_messages,
    snapshot_messages,
    update_messages,
)


def test_an_update_carries_its_time_and_every_item() -> None:
    (message,) = update_messages(
        [Item("trades", "v:A-B", [b'{"id":1}', b'{"id":2}']), Item("quotes", "v:A-B", [b'{"bid":"1"}'])],
        sent=1_700_000_000_000_000_001,
    )
    assert json.loads(message) == {
        "type": "update",
        "sent": 1_700_000_000_000_000_001,
        "items": [
            {"topic": "trades", "symbol": "v:A-B", "data": [{"id": 1}, {"id": 2}]},
            {"topic": "quotes", "symbol": "v:A-B", "data": [{"bid": "1"}]},
        ],
    }


def test_what_is_too_large_for_one_message_comes_in_several_in_order() -> None:
    bars = [json.dumps({"start": n, "fill": "x" * 700}).encode() for n in range(300)]
    messages = snapshot_messages([Item("bars.1m", "v:A-B", bars), Item("quotes", "v:A-B", [b"1"])])
    assert len(messages) == 3
    assert all(len(message) <= MAX_MESSAGE_BYTES for message in messages)
    items = [item for message in messages for item in json.loads(message)["items"]]
    assert [one["start"] for item in items if item["topic"] == "bars.1m" for one in item["data"]] == list(range(300))
    assert items[-1] == {"topic": "quotes", "symbol": "v:A-B", "data": [1]}


def test_a_message_is_filled_up_to_the_limit_and_not_beyond() -> None:
    head = len(b'{"type":"snapshot","items":[]}')
    item = len(b'{"topic":"t","symbol":"s","data":[]}')
    fits = b'"' + b"x" * (MAX_MESSAGE_BYTES - head - item - 3) + b'"'
    (message,) = snapshot_messages([Item("t", "s", [fits])])
    assert len(message) == MAX_MESSAGE_BYTES - 1
    assert len(snapshot_messages([Item("t", "s", [fits]), Item("t", "s", [b"1"])])) == 2


def test_nothing_to_say_is_an_empty_snapshot_and_no_update() -> None:
    assert snapshot_messages([]) == [b'{"type":"snapshot","items":[]}']
    assert update_messages([], sent=1) == []
    assert update_messages([Item("t", "s", [])], sent=1) == []


def test_an_item_in_parts_says_only_with_the_last_what_the_whole_covers() -> None:
    trades = [json.dumps({"id": n, "fill": "x" * 700}).encode() for n in range(300)]
    messages = update_messages([Item("trades", "v:A-B", trades, source=3, first=41, last=340)], sent=7, replay=True)
    read = [json.loads(message) for message in messages]
    assert all(len(message) <= MAX_MESSAGE_BYTES for message in messages)
    assert [(one["type"], one["sent"], one["replay"]) for one in read] == [("update", 7, True)] * 3
    items = [item for one in read for item in one["items"]]
    assert [(item["source"], item["from"], item["to"]) for item in items] == [(3, 41, 40), (3, 41, 40), (3, 41, 340)]
    assert [one["id"] for item in items for one in item["data"]] == list(range(300))


def test_a_snapshot_in_parts_has_its_positions_with_the_last() -> None:
    bars = [json.dumps({"start": n, "fill": "x" * 700}).encode() for n in range(300)]
    messages = snapshot_messages([Item("bars.1m", "v:A-B", bars, positions={"3": 12})])
    items = [item for message in messages for item in json.loads(message)["items"]]
    assert [item.get("positions") for item in items] == [None, None, {"3": 12}]


def test_numbers_that_left_nothing_to_say_are_said_all_the_same() -> None:
    (message,) = update_messages([Item("bars.5m", "v:A-B", [], source=3, first=4, last=5)], sent=1)
    assert json.loads(message)["items"] == [
        {"topic": "bars.5m", "symbol": "v:A-B", "source": 3, "from": 4, "to": 5, "data": []}
    ]


def test_many_resets_are_several_messages_within_the_limit() -> None:
    longest = "x" * 20 + ":" + "X" * 20 + "-" + "X" * 20
    messages = reset_messages([ResetItem("predictions", longest, 999_999, "unavailable")] * 1_001)
    assert [len(json.loads(message)["items"]) for message in messages] == [500, 500, 1]
    assert all(len(message) <= MAX_MESSAGE_BYTES for message in messages)
    assert reset_messages([]) == []
