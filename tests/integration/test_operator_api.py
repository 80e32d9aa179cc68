"""What operators may do over HTTP, on a real PostgreSQL, logged in as the role that AWS gives them."""

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import boto3
import psycopg
import pytest
from moto import mock_aws
from psycopg.conninfo import make_conninfo

from lambdas.migrations.runner import apply
from tickwire.envelope import decode
from tickwire.partitions import partition_of

from .http_api import CLAIMS, Client

PARTITIONS = 4
FRAME = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"0.001","q":"100",'
    b'"T":1672515782136,"m":true,"M":true}}'
)
OPERATOR = {**CLAIMS, "cognito:groups": "[operator]"}
RANGE = {"start": "2020-01-01T00:00:00Z", "end": "2020-12-31T00:00:00Z"}


@pytest.fixture
def owner_url(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    return database_url


@pytest.fixture
def module(owner_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "TICKWIRE_DATABASE_URL": make_conninfo(owner_url, user="tickwire_operator"),
        "TICKWIRE_DEAD_LETTER_BUCKET": "letters",
        "TICKWIRE_RAW_STREAM": "raw",
        "TICKWIRE_PARTITIONS": str(PARTITIONS),
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.client("kinesis").create_stream(StreamName="raw", ShardCount=1)
        boto3.client("s3").create_bucket(
            Bucket="letters", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        sys.modules.pop("lambdas.operator_api.handler", None)
        loaded = import_module("lambdas.operator_api.handler")
        yield loaded
        loaded.database.close()


@pytest.fixture
def call(module: Any, lambda_context: SimpleNamespace) -> Client:
    client = Client(module, lambda_context)
    client.claims = OPERATOR
    return client


def letter(owner_url: str, key: str, frame: bytes = FRAME, *, reason: str = "bad_number", seen: int = 0) -> None:
    """Store a frame that could not be read; ``seen`` s after the beginning of 2024."""
    message = {
        "feed": "binance",
        "frame": b64encode(frame).decode(),
        "encoding": "base64",
        "truncated": False,
        "receive_time": 1_672_515_782_200_000_000,
        "sha256": sha256(frame).hexdigest(),
    }
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO dead_letters (kind, key, reason, detail, venue, symbol, fields, queue, message_id, body,"
            " first_seen, last_seen, receipts) VALUES ('frame', %s, %s, 'no number', 'binance', NULL, '{}', 'frames',"
            " 'm', %s, '2024-01-01T00:00:00Z', timestamptz '2024-01-01T00:00:00Z' + %s * interval '1 second', 1)",
            [key, reason, json.dumps(message).encode(), seen],
        )


def entries(owner_url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(owner_url) as connection:
        return connection.execute(
            "SELECT subject, action, target, outcome, request_id FROM audit_log ORDER BY id"
        ).fetchall()


def test_letters_come_last_seen_first_page_by_page(call: Client, owner_url: str) -> None:
    for key, seen, reason in (("aaaa", 1, "bad_number"), ("bbbb", 3, "not_json"), ("cccc", 3, "bad_number")):
        letter(owner_url, key, seen=seen, reason=reason)
    first = call("GET", "/v1/dead-letters", limit=2)
    assert [one["key"] for one in first.body["letters"]] == ["cccc", "bbbb"]
    second = call("GET", "/v1/dead-letters", limit=2, cursor=first.body["next"]).body
    assert ([one["key"] for one in second["letters"]], second["next"]) == (["aaaa"], None)
    described = second["letters"][0]
    assert described.pop("body_bytes") > len(FRAME)
    assert described == {
        "kind": "frame",
        "key": "aaaa",
        "reason": "bad_number",
        "detail": "no number",
        "venue": "binance",
        "symbol": None,
        "receipts": 1,
        "redrives": 0,
        "redrive_outcome": None,
        "first_seen": 1_704_067_200_000,
        "last_seen": 1_704_067_201_000,
        "redriven_at": None,
        "state": "new",
    }
    chosen = call("GET", "/v1/dead-letters", reason="not_json", since="2024-01-01T00:00:02Z").body
    assert [one["key"] for one in chosen["letters"]] == ["bbbb"]


def test_a_letter_is_shown_as_it_was_received(call: Client, owner_url: str) -> None:
    letter(owner_url, "aaaa")
    letter(owner_url, "bbbb", b"\xff\xfe")
    letter(owner_url, "cccc", b"x" * 70_000)
    shown = call("GET", "/v1/dead-letters/frame/aaaa").body
    assert (shown["body"], shown["encoding"], shown["truncated"]) == (FRAME.decode(), "utf-8", False)
    binary = call("GET", "/v1/dead-letters/frame/bbbb").body
    assert (b64decode(binary["body"]), binary["encoding"]) == (b"\xff\xfe", "base64")
    large = call("GET", "/v1/dead-letters/frame/cccc").body
    assert (len(large["body"]), large["truncated"]) == (65_536, True)
    for key in ("dddd", "aaa"):
        assert call("GET", f"/v1/dead-letters/frame/{key}").status == 404
        assert [entry[2:4] for entry in entries(owner_url)][-2:] == [
            (f"frame/{key}", "begun"),
            (f"frame/{key}", "failed"),
        ]


def sent() -> list[Any]:
    kinesis = boto3.client("kinesis")
    (shard,) = kinesis.list_shards(StreamName="raw")["Shards"]
    iterator = kinesis.get_shard_iterator(StreamName="raw", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    return [decode(one["Data"]) for one in kinesis.get_records(ShardIterator=iterator)["Records"]]


def test_a_redriven_letter_becomes_its_trade_and_the_act_is_in_the_log(call: Client, owner_url: str) -> None:
    letter(owner_url, "aaaa")
    letter(owner_url, "bbbb", b"{nonsense")
    names = [{"kind": "frame", "key": key} for key in ("aaaa", "bbbb", "aaaa")]
    answer = call.post("/v1/dead-letters/redrive", {"letters": names})
    assert answer.status == 200
    good, bad = answer.body["results"]
    assert (good["key"], good["done"], good["trades"], good["outcome"]) == ("aaaa", True, 1, "1 trade")
    assert (bad["key"], bad["done"], bad["trades"]) == ("bbbb", False, 0)
    (record,) = sent()
    assert record.trades.trade_id.tolist() == [12345]
    assert record.header.partition == partition_of("binance", "BTC-USDT", PARTITIONS)
    states = {one["key"]: one["state"] for one in call("GET", "/v1/dead-letters").body["letters"]}
    assert states == {"aaaa": "redriven", "bbbb": "tried"}
    acts = [entry[1:4] for entry in entries(owner_url)]
    assert acts == [
        ("redrive dead letters", "frame/aaaa, frame/bbbb", "begun"),
        ("redrive dead letters", "frame/aaaa, frame/bbbb", "done"),
        ("list dead letters", "*", "done"),
    ]
    log = call("GET", "/v1/audit-log", start="2024-01-01T00:00:00Z", end="2024-12-31T00:00:00Z")
    assert log.body == {"entries": [], "next": None}


def test_an_act_that_fails_is_in_the_log_and_says_so(call: Client, owner_url: str) -> None:
    letter(owner_url, "aaaa")
    boto3.client("kinesis").delete_stream(StreamName="raw")
    answer = call.post("/v1/dead-letters/redrive", {"letters": [{"kind": "frame", "key": "aaaa"}]})
    assert (answer.status, "try again" in answer.body["detail"]) == (503, True)
    assert "raw" not in answer.body["detail"]
    assert [entry[3] for entry in entries(owner_url)] == ["begun", "failed"]
    missing = call.post("/v1/dead-letters/redrive", {"letters": [{"kind": "frame", "key": "zzzz"}]})
    assert missing.status == 404


def test_sending_may_take_longer_than_a_transaction_may_be_idle(
    call: Client, module: Any, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter(owner_url, "aaaa")
    put = module.raw_stream().put

    def slow(records: Any) -> None:
        put(records)
        # Nothing of this function's may be in a transaction meanwhile.
        with psycopg.connect(owner_url) as connection:
            (idle,) = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tickwire_operator'"
                " AND datname = current_database() AND state LIKE 'idle in transaction%'"
            ).fetchone() or (None,)
        assert idle == 0

    monkeypatch.setattr(module.raw_stream(), "put", slow)
    answer = call.post("/v1/dead-letters/redrive", {"letters": [{"kind": "frame", "key": "aaaa"}]})
    assert answer.status == 200
    assert [one["state"] for one in call("GET", "/v1/dead-letters").body["letters"]] == ["redriven"]


def test_another_number_of_partitions_sends_nothing(call: Client, owner_url: str) -> None:
    letter(owner_url, "aaaa")
    elsewhere = (partition_of("binance", "BTC-USDT", PARTITIONS) + 1) % PARTITIONS
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO ledger VALUES ('binance', 'BTC-USDT', %s, 1, 1, 9, '{}', '{}', '{}', 9, 0, 5)", [elsewhere]
        )
    answer = call.post("/v1/dead-letters/redrive", {"letters": [{"kind": "frame", "key": "aaaa"}]})
    assert (answer.status, "nothing was sent" in answer.body["detail"]) == (500, True)
    assert sent() == []


def test_the_log_tells_who_did_what_newest_first(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for n in range(3):
            connection.execute(
                "INSERT INTO audit_log (time, subject, action, target, outcome, request_id) VALUES ("
                "timestamptz '2020-06-01T00:00:00Z' + %s * interval '1 hour', 'u', 'act', %s, 'done', 'r')",
                [n, str(n)],
            )
    first = call("GET", "/v1/audit-log", **RANGE, limit=2).body
    assert [one["target"] for one in first["entries"]] == ["2", "1"]
    assert call("GET", "/v1/audit-log", **RANGE, limit=2, cursor=first["next"]).body == {
        "entries": [
            {
                "id": 1,
                "time": 1_590_969_600_000,
                "subject": "u",
                "action": "act",
                "target": "0",
                "outcome": "done",
                "detail": {},
                "request_id": "r",
            }
        ],
        "next": None,
    }
    # Who reads the log is in it.
    assert entries(owner_url)[-1][:3] == (
        CLAIMS["sub"],
        "read audit log",
        "2020-01-01T00:00:00+00:00/2020-12-31T00:00:00+00:00",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/dead-letters"),
        ("GET", "/v1/dead-letters/frame/aaaa"),
        ("POST", "/v1/dead-letters/redrive"),
        ("GET", "/v1/audit-log"),
    ],
)
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        (None, 401),
        ({**OPERATOR, "token_use": "id"}, 401),
        ({**CLAIMS, "cognito:groups": "[viewer]"}, 403),
        ({**CLAIMS, "cognito:groups": "[viewer trader]"}, 403),
        ({**CLAIMS, "cognito:groups": "[]"}, 403),
    ],
)
def test_every_route_is_for_operators_alone(
    call: Client, owner_url: str, method: str, path: str, claims: Any, status: int
) -> None:
    letter(owner_url, "aaaa")
    call.claims = claims
    if method == "POST":
        answer = call.post(path, {"letters": [{"kind": "frame", "key": "aaaa"}]})
    else:
        answer = call(method, path, **(RANGE if "audit" in path else {}))
    assert answer.status == status
    assert entries(owner_url) == []
    assert sent() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"letters": []},
        {"letters": [{"kind": "frame", "key": "aaaa"}] * 101},
        {"letters": [{"kind": "frame", "key": "a' OR 1=1"}]},
        {"letters": [{"kind": "elephant", "key": "aaaa"}]},
        {"letters": [{"kind": "frame", "key": "aaaa", "more": 1}]},
        [],
        "x",
    ],
)
def test_an_order_that_does_not_fit_is_refused(call: Client, owner_url: str, body: object) -> None:
    answer = call.post("/v1/dead-letters/redrive", body)
    assert answer.status == 422
    assert entries(owner_url) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET subject = 'nobody'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "DELETE FROM dead_letters",
        "UPDATE dead_letters SET body = 'x'",
        "INSERT INTO bars DEFAULT VALUES",
        "SELECT missing FROM ledger",
        "CREATE TABLE mine (x int)",
    ],
)
def test_the_role_adds_to_the_log_and_changes_nothing_of_it(module: Any, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        module.database.run(lambda connection: connection.execute(statement))
