"""The environment, checked at the start."""

import json

import pytest
from pydantic import ValidationError

from ecs_tasks.ingestor.settings import IngestorSettings

GOOD = {
    "TICKWIRE_FEEDS": json.dumps(
        [
            {"feed": "binance", "symbols": ["BTC-USDT", "ETH-USDT"], "url": "ws://127.0.0.1:9/binance/"},
            {"feed": "kraken", "symbols": ["BTC-USD"]},
        ]
    ),
    "TICKWIRE_RAW_STREAM": "trades-raw",
    "TICKWIRE_FRAMES_DLQ_URL": "http://127.0.0.1:9/0/frames-dlq",
    "TICKWIRE_PARTITIONS": "8",
}


def read(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> IngestorSettings:
    for name, value in (GOOD | changes).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return IngestorSettings()  # type: ignore[call-arg]


def test_the_variables_of_the_contract_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert [(entry.feed, entry.symbols, entry.url) for entry in settings.feeds] == [
        ("binance", ("BTC-USDT", "ETH-USDT"), "ws://127.0.0.1:9/binance"),
        ("kraken", ("BTC-USD",), None),
    ]
    assert (settings.raw_stream, settings.partitions, settings.flush_milliseconds) == ("trades-raw", 8, 20.0)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TICKWIRE_FEEDS", None, "feeds"),
        ("TICKWIRE_FEEDS", "[]", "feeds"),
        ("TICKWIRE_FEEDS", '[{"feed":"nowhere","symbols":["BTC-USD"]}]', "there are binance"),
        ("TICKWIRE_FEEDS", '[{"feed":"kraken","symbols":[]}]', "symbols"),
        ("TICKWIRE_FEEDS", '[{"feed":"kraken","symbols":["btcusdt"]}]', "canonical"),
        ("TICKWIRE_FEEDS", '[{"feed":"kraken","symbols":["BTC-USD","BTC-USD"]}]', "twice"),
        ("TICKWIRE_FEEDS", '[{"feed":"kraken","symbols":["BTC-USD"],"url":"http://x"}]', "ws://"),
        ("TICKWIRE_FEEDS", '[{"feed":"kraken","symbols":["BTC-USD"],"uri":"ws://x"}]', "uri"),
        ("TICKWIRE_RAW_STREAM", None, "raw_stream"),
        ("TICKWIRE_FRAMES_DLQ_URL", None, "frames_dlq_url"),
        ("TICKWIRE_PARTITIONS", "0", "partitions"),
        ("TICKWIRE_FLUSH_MILLISECONDS", "0", "flush_milliseconds"),
        ("TICKWIRE_FEEDS", '[{"feed":"kraken","symbols":["BTC-USD"],"group":"a b"}]', "group"),
        ("TICKWIRE_HOLDERS", "3", "holders"),
        ("TICKWIRE_MAX_GROUPS", "0", "max_groups"),
        ("TICKWIRE_ADDRESS", "", "address"),
        ("TICKWIRE_LEASE_SECONDS", "0.5", "lease_seconds"),
    ],
)
def test_a_wrong_or_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        read(monkeypatch, **{name: value})


def test_a_group_has_the_same_name_in_whatever_order_its_symbols_come(monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = [
        {"feed": "binance", "symbols": ["BTC-USDT", "ETH-USDT"]},
        {"feed": "binance", "symbols": ["ETH-USDT", "BTC-USDT"]},
        {"feed": "binance", "symbols": ["BTC-USDT"]},
        {"feed": "kraken", "symbols": ["BTC-USDT"], "group": "kraken.majors"},
    ]
    one, same, other, named = read(monkeypatch, TICKWIRE_FEEDS=json.dumps(feeds)).feeds
    # The first 12 hexadecimal digits of `printf 'BTC-USDT ETH-USDT' | sha256sum`.
    assert one.name == same.name == "binance-39114a8b69d9"
    assert other.name != one.name
    assert (named.name, named.label, one.label) == ("kraken.majors", "kraken.majors", "binance")


def test_coordination_is_off_unless_a_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch)
    assert (settings.coordination_table, settings.holders, settings.max_groups) == (None, 1, None)
    assert (settings.address, settings.lease_seconds) == ("shared", 15.0)


def test_a_group_named_twice_is_refused_where_tasks_share_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = json.dumps([{"feed": "kraken", "symbols": ["BTC-USD"]}] * 2)
    assert len(read(monkeypatch, TICKWIRE_FEEDS=feeds).feeds) == 2
    with pytest.raises(ValidationError, match=r"is named twice; TICKWIRE_HOLDERS=2"):
        read(monkeypatch, TICKWIRE_FEEDS=feeds, TICKWIRE_COORDINATION_TABLE="coordination")
