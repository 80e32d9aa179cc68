"""The validator's, the signals' and the market's functions at cold start; what they do is tested on the emulator."""

import sys
from importlib import import_module

import pytest

from lambdas.delivery.settings import InvalidSettings, read_settings

VARIABLES = {
    "TICKWIRE_PARTITIONS": "8",
    "TICKWIRE_CLEAN_STREAM": "trades-clean",
    "TICKWIRE_EVENTS_STREAM": "market-events",
    "TICKWIRE_TRADES_DLQ_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/trades-dlq",
    "TICKWIRE_STATE_URL": "valkey://127.0.0.1:1/0",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
"""No server is needed: nothing is connected to before the first event."""


@pytest.mark.parametrize(
    ("function", "variable"),
    [
        ("validator", "TICKWIRE_PARTITIONS"),
        ("validator", "TICKWIRE_CLEAN_STREAM"),
        ("validator", "TICKWIRE_TRADES_DLQ_URL"),
        ("validator", "TICKWIRE_STATE_URL"),
        ("signals", "TICKWIRE_PARTITIONS"),
        ("signals", "TICKWIRE_EVENTS_STREAM"),
        ("signals", "TICKWIRE_STATE_URL"),
        ("market", "TICKWIRE_PARTITIONS"),
        ("market", "TICKWIRE_EVENTS_STREAM"),
        ("market", "TICKWIRE_STATE_URL"),
    ],
)
def test_a_missing_variable_is_named_at_cold_start(
    monkeypatch: pytest.MonkeyPatch, function: str, variable: str
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(variable)
    sys.modules.pop(f"lambdas.{function}.handler", None)
    with pytest.raises(InvalidSettings, match=f"^{variable} is not set$"):
        import_module(f"lambdas.{function}.handler")


def test_a_replay_may_say_how_old_trades_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("lambdas.validator.handler", None)
    module = import_module("lambdas.validator.handler")
    assert read_settings(module.FunctionSettings).max_age_seconds == 86_400
    monkeypatch.setenv("TICKWIRE_MAX_AGE_SECONDS", "1e9")
    assert read_settings(module.FunctionSettings).max_age_seconds == 1e9
    monkeypatch.setenv("TICKWIRE_MAX_AGE_SECONDS", "-1")
    with pytest.raises(InvalidSettings, match="TICKWIRE_MAX_AGE_SECONDS='-1'"):
        read_settings(module.FunctionSettings)
