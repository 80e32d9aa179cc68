"""The authorizer's decisions. Event and answer: API Gateway developer guide, "Control access to WebSocket APIs"."""

import sys
import time
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.identity.tickets import Tickets
from lambdas.identity.tokens import TokenRefused
from lambdas.identity.user import Role, User

ARN = "arn:aws:execute-api:eu-central-1:123456789012:abcdef123/live/$connect"
CONTEXT = SimpleNamespace(
    function_name="authorizer",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:authorizer",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72",
)


class OneToken:
    """Takes the token "good"; what else a token can be is tested with the verifier."""

    def __init__(self, user: User) -> None:
        self.user = user

    def verify(self, token: str) -> User:
        if token != "good":
            raise TokenRefused("forged")
        return self.user


@pytest.fixture
def viewer() -> User:
    return User("5d1c2c0e", (Role.VIEWER,), int(time.time()) + 3600)


@pytest.fixture
def module(dynamodb: Any, monkeypatch: pytest.MonkeyPatch, viewer: User) -> Any:
    for name, value in {
        "TICKETS_TABLE": "tickets",
        "TOKEN_ISSUER": "https://issuer",
        "TOKEN_KEYS_URL": "https://issuer/.well-known/jwks.json",
        "TOKEN_CLIENTS": "page,programmes",
    }.items():
        monkeypatch.setenv(f"TICKWIRE_{name}", value)
    sys.modules.pop("lambdas.authorizer.handler", None)
    loaded = import_module("lambdas.authorizer.handler")
    loaded.tokens = OneToken(viewer)
    return loaded


@pytest.fixture
def tickets(dynamodb: Any) -> Tickets:
    return Tickets(dynamodb, "tickets")


def connect(query: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "type": "REQUEST",
        "methodArn": ARN,
        "headers": {"Host": "abcdef123.execute-api.eu-central-1.amazonaws.com", **(headers or {})},
        "queryStringParameters": query,
        "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "c1="},
    }


def effect(answer: dict[str, Any]) -> str:
    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("execute-api:Invoke", ARN)
    return str(statement["Effect"])


def test_a_ticket_lets_its_user_in_and_says_who_it_is(module: Any, tickets: Tickets, viewer: User) -> None:
    answer = module.handler(connect({"ticket": tickets.issue(viewer)}), CONTEXT)
    assert effect(answer) == "Allow"
    assert answer["principalId"] == "5d1c2c0e"
    assert User.from_context(answer["context"]) == viewer


def test_the_context_holds_only_what_api_gateway_hands_on(module: Any, tickets: Tickets, viewer: User) -> None:
    answer = module.handler(connect({"ticket": tickets.issue(viewer)}), CONTEXT)
    assert all(isinstance(value, str) for value in answer["context"].values())


def test_a_ticket_lets_nobody_in_a_second_time(module: Any, tickets: Tickets, viewer: User) -> None:
    request = connect({"ticket": tickets.issue(viewer)})
    assert [effect(module.handler(request, CONTEXT)) for _ in range(2)] == ["Allow", "Deny"]


def test_an_old_ticket_is_refused(module: Any, dynamodb: Any, viewer: User) -> None:
    yesterday = Tickets(dynamodb, "tickets", clock=lambda: time.time() - 86_400)
    assert effect(module.handler(connect({"ticket": yesterday.issue(viewer)}), CONTEXT)) == "Deny"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_programme_is_let_in_by_its_token(module: Any, name: str, scheme: str) -> None:
    assert effect(module.handler(connect(headers={name: f"{scheme} good"}), CONTEXT)) == "Allow"


@pytest.mark.parametrize(
    "request_",
    [
        connect(),
        connect({}),
        connect({"ticket": ""}),
        connect({"ticket": "x" * 43}),
        connect({"ticket": "x" * 9_000}),
        connect({"token": "good"}),
        connect(headers={"Authorization": ""}),
        connect(headers={"Authorization": "good"}),
        connect(headers={"Authorization": "Basic good"}),
        connect(headers={"Authorization": "Bearer "}),
        connect(headers={"Authorization": "Bearer forged"}),
        connect({"ticket": "x" * 43}, {"Authorization": "Bearer good"}),
    ],
)
def test_whoever_proves_nothing_is_denied_and_told_no_more(module: Any, request_: dict[str, Any]) -> None:
    answer = module.handler(request_, CONTEXT)
    assert effect(answer) == "Deny"
    assert answer["context"] == {}


def test_a_user_without_a_role_is_denied(module: Any, tickets: Tickets, viewer: User) -> None:
    module.tokens = OneToken(User("5d1c2c0e", (), viewer.expires))
    assert effect(module.handler(connect(headers={"Authorization": "Bearer good"}), CONTEXT)) == "Deny"


def test_a_refusal_is_counted_and_its_reason_logged_without_what_was_sent(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(module.logger, "info", lambda message, **fields: logged.append(f"{message} {fields}"))
    module.handler(connect({"ticket": "S" * 43}), CONTEXT)
    assert "ConnectionsRefused" in capsys.readouterr().out
    assert "unknown, used or too old" in logged[0]
    assert "S" * 43 not in logged[0]
