"""The REST API on a real PostgreSQL, logged in as the role that AWS gives it.

Events: API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs", payload 2.0.
"""

import json
import sys
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

HOUR = 1_722_470_400_000  # ms UTC of 2024-08-01T00:00:00Z
NS = 1_000_000
BAR = (
    "INSERT INTO bars VALUES ('binance', %s, %s, to_timestamp(%s / 1000.0), 60000.10, 60000.90, 59999.00, 60000.00,"
    " 1.50000000, 0.5, 90000.00000000, 3, 7, 9, 2, true, 0)"
)
GAP = (
    "INSERT INTO gaps (venue, symbol, first_id, last_id, cause, noticed_ns, after_time_ns, before_time_ns, remaining,"
    " history, closed_ns) VALUES ('binance', 'BTC-USDT', %s, %s, 'disconnect', %s, %s, %s, %s, %s, %s)"
)
CLAIMS = {
    "sub": "5d1c2c0e",
    "token_use": "access",
    "client_id": "page",
    "exp": "4000000000",
    "cognito:groups": "[viewer]",
}


@pytest.fixture
def owner_url(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        apply(connection)
        connection.execute("SELECT ensure_bars_partition('2024-08-01')")
        connection.execute("SELECT ensure_conclusions_partition('2024-08-01')")
    return database_url


@pytest.fixture
def module(owner_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "TICKWIRE_DATABASE_URL": make_conninfo(owner_url, user="tickwire_reader"),
        "TICKWIRE_TICKETS_TABLE": "tickets",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="tickets",
            AttributeDefinitions=[{"AttributeName": "ticket_hash", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "ticket_hash", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        sys.modules.pop("lambdas.rest_api.handler", None)
        loaded = import_module("lambdas.rest_api.handler")
        yield loaded
        loaded.database.close()


class Client:
    """Calls the function as an HTTP API with a JWT authorizer does."""

    def __init__(self, module: Any, context: SimpleNamespace) -> None:
        self._module = module
        self._context = context
        self.claims: dict[str, str] | None = CLAIMS

    def __call__(self, method: str, path: str, **query: object) -> Any:
        authorizer = {} if self.claims is None else {"authorizer": {"jwt": {"claims": self.claims, "scopes": None}}}
        event = {
            "version": "2.0",
            "routeKey": f"{method} {path}",
            "rawPath": path,
            "rawQueryString": urlencode(query),
            "headers": {"host": "abcdef.execute-api.eu-central-1.amazonaws.com"},
            "queryStringParameters": {name: str(value) for name, value in query.items()} or None,
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
                "stage": "$default",
                "requestId": "r1",
                **authorizer,
            },
            "isBase64Encoded": False,
        }
        answer = self._module.handler(event, self._context)
        content_type = answer["headers"]["Content-Type"]
        expected = "application/json" if answer["statusCode"] < 400 else "application/problem+json"
        assert content_type == expected
        return SimpleNamespace(status=answer["statusCode"], body=json.loads(answer["body"]))


@pytest.fixture
def call(module: Any, lambda_context: SimpleNamespace) -> Client:
    return Client(module, lambda_context)


def bars_query(**changes: object) -> dict[str, object]:
    query = {
        "venue": "binance",
        "symbol": "BTC-USDT",
        "interval": "1m",
        "start": "2024-08-01T00:00:00Z",
        "end": "2024-08-02T00:00:00Z",
    }
    return {name: value for name, value in {**query, **changes}.items() if value is not None}


def test_bars_of_a_range_come_oldest_first_with_their_digits(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute in (2, 0, 1, 24 * 60):
            connection.execute(BAR, ["BTC-USDT", 60, HOUR + minute * 60_000])
        connection.execute(BAR, ["BTC-USDT", 1, HOUR])
        connection.execute(BAR, ["ETH-USDT", 60, HOUR])
    answer = call("GET", "/v1/bars", **bars_query())
    assert answer.status == 200
    assert [bar["start"] for bar in answer.body["bars"]] == [HOUR, HOUR + 60_000, HOUR + 120_000]
    assert answer.body["bars"][0] == {
        "start": HOUR,
        "open": "60000.10",
        "high": "60000.90",
        "low": "59999.00",
        "close": "60000.00",
        "volume": "1.50000000",
        "buy_volume": "0.5",
        "notional": "90000.00000000",
        "trades": 3,
        "first_id": 7,
        "last_id": 9,
        "revision": 2,
        "final": True,
    }
    assert answer.body["next"] is None


def test_a_limit_says_where_to_go_on(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute in range(5):
            connection.execute(BAR, ["BTC-USDT", 60, HOUR + minute * 60_000])
    first = call("GET", "/v1/bars", **bars_query(limit=3)).body
    assert (len(first["bars"]), first["next"]) == (3, HOUR + 180_000)
    rest = call("GET", "/v1/bars", **bars_query(limit=3, start="2024-08-01T02:03:00+02:00")).body
    assert ([bar["start"] for bar in rest["bars"]], rest["next"]) == ([HOUR + 180_000, HOUR + 240_000], None)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"venue": None}, "venue"),
        ({"venue": "binance'; DROP TABLE bars"}, "venue"),
        ({"venue": "binance\n"}, "venue"),
        ({"symbol": "BTCUSDT"}, "symbol"),
        ({"symbol": "B" * 21 + "-USDT"}, "symbol"),
        ({"interval": "5m"}, "interval"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"start": "2024-08-01T00:00:00"}, "start"),
        ({"start": "yesterday"}, "start"),
        ({"end": None}, "end"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(call: Client, changes: dict[str, object], parameter: str) -> None:
    answer = call("GET", "/v1/bars", **bars_query(**changes))
    assert (answer.status, answer.body["status"], answer.body["type"]) == (422, 422, "about:blank")
    assert [error["parameter"] for error in answer.body["errors"]] == [parameter]


@pytest.mark.parametrize("path", ["/v1/bars", "/v1/continuity", "/v1/predictions", "/v1/signals", "/v1/sentiment"])
@pytest.mark.parametrize("end", ["2024-08-01T00:00:00Z", "2024-07-01T00:00:00Z", "2024-09-02T00:00:00Z"])
def test_an_empty_or_overlong_range_is_refused(call: Client, path: str, end: str) -> None:
    query = bars_query(end=end, interval="1m" if path == "/v1/bars" else None)
    assert call("GET", path, **query).status == 422


def test_continuity_tells_the_hours_and_the_gaps_of_a_range(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO hours VALUES ('binance', 'BTC-USDT', to_timestamp(%s), 90, 1, 100)", [HOUR // 1000]
        )
        # Ten ids are missing within the first hour; two of the next day came from the history.
        first, later = HOUR * NS, (HOUR + 86_400_000) * NS
        connection.execute(GAP, [41, 50, first + 5, first + 1, first + 9, 10, 0, 0])
        connection.execute(GAP, [201, 202, later + 5, later + 1, later + 9, 0, 2, later + 7])
    query = bars_query(interval=None)
    answer = call("GET", "/v1/continuity", **query)
    assert answer.status == 200
    assert answer.body["hours"] == [
        {
            "hour": HOUR,
            "trades": "90.000",
            "missing": "10.000",
            "absent": "0.000",
            "quarantined": "0.000",
            "completeness": "0.900000000000",
        }
    ]
    assert [(gap["first_id"], gap["last_id"], gap["remaining"]) for gap in answer.body["gaps"]] == [(41, 50, 10)]
    assert answer.body["more"] is False
    both = call("GET", "/v1/continuity", **{**query, "end": "2024-08-03T00:00:00Z", "limit": 1}).body
    assert [gap["first_id"] for gap in both["gaps"]] == [201]
    assert both["more"] is True


PREDICTION = (
    "INSERT INTO predictions VALUES ('binance', 'BTC-USDT', to_timestamp(%s / 1000.0), %s, 60000.5, %s, %s,"
    " 'direction', '7', 'champion', '{0.5}', %s, %s)"
)


def test_predictions_come_oldest_first_with_what_became_of_them(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute, horizon, *rest in (
            (1, 900, None, "unavailable", None, None),
            (0, 900, 0.53, "", 60010.0, True),
            (0, 300, 0.4, "", None, None),
            (2, 900, 0.5, "", 60000.5, None),
        ):
            connection.execute(PREDICTION, [HOUR + minute * 60_000, horizon, *rest])
    answer = call("GET", "/v1/predictions", **bars_query(interval=None, limit=2))
    model = {"close": 60000.5, "model": "direction", "version": "7", "variant": "champion"}
    assert answer.body == {
        "venue": "binance",
        "symbol": "BTC-USDT",
        "horizon": 900,
        "predictions": [
            {"time": HOUR, **model, "probability": 0.53, "absent": "", "closed_at": 60010.0, "rose": True},
            {
                "time": HOUR + 60_000,
                **model,
                "probability": None,
                "absent": "unavailable",
                "closed_at": None,
                "rose": None,
            },
        ],
        "next": HOUR + 120_000,
    }
    shorter = call("GET", "/v1/predictions", **bars_query(interval=None, horizon=300)).body
    assert [(one["time"], one["probability"]) for one in shorter["predictions"]] == [(HOUR, 0.4)]
    assert shorter["next"] is None


def test_signals_of_a_range_say_what_to_do_and_why(call: Client, owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        for minute, direction, invalidation in ((0, "long", 59000.5), (1, "flat", None), (24 * 60, "short", 61000.0)):
            connection.execute(
                "INSERT INTO trading_signals VALUES ('binance', 'BTC-USDT', to_timestamp(%s / 1000.0), 900, %s, 0.06,"
                " 60000.5, %s, -0.0004, 'costs eat it')",
                [HOUR + minute * 60_000, direction, invalidation],
            )
    body = call("GET", "/v1/signals", **bars_query(interval=None)).body
    rest = {"confidence": 0.06, "price": 60000.5, "expected_move": -0.0004, "reason": "costs eat it"}
    assert body["signals"] == [
        {"time": HOUR, "direction": "long", "invalidation": 59000.5, **rest},
        {"time": HOUR + 60_000, "direction": "flat", "invalidation": None, **rest},
    ]
    assert body["next"] is None


def test_sentiment_is_the_markets(call: Client, owner_url: str) -> None:
    part = {"name": "momentum", "score": 70.0, "weight": 1.0, "value": 0.002}
    with psycopg.connect(owner_url) as connection:
        for minute in range(3):
            connection.execute(
                "INSERT INTO sentiment VALUES (to_timestamp(%s / 1000.0), 70, 5, %s)",
                [HOUR + minute * 60_000, json.dumps([part])],
            )
    query = {"start": "2024-08-01T00:01:00Z", "end": "2024-08-01T00:02:00Z"}
    assert call("GET", "/v1/sentiment", **query).body == {
        "sentiment": [{"time": HOUR + 60_000, "index": 70.0, "symbols": 5, "parts": [part]}],
        "next": None,
    }


@pytest.mark.parametrize("horizon", [0, 86_401, "long"])
def test_a_horizon_is_seconds_of_a_day(call: Client, horizon: object) -> None:
    answer = call("GET", "/v1/predictions", **bars_query(interval=None, horizon=horizon))
    assert (answer.status, [error["parameter"] for error in answer.body["errors"]]) == (422, ["horizon"])


def test_a_ticket_of_the_api_stands_for_who_asked(call: Client, module: Any) -> None:
    answer = call("POST", "/ws-tickets")
    assert (answer.status, answer.body["expires_in"]) == (201, 60)
    user = module.tickets.redeem(answer.body["ticket"])
    assert (user.subject, user.roles, user.expires) == ("5d1c2c0e", ("viewer",), 4_000_000_000)


ROUTES = [
    ("POST", "/ws-tickets", {}),
    ("GET", "/v1/bars", bars_query()),
    ("GET", "/v1/continuity", bars_query(interval=None)),
    ("GET", "/v1/predictions", bars_query(interval=None)),
    ("GET", "/v1/signals", bars_query(interval=None)),
    ("GET", "/v1/sentiment", bars_query(interval=None, venue=None, symbol=None)),
]


@pytest.mark.parametrize(("method", "path", "query"), ROUTES)
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        (None, 401),
        ({**CLAIMS, "token_use": "id"}, 401),
        ({**CLAIMS, "cognito:groups": "[guests]"}, 403),
        ({**CLAIMS, "cognito:groups": "[]"}, 403),
        ({name: value for name, value in CLAIMS.items() if name != "cognito:groups"}, 403),
        ({**CLAIMS, "cognito:groups": "[guests operator]"}, None),
    ],
)
def test_every_route_wants_an_access_token_of_a_user_with_a_role(
    call: Client, method: str, path: str, query: Any, claims: Any, status: int | None
) -> None:
    call.claims = claims
    answer = call(method, path, **query)
    assert answer.status == status if status is not None else answer.status < 300


def test_health_wants_no_login_and_needs_the_database(
    call: Client, module: Any, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call.claims = None
    assert call("GET", "/v1/health").body == {"status": "ok"}
    module.database.close()
    monkeypatch.setattr(
        module.database, "_open", lambda: psycopg.connect("postgresql://127.0.0.1:9/x", connect_timeout=1)
    )
    answer = call("GET", "/v1/health")
    assert answer.status == 503
    assert "127.0.0.1" not in json.dumps(answer.body)


def test_a_route_that_is_not_there_is_a_problem_too(call: Client) -> None:
    assert call("GET", "/v1/orders").status == 404


def test_what_goes_wrong_on_our_side_is_not_shown(call: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Any, **query: Any) -> None:
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr("lambdas.rest_api.market_routes.read_bars", broken)
    answer = call("GET", "/v1/bars", **bars_query())
    assert answer.status == 500
    assert "secret" not in json.dumps(answer.body)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO bar_repairs DEFAULT VALUES",
        "UPDATE bars SET trades = 0",
        "DELETE FROM gaps",
        "UPDATE predictions SET probability = 1",
        "TRUNCATE bars",
        "SELECT body FROM dead_letters",
        "SELECT * FROM ledger",
        "SELECT * FROM stream_checkpoints",
        "SELECT ensure_bars_partition('2030-01-01')",
        "SELECT ensure_conclusions_partition('2030-01-01')",
        "CREATE TABLE mine (x int)",
    ],
)
def test_the_readers_role_reads_what_clients_may_know_and_changes_nothing(module: Any, statement: str) -> None:
    # Without its own setting, which a session may change: the rights alone must hold.
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        module.database.run(
            lambda connection: [connection.execute("SET TRANSACTION READ WRITE"), connection.execute(statement)]
        )


def test_the_readers_limits_belong_to_the_role(module: Any) -> None:
    """RDS Proxy takes no options with a connection."""
    names = ("default_transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout")
    found = module.database.run(lambda connection: [connection.execute(f"SHOW {name}").fetchone()[0] for name in names])
    assert found == ["on", "5s", "10s"]


def test_a_reading_connection_prepares_nothing(module: Any) -> None:
    """A prepared statement would pin the proxy's connection to one client."""

    def prepared(connection: psycopg.Connection) -> int:
        for _ in range(10):
            connection.execute("SELECT 1 WHERE 1 = %s", [1])
        return connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]

    assert module.database.run(prepared) == 0
