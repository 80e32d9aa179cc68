"""Ten thousand requests that nobody should send: none fails on our side, and no answer tells of what is inside.

Seeded, so that a failure comes again; the seed and the request are in its message.
"""

import json
import random
import re
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import boto3
import psycopg
import pytest
from moto import mock_aws
from psycopg.conninfo import make_conninfo

from lambdas.migrations.runner import apply

from .http_api import CLAIMS

REQUESTS = 10_000
SEED = 7
INSIDE = re.compile(
    r"Traceback|File \"|psycopg|pydantic|botocore|boto3|powertools|SELECT |INSERT |relation \"|syntax error"
    r"|/site-packages/|lambdas\.|tickwire\.|\.py\b|Exception|dead_letters\b|audit_log\b|tickwire_(reader|operator|writer)"
)
HOSTILE = (
    "", " ", "'", '"', "' OR 1=1 --", "'; DROP TABLE bars; --", "1; SELECT pg_sleep(9)", "${jndi:ldap://x}", "%00",
    "\x00", "\r\nSet-Cookie: a=b", "../../../etc/passwd", "<script>alert(1)</script>", "{{7*7}}", "null", "NaN",
    "Infinity",
    "-1", "0", "1e309", str(2**63), str(-(2**70)), "9" * 400, "a" * 9_000, "é" * 200, "\ud7ff\ue000", "🦈" * 40, "٣",
    "[]", "{}", "true", "2024-13-45T99:99:99Z", "2024-08-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2024-08-01T00:00:00+99:00", "-infinity", "eyJhIjoxfQ", "W10", "WyJhYiIsIDFd", "binance\n", "BTC-USDT'",
)  # fmt: skip
GOOD = {
    "venue": ("binance", "kraken"),
    "symbol": ("BTC-USDT", "ETH-USD"),
    "interval": ("1s", "1m", "5m", "1h", "60"),
    "start": ("2024-08-01T00:00:00Z", "2024-08-01T12:00:00+02:00"),
    "end": ("2024-08-02T00:00:00Z", "2024-08-31T00:00:00Z"),
    "limit": ("1", "10", "500"),
    "horizon": ("900", "300"),
    "format": ("json", "csv", "arrow"),
    "kind": ("frame", "trade"),
    "reason": ("bad_number",),
    "since": ("2024-08-01T00:00:00Z",),
    "cursor": ("WyJhYiIsIDFd",),
}
PARTS = ("binance:BTC-USDT:900:1722470400000", "frame", "trade", "aaaa", "..", "%2e%2e", "a" * 300, "x'y", "é", "\x00")
BODIES: tuple[Any, ...] = (
    {"side": "long", "account": "10000", "risk_fraction": "0.01", "entry": "50000", "stop": "49000"},
    {"positions": [{"venue": "binance", "symbol": "BTC-USDT", "quantity": 1}]},
    {"letters": [{"kind": "frame", "key": "aaaa"}]},
)


