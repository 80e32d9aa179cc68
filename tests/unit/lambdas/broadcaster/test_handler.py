"""The function around the broadcast: it answers that all is well whatever happens."""

import json
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.broadcaster.broadcast import BroadcastCounts
from lambdas.broadcaster.health import LatencyData
from lambdas.broadcaster.latency import MAX_SAMPLES, LatencyReport

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
        "REPLAY_TABLE": "replay",
        "WEBSOCKET_ENDPOINT": "https://abcdef.execute-api.eu-central-1.amazonaws.com/live",
        "POSTS_PER_SECOND": "10000",
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
    counts = BroadcastCounts(records=3, values=5, messages=2, gone=1, throttled=4, iterator_age_ms=40.0)
    monkeypatch.setattr(module.broadcast, "run", lambda event: counts)
    assert module.handler({"Records": []}, CONTEXT) == {"batchItemFailures": []}
    found = metrics(capsys.readouterr().out)
    assert (found["MessagesPosted"], found["ConnectionsGone"], found["IteratorAge"]) == ([2], [1], [40.0])
    assert found["PostsThrottled"] == [4]
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


def test_latency_reaches_cloudwatch_record_by_record_and_stage_by_stage(
    module: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = LatencyData(stage={"validator": 30.0, "signals": 40.0}, total=250.0, records=3, time=0)
    counts = BroadcastCounts(records=3, latency=LatencyReport(data, [100.0, 250.0, 900.0]))
    monkeypatch.setattr(module.broadcast, "run", lambda event: counts)
    module.handler({"Records": []}, CONTEXT)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert {line["stage"]: line["StageLatency"] for line in lines if "stage" in line} == {
        "validator": [30.0],
        "signals": [40.0],
    }
    (rest,) = [line for line in lines if "EndToEndLatency" in line]
    assert rest["EndToEndLatency"] == [100.0, 250.0, 900.0]
    assert rest["Records"] == [3]


def test_a_line_that_is_full_of_latencies_loses_nothing_else(
    module: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    data = LatencyData(stage={}, total=1.0, records=100, time=0)
    counts = BroadcastCounts(records=100, latency=LatencyReport(data, [float(n) for n in range(MAX_SAMPLES)]))
    monkeypatch.setattr(module.broadcast, "run", lambda event: counts)
    module.handler({"Records": []}, CONTEXT)
    found = metrics(capsys.readouterr().out)
    assert (len(found["EndToEndLatency"]), found["Records"]) == (MAX_SAMPLES, [100])
    assert [str(warning.message) for warning in recwarn] == []
