"""What a visit comes to as metrics, which the alarm looks at."""

import json
import sys
import time
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.canary.visit import Step, Visit, VisitFailed
from lambdas.identity.user import Role

CONTEXT = SimpleNamespace(
    function_name="canary",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:canary",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72",
)


@pytest.fixture
def module(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TICKWIRE_WEBSOCKET_URL", "wss://abcdef.execute-api.eu-central-1.amazonaws.com/live")
    monkeypatch.setenv("TICKWIRE_TICKETS_TABLE", "tickets")
    monkeypatch.setenv("TICKWIRE_SYMBOLS", "binance:BTC-USDT,kraken:BTC-USD")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "canary")
    sys.modules.pop("lambdas.canary.handler", None)
    return import_module("lambdas.canary.handler")


def metrics(out: str) -> dict[str, Any]:
    (line,) = [json.loads(line) for line in out.splitlines() if "_aws" in line]
    return dict(line)


def test_a_visit_that_succeeds_is_measured(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    async def visit(url: str, *, symbols: list[str]) -> Visit:
        asked.append((url, symbols))
        return Visit(connect=40.0, update=90.0, latency=210.0)

    monkeypatch.setattr(module, "visit", visit)
    assert module.handler({}, CONTEXT) == {"succeeded": True, "latency_ms": 210.0}
    ((url, symbols),) = asked
    address, _, ticket = url.partition("?ticket=")
    assert address == "wss://abcdef.execute-api.eu-central-1.amazonaws.com/live"
    assert symbols == ["binance:BTC-USDT", "kraken:BTC-USD"]
    # It may do what a viewer may, for as long as a visit takes, once.
    user = module.tickets.redeem(ticket)
    assert (user.subject, user.roles) == ("canary", (Role.VIEWER,))
    assert 0 < user.expires - time.time() <= module.LIFE_SECONDS
    found = metrics(capsys.readouterr().out)
    assert (found["CanarySuccess"], found["CanaryLatency"], found["service"]) == ([1], [210.0], "canary")


def test_a_visit_that_fails_is_a_result_and_no_latency(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def visit(url: str, *, symbols: list[str]) -> Visit:
        raise VisitFailed(Step.CONNECT, f"{url} {symbols}")

    monkeypatch.setattr(module, "visit", visit)
    answered = module.handler({}, CONTEXT)
    assert (answered["succeeded"], answered["step"]) == (False, "connect")
    found = metrics(capsys.readouterr().out)
    assert found["CanarySuccess"] == [0]
    assert "CanaryLatency" not in found