@pytest.fixture
def functions(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, list[str]]]]:
    """Give both functions of the HTTP API with their routes, on a database that has a little of everything."""
    with psycopg.connect(database_url) as connection:
        apply(connection)
        connection.execute("SELECT ensure_bars_partition('2024-08-01')")
        connection.execute("SELECT ensure_conclusions_partition('2024-08-01')")
        connection.execute(
            "INSERT INTO bars SELECT 'binance', 'BTC-USDT', 60, '2024-08-01'::timestamptz + n * interval '1 minute', 1,"
            " 2, 1, 2, 1, 1, 1, 1, n, n, 1, true, 0 FROM generate_series(0, 300) AS n"
        )
        connection.execute(
            "INSERT INTO dead_letters (kind, key, reason, detail, queue, message_id, body)"
            " VALUES ('frame', 'aaaa', 'bad_number', '', 'frames', 'm', 'no json')"
        )
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    environment = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "TICKWIRE_TICKETS_TABLE": "tickets",
        "TICKWIRE_LAST_VALUES_TABLE": "last-values",
        "TICKWIRE_MODEL_ENDPOINT": "model",
        "TICKWIRE_DEAD_LETTER_BUCKET": "letters",
        "TICKWIRE_RAW_STREAM": "raw",
        "TICKWIRE_PARTITIONS": "4",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    routes = import_module("cdk.constructs.rest_routes")
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        for table, keys in (("tickets", ["ticket_hash:S"]), ("last-values", ["item:S", "at:N"])):
            names = [key.split(":") for key in keys]
            dynamodb.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in names],
                KeySchema=[
                    {"AttributeName": name, "KeyType": role}
                    for (name, _), role in zip(names, ("HASH", "RANGE"), strict=False)
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        boto3.client("kinesis").create_stream(StreamName="raw", ShardCount=1)
        found = []
        for function, role, known in (
            ("rest_api", "tickwire_reader", routes.READER_ROUTES),
            ("operator_api", "tickwire_operator", routes.OPERATOR_ROUTES),
        ):
            monkeypatch.setenv("TICKWIRE_DATABASE_URL", make_conninfo(database_url, user=role))
            sys.modules.pop(f"lambdas.{function}.handler", None)
            found.append((import_module(f"lambdas.{function}.handler"), list(known)))
        yield found
        for module, _ in found:
            module.database.close()


class Fuzzer:
    """Makes requests up: of a route that there is, with some of what it takes spoilt."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def event(self, routes: list[str]) -> dict[str, Any]:
        method, path = self._random.choice(routes).split(" ")
        if self._chance(0.03):
            method = self._random.choice(["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get"])
        while "{" in path:
            path = re.sub(r"\{\w+\}", lambda _: self._random.choice(PARTS), path, count=1)
        if self._chance(0.03):
            path += self._random.choice(["/", "//", "/..", "?", "%00", "x" * 500])
        query = {name: self._value(name) for name in GOOD if self._chance(0.6)}
        claims: Any = {**CLAIMS, "cognito:groups": "[viewer trader operator]"}
        if self._chance(0.05):
            # The others are numbers and names of the user pool's, by its signature.
            claims = {**claims, self._random.choice(["cognito:groups", "token_use"]): self._random.choice(HOSTILE)}
        headers = {"host": "api.example", "content-type": "application/json"}
        if self._chance(0.2):
            name = self._random.choice(
                ["accept", "if-none-match", "content-type", "idempotency-key", "x-forwarded-for"]
            )
            headers[name] = self._random.choice(HOSTILE)
        return {
            "version": "2.0",
            "routeKey": f"{method} {path}",
            "rawPath": path,
            "rawQueryString": urlencode(query),
            "headers": headers,
            "queryStringParameters": query or None,
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
                "stage": "$default",
                "requestId": "r1",
                "authorizer": {"jwt": {"claims": claims, "scopes": None}},
            },
            **self._carried(method),
        }

    def _value(self, name: str) -> str:
        return self._random.choice(HOSTILE) if self._chance(0.25) else self._random.choice(GOOD[name])

    def _carried(self, method: str) -> dict[str, Any]:
        body = self._body() if method in ("POST", "PUT", "PATCH") else None
        if body is None or not self._chance(0.05):
            return {"body": body, "isBase64Encoded": False}
        # What API Gateway takes for binary.
        data = body.encode() if self._chance(0.5) else self._random.randbytes(40)
        return {"body": b64encode(data).decode(), "isBase64Encoded": True}

    def _body(self) -> str:
        if self._chance(0.2):
            return self._random.choice(HOSTILE)
        if self._chance(0.02):
            return "[" * 5_000 + "]" * 5_000
        body = json.loads(json.dumps(self._random.choice(BODIES)))
        for _ in range(self._random.randint(0, 3)):
            self._spoil(body)
        return json.dumps(body)

    def _spoil(self, body: Any) -> None:
        """Put something else in some place of a body, or take it away."""
        while True:
            places = list(body) if isinstance(body, dict) else list(range(len(body)))
            if not places:
                return
            place = self._random.choice(places)
            if isinstance(body[place], dict | list) and body[place] and self._chance(0.7):
                body = body[place]
                continue
            if self._chance(0.2):
                del body[place]
            else:
                body[place] = self._random.choice(
                    [*HOSTILE, None, True, -1, 0, 1e300, 2**80, [], {}, [[[]]], {"a": {}}]
                )
            return

    def _chance(self, share: float) -> bool:
        return self._random.random() < share


def test_ten_thousand_odd_requests_do_no_harm(functions: Any, lambda_context: SimpleNamespace) -> None:
    fuzzer = Fuzzer(SEED)
    counts: Counter[int] = Counter()
    for number in range(REQUESTS):
        module, routes = functions[number % 4 == 3]
        event = fuzzer.event(routes)
        answer = module.handler(event, lambda_context)
        status, body = answer["statusCode"], str(answer.get("body"))
        request = json.dumps(event)[:3_000]
        assert status < 500, (SEED, number, status, body, request)
        if status >= 400:
            assert INSIDE.search(body) is None, (SEED, number, body, request)
            assert json.loads(body)["status"] == status
        for name, value in answer["headers"].items():
            assert not re.search(r"[\r\n\x00]", f"{name}{value}"), (SEED, number, name, value)
        counts[status] += 1
    # Enough of them get somewhere for the rest to mean something.
    assert counts[200] > 300, counts
    assert counts[422] > 3_000, counts
