import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

import psycopg
import pytest

from lambdas.migrations.runner import apply

Query = Callable[[str], list[tuple]]


def message(body: dict[str, object] | str, message_id: str = "m1") -> dict[str, object]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": message_id, "body": text, "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:trades-dlq"}


def trade(key: str, **fields: object) -> dict[str, object]:
    return {
        "kind": "trade",
        "key": key,
        "rule": "side",
        "detail": "?",
        "venue": "v",
        "symbol": "A-USD",
        "time": 5,
        **fields,
    }


@pytest.fixture
def invoke(database_url: str, monkeypatch, lambda_context) -> Iterator[Callable[..., object]]:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    monkeypatch.setenv("TICKWIRE_DATABASE_URL", database_url)
    sys.modules.pop("lambdas.dead_letters.handler", None)
    handler = import_module("lambdas.dead_letters.handler")

    yield lambda *messages: handler.handler({"Records": list(messages)}, lambda_context)
    handler._database.close()


@pytest.fixture
def query(database_url: str) -> Query:
    def run(sql: str) -> list[tuple]:
        with psycopg.connect(database_url) as connection:
            return connection.execute(sql).fetchall()

    return run


def test_letters_are_stored_once_and_their_messages_counted(invoke, query):
    assert invoke(message(trade("a"), "m1"), message(trade("a"), "m2"), message(trade("b"), "m3")) == {
        "batchItemFailures": []
    }
    invoke(message(trade("a"), "m4"))
    assert query("SELECT key, receipts, reason, venue, symbol, time_ns, queue FROM dead_letters ORDER BY key") == [
        ("a", 3, "side", "v", "A-USD", 5, "trades-dlq"),
        ("b", 1, "side", "v", "A-USD", 5, "trades-dlq"),
    ]


def test_a_message_that_sqs_gives_twice_is_counted_once(invoke, query):
    invoke(message(trade("a"), "m1"))
    invoke(message(trade("a"), "m1"))
    assert query("SELECT receipts FROM dead_letters") == [(1,)]


def test_what_is_no_letter_is_stored_beside_the_good_ones(invoke, query):
    invoke(message("garbage", "m1"), message(trade("a"), "m2"))
    assert query("SELECT kind, body FROM dead_letters ORDER BY kind") == [
        ("malformed", b"garbage"),
        ("trade", json.dumps(trade("a")).encode()),
    ]


def test_a_value_that_postgresql_refuses_does_not_hold_up_the_batch(invoke, query):
    """A number beyond a double's range is good JSON, and Python reads it as infinity."""
    huge = json.dumps(trade("a"))[:-1] + ', "x": 1e999}'
    invoke(message(huge, "m1"), message(trade("b"), "m2"))
    assert query("SELECT key, reason, fields IS NULL, body FROM dead_letters ORDER BY key") == [
        ("a", "side", True, huge.encode()),
        ("b", "side", False, json.dumps(trade("b")).encode()),
    ]


def test_a_letter_of_the_largest_size_is_stored_whole(invoke, query):
    body = json.dumps({**trade("a"), "record": "A" * (1024 * 1024 - 200)})
    invoke(message(body))
    assert query("SELECT octet_length(body), fields ? 'record' FROM dead_letters") == [(len(body), False)]


def test_fields_can_be_queried(invoke, query):
    invoke(message(trade("a", row={"trade_id": 7})))
    assert query("SELECT fields->'row'->>'trade_id' FROM dead_letters") == [("7",)]
