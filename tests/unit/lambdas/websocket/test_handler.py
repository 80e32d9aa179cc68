"""The function's routes. Event shapes: API Gateway's documentation of WebSocket integrations."""

import json
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.delivery.settings import InvalidSettings
from lambdas.identity.user import Role, User

VIEWER = User("5d1c2c0e", (Role.VIEWER,), 4_000_000_000)

CONTEXT = SimpleNamespace(
    function_name="websocket",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:websocket",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72",
)


@pytest.fixture
def module(dynamodb: Any, posts: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "CONNECTIONS_TABLE": "connections",
        "SUBSCRIPTIONS_TABLE": "subscriptions",
        "LAST_VALUES_TABLE": "last-values",
        "REPLAY_TABLE": "replay",
        "WEBSOCKET_ENDPOINT": "https://abcdef.execute-api.eu-central-1.amazonaws.com/live",
    }.items():
        monkeypatch.setenv(f"TICKWIRE_{name}", value)
    sys.modules.pop("lambdas.websocket.handler", None)
    loaded = import_module("lambdas.websocket.handler")
    loaded.conversation._posts = loaded.rate_limit._posts = posts
    return loaded


def event(event_type: str, route: str, body: str | None = None) -> dict[str, Any]:
    context = {
        "routeKey": route,
        "eventType": event_type,
        "connectionId": "c1=",
        "stage": "live",
        "apiId": "abcdef",
        "requestId": "r1",
        "authorizer": {"principalId": "5d1c2c0e", **VIEWER.as_context(), "integrationLatency": 12},
    }
    return {"requestContext": context, "isBase64Encoded": False} | ({} if body is None else {"body": body})


def connections(dynamodb: Any) -> list[str]:
    return [row["connection_id"]["S"] for row in dynamodb.scan(TableName="connections")["Items"]]


def test_connecting_and_disconnecting_keep_the_table_of_connections(module: Any, dynamodb: Any) -> None:
    assert module.handler(event("CONNECT", "$connect"), CONTEXT) == {"statusCode": 200}
    assert connections(dynamodb) == ["c1="]
    assert module.handler(event("DISCONNECT", "$disconnect"), CONTEXT) == {"statusCode": 200}
    assert connections(dynamodb) == []


@pytest.mark.parametrize(
    ("route", "body", "answers"),
    [
        ("ping", '{"action":"ping"}', ["pong"]),
        ("subscribe", '{"action":"subscribe","topics":["trades"],"symbols":["*"]}', ["subscribed", "snapshot"]),
        ("unsubscribe", '{"action":"unsubscribe","topics":["trades"],"symbols":["*"]}', ["unsubscribed"]),
        ("$default", '{"action":"dance"}', ["error"]),
        ("$default", None, ["error"]),
    ],
)
def test_a_message_is_answered_on_the_connection(
    module: Any, posts: Any, route: str, body: str | None, answers: list[str]
) -> None:
    module.handler(event("CONNECT", "$connect"), CONTEXT)
    assert module.handler(event("MESSAGE", route, body), CONTEXT) == {"statusCode": 200}
    assert [json.loads(message)["type"] for message in posts.posted["c1="]] == answers


def test_a_connection_is_stored_with_its_user_and_keeps_it_when_it_subscribes(module: Any, dynamodb: Any) -> None:
    module.handler(event("CONNECT", "$connect"), CONTEXT)
    subscribe = '{"action":"subscribe","topics":["trades"],"symbols":["*"]}'
    module.handler(event("MESSAGE", "subscribe", subscribe), CONTEXT)
    (row,) = dynamodb.scan(TableName="connections")["Items"]
    assert (row["subject"], row["roles"]) == ({"S": "5d1c2c0e"}, {"SS": ["viewer"]})
    assert row["subscriptions"] == {"SS": ["trades#*"]}


@pytest.mark.parametrize("route", ["$connect", "ping"])
def test_what_came_past_no_authorizer_is_not_served(module: Any, dynamodb: Any, posts: Any, route: str) -> None:
    unproved = event("CONNECT" if route == "$connect" else "MESSAGE", route, '{"action":"ping"}')
    del unproved["requestContext"]["authorizer"]
    with pytest.raises(KeyError):
        module.handler(unproved, CONTEXT)
    assert connections(dynamodb) == []
    assert posts.posted == {}


def test_a_client_whose_login_has_expired_is_told_and_hung_up_on(module: Any, posts: Any) -> None:
    module.handler(event("CONNECT", "$connect"), CONTEXT)
    late = event("MESSAGE", "ping", '{"action":"ping"}')
    late["requestContext"]["authorizer"]["expires"] = "1700000000"
    assert module.handler(late, CONTEXT) == {"statusCode": 200}
    assert [json.loads(message)["code"] for message in posts.posted["c1="]] == ["login_expired"]
    assert posts.closed == ["c1="]


def test_a_connection_is_forgotten_however_long_ago_its_login_expired(module: Any, dynamodb: Any) -> None:
    module.handler(event("CONNECT", "$connect"), CONTEXT)
    late = event("DISCONNECT", "$disconnect")
    late["requestContext"]["authorizer"]["expires"] = "1700000000"
    module.handler(late, CONTEXT)
    assert connections(dynamodb) == []


def test_connections_and_messages_are_counted(module: Any, capsys: pytest.CaptureFixture[str]) -> None:
    module.handler(event("CONNECT", "$connect"), CONTEXT)
    module.handler(event("MESSAGE", "ping", '{"action":"ping"}'), CONTEXT)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [name for line in lines for name in ("Connections", "Messages") if line.get(name) == [1]] == [
        "Connections",
        "Messages",
    ]


def test_a_missing_variable_is_named_at_cold_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTIONS_TABLE", "SUBSCRIPTIONS_TABLE", "LAST_VALUES_TABLE", "REPLAY_TABLE", "WEBSOCKET_ENDPOINT"):
        monkeypatch.delenv(f"TICKWIRE_{name}", raising=False)
    monkeypatch.setenv("TICKWIRE_CONNECTIONS_TABLE", "connections")
    sys.modules.pop("lambdas.websocket.handler", None)
    with pytest.raises(InvalidSettings, match="TICKWIRE_SUBSCRIPTIONS_TABLE is not set"):
        import_module("lambdas.websocket.handler")


def test_a_message_too_many_is_refused_and_not_acted_on(
    module: Any, posts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.handler(event("CONNECT", "$connect"), CONTEXT)
    monkeypatch.setattr(module.rate_limit, "_clock", lambda: 1_700_000_000.0)
    for _ in range(62):
        module.handler(event("MESSAGE", "ping", '{"action":"ping"}'), CONTEXT)
    heard = [json.loads(message) for message in posts.posted["c1="]]
    assert [one["type"] for one in heard] == ["pong"] * 60 + ["error"]
    assert heard[-1]["code"] == "rate_limited"
