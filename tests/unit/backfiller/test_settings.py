"""The environment of the task: what it reads, and what it refuses."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from ecs_tasks.backfiller.settings import BackfillerSettings

NEEDED = {
    "TICKWIRE_STATE_URL": "valkey://127.0.0.1:6379/0",
    "TICKWIRE_RAW_STREAM": "raw",
    "TICKWIRE_FRAMES_DLQ_URL": "http://queue",
    "TICKWIRE_PARTITIONS": "16",
}


def read(monkeypatch: pytest.MonkeyPatch, histories: Any, **others: str) -> BackfillerSettings:
    for name, value in {**NEEDED, "TICKWIRE_HISTORIES": json.dumps(histories), **others}.items():
        monkeypatch.setenv(name, value)
    return BackfillerSettings()  # type: ignore[call-arg]


def test_both_coinbase_feeds_are_one_history(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, [{"feed": "kraken"}, {"feed": "coinbase"}, {"feed": "coinbase-advanced"}])
    assert [entry.feed for entry in settings.histories] == ["kraken", "coinbase"]
    assert settings.histories[0].url is None
    assert not settings.repairs_bars


def test_one_venue_with_two_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="coinbase and coinbase-advanced are one venue with two addresses"):
        read(monkeypatch, [{"feed": "coinbase", "url": "http://a"}, {"feed": "coinbase-advanced", "url": "http://b"}])


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"feed": "mtgox"}, "no history 'mtgox'; there are binance"),
        ({"feed": "kraken", "url": "ws://127.0.0.1"}, "does not start with http:// or https://"),
        ({"feed": "kraken", "address": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_history_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, entry: dict[str, str], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        read(monkeypatch, [entry])


def test_bars_are_repaired_only_where_both_lake_and_database_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lake = {"TICKWIRE_LAKE_BUCKET": "lake", "TICKWIRE_LAKE_DATABASE": "tickwire"}
    with pytest.raises(ValidationError, match="go together"):
        read(monkeypatch, [{"feed": "kraken"}], **lake)
    assert read(monkeypatch, [{"feed": "kraken"}], **lake, TICKWIRE_DATABASE_URL="postgresql://x").repairs_bars
