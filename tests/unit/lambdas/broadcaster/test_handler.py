"""The function around the broadcast: it answers that all is well whatever happens."""

import json
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.broadcaster.broadcast import BroadcastCounts

CONTEXT = SimpleNamespace(
    function_name="broadcaster",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:broadcaster",
    aws_request_id="52fdfc07-2182-154f-163f-5f0f9a621d72",
)


@pytest.fixture
def module(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "CONNECTIONS_TABLE": "connections",
        "SUBSCRIPTIONS_TABLE": "subscriptions",
        "LAST_VALUES_TABLE": "last-values",
        "WEBSOCKET_ENDPOINT": "https://abcdef.execute-api.eu-central-1.amazonaws.com/live",
    }.items():
        monkeypatch.setenv(f"TICKWIRE_{name}", value)
    sys.modules.pop("lambdas.broadcaster.handler", None)
    return import_module("lambdas.broadcaster.handler")


def metrics(out: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in out.splitlines() if "_aws" in line]
    return {name: value for line in lines for name, value in line.items()}


def test_what_was_done_is_counted(
    module: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = BroadcastCounts(records=3, values=5, messages=2, gone=1, iterator_age_ms=40.0)
    monkeypatch.setattr(module.broadcast, "run", lambda event: counts)
    assert module.handler({"Records": []}, CONTEXT) == {"batchItemFailures": []}
    found = metrics(capsys.readouterr().out)
    assert (found["MessagesPosted"], found["ConnectionsGone"], found["IteratorAge"]) == ([2], [1], [40.0])
    assert "MessagesDropped" not in found


def test_a_fault_of_the_programme_does_not_hold_the_stream_up(
    module: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(event: object) -> BroadcastCounts:
        raise ZeroDivisionError(event)

    monkeypatch.setattr(module.broadcast, "run", fail)
    assert module.handler({"Records": []}, CONTEXT) == {"batchItemFailures": []}
    assert metrics(capsys.readouterr().out)["BroadcastsFailed"] == [1]


def test_an_empty_event_is_no_work(module: Any) -> None:
    assert module.handler({"Records": []}, CONTEXT) == {"batchItemFailures": []}
