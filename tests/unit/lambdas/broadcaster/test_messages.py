"""Messages as clients get them."""

import json

from lambdas.broadcaster.messages import MAX_MESSAGE_BYTES, Item, snapshot_messages, update_messages


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
