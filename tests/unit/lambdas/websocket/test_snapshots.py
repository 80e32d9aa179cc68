"""Snapshots out of the last-values table."""

from concurrent.futures import Executor
from typing import Any

import pytest

from lambdas.websocket.snapshots import Snapshots


@pytest.fixture
def snapshots(dynamodb: Any, pool: Executor) -> Snapshots:
    return Snapshots(dynamodb, "last-values", pool=pool)


def store(dynamodb: Any, item: str, at: int, data: str) -> None:
    dynamodb.put_item(TableName="last-values", Item={"item": {"S": item}, "at": {"N": str(at)}, "data": {"S": data}})


def test_the_newest_three_hundred_bars_come_oldest_first(snapshots: Snapshots, dynamodb: Any) -> None:
    for minute in range(303):
        store(dynamodb, "bars.1m#v:A-B", minute * 60_000, f'[{{"start":{minute * 60_000}}}]')
    (item,) = snapshots.read(["bars.1m#v:A-B"])
    assert (item.topic, item.symbol, len(item.data)) == ("bars.1m", "v:A-B", 300)
    assert item.data[0] == b'{"start":180000}'
    assert item.data[-1] == b'{"start":18120000}'


def test_all_rows_of_health_are_joined(snapshots: Snapshots, dynamodb: Any) -> None:
    store(dynamodb, "health#v:A-B", 0, '[{"kind":"progress"}]')
    store(dynamodb, "health#v:A-B", 2, '[{"n":1},{"n":2}]')
    (item,) = snapshots.read(["health#v:A-B"])
    assert item.data == [b'{"kind":"progress"}', b'{"n":1}', b'{"n":2}']


def test_all_symbols_are_those_that_the_topic_is_known_to_have(snapshots: Snapshots, dynamodb: Any) -> None:
    dynamodb.put_item(
        TableName="last-values",
        Item={"item": {"S": "quotes#*"}, "at": {"N": "0"}, "symbols": {"SS": ["v:A-B", "v:C-D", "v:E-F"]}},
    )
    store(dynamodb, "quotes#v:A-B", 0, "[1]")
    store(dynamodb, "quotes#v:C-D", 0, "[2]")
    items = snapshots.read(["quotes#v:C-D", "quotes#*"])
    assert sorted((item.symbol, list(item.data)) for item in items) == [("v:A-B", [b"1"]), ("v:C-D", [b"2"])]


def test_what_was_never_stored_gives_nothing(snapshots: Snapshots) -> None:
    assert snapshots.read(["trades#*", "quotes#v:A-B"]) == []
