import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import import_module
from typing import Any

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

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
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The client of S3 and a bucket for large messages, which the function then has."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("TICKWIRE_DEAD_LETTER_BUCKET", "letters")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="letters")
        yield s3


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


def large_message(**fields: object) -> str:
    return json.dumps({**trade("large", **fields), "record": "A" * 65_536})


def test_a_large_message_lies_in_s3_and_its_row_names_it(bucket, invoke, query):
    body = large_message(time=1_722_470_400_000_000_000)
    invoke(message(body), message(trade("small"), "m2"))
    key = f"message/2024-08-01/{sha256(body.encode()).hexdigest()}.gz"
    assert query("SELECT key, body IS NULL, body_address, fields->>'rule' FROM dead_letters ORDER BY key") == [
        ("large", True, f"s3://letters/{key}", "side"),
        ("small", False, None, "side"),
    ]
    assert gzip.decompress(bucket.get_object(Bucket="letters", Key=key)["Body"].read()) == body.encode()


def test_a_message_of_just_64_kib_stays_in_the_table(bucket, invoke, query):
    text = json.dumps({**trade("a"), "record": ""})
    body = text[:-2] + "A" * (65_536 - len(text)) + text[-2:]
    invoke(message(body))
    assert query("SELECT octet_length(body), body_address FROM dead_letters") == [(65_536, None)]
    assert "Contents" not in bucket.list_objects_v2(Bucket="letters")


def test_a_large_message_that_comes_again_writes_the_same_object(bucket, invoke, query):
    body = large_message()
    invoke(message(body, "m1"))
    invoke(message(body, "m2"))
    assert query("SELECT receipts FROM dead_letters") == [(2,)]
    assert len(bucket.list_objects_v2(Bucket="letters")["Contents"]) == 1


def test_without_s3_nothing_is_stored_and_all_come_again(bucket, invoke, query):
    bucket.delete_bucket(Bucket="letters")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        invoke(message(trade("small")), message(large_message(), "m2"))
    assert query("SELECT count(*) FROM dead_letters") == [(0,)]


def test_a_row_that_breaks_another_rule_when_it_comes_again_tells_the_newest(invoke, query):
    invoke(message(trade("a", detail="first"), "m1"))
    invoke(message(trade("a", rule="time", detail="second"), "m2"))
    assert query("SELECT reason, detail, receipts FROM dead_letters") == [("time", "second", 2)]


def test_the_writer_may_store_and_mark_letters(database_url, invoke):
    invoke(message(trade("a")))
    with psycopg.connect(database_url) as connection:
        connection.execute("SET ROLE tickwire_writer")
        connection.execute(
            "UPDATE dead_letters SET redriven_at = now(), redrives = redrives + 1, redrive_outcome = 'x'"
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE dead_letters SET body = NULL")
