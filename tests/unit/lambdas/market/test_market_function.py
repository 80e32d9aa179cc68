"""The market's function over a real Valkey: once in effect, whoever runs beside it and whatever fails."""

from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import boto3
import pytest
import valkey
from moto import mock_aws

from lambdas.delivery.output import OutputNotAccepted, OutputStream
from lambdas.delivery.state import connect
from lambdas.market.market_function import MarketFunction
from tickwire.envelope import decode, encode, split
from tickwire.records import Bar, Header, Record, RecordKind

START = 1_700_000_040_000_000_000
SECOND = 1_000_000_000
PARTITIONS = 2
Symbols = dict[int, str]
SYMBOLS: Symbols = {0: "BTC-USD", 1: "ETH-USD"}


def _item(partition: int, counter: int, *, minute: int, price: int = 100) -> dict[str, Any]:
    """A stream record: a coin's bar of one minute, in a record that was created as the minute began."""
    start = START + minute * 60 * SECOND
    bar = Bar(
        *("kraken", SYMBOLS[partition], 60, start, 0, 0, price, price, price, price, 2, 1, Decimal(2 * price)),
        *(1, 1, 1, 1, False, 0),
    )
    record = Record(header=Header(RecordKind.EVENTS, partition, counter, created=start), bars=(bar,))
    return _kinesis(partition, encode(record), sequence_number=1000 * counter + partition)


def _kinesis(partition: int, data: bytes, *, sequence_number: int) -> dict[str, Any]:
    return {
        "kinesis": {
            "partitionKey": str(partition),
            "sequenceNumber": str(sequence_number),
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_700_000_000.0,
        }
    }


def _event(*items: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(items)}


def _told(kinesis: Any) -> list[Record]:
    return [decode(envelope) for _, data in kinesis.streams.get("events", []) for envelope in split(data)]


def _minutes(records: list[Record]) -> list[tuple[int, int]]:
    """(counter, minute) of each record."""
    return [(one.header.counter, (one.sentiment[0].time - START) // (60 * SECOND) - 1) for one in records]


@pytest.fixture
def new(valkey_address: str, kinesis: Any) -> Callable[[], MarketFunction]:
    """Make the function anew, as in another process."""

    def make() -> MarketFunction:
        output = OutputStream(kinesis, stream="events", partitions=PARTITIONS, sleep=lambda _: None)
        return MarketFunction(connect(valkey_address), output, partitions=PARTITIONS)

    return make


def _run(function: MarketFunction, *items: dict[str, Any], remaining: float = 60.0) -> list[dict[str, str]]:
    response, _ = function.run(_event(*items), remaining=lambda: remaining)
    return list(response["batchItemFailures"])


def test_a_complete_minute_becomes_one_record_of_the_markets_own_partition(new, kinesis):
    function = new()
    assert _run(function, _item(0, 1, minute=0), _item(1, 1, minute=0, price=50)) == []
    assert _told(kinesis) == []
    assert _run(function, _item(0, 2, minute=1)) == []
    assert _told(kinesis) == [], "ETH may still trade in the first minute"
    assert _run(function, _item(1, 2, minute=1)) == []
    (record,) = _told(kinesis)
    assert [key for key, _ in kinesis.streams["events"]] == [str(PARTITIONS)]
    assert (record.header.kind, record.header.partition, record.header.counter) == (RecordKind.EVENTS, PARTITIONS, 1)
    assert [stage for stage, _ in record.header.hops] == ["market"]
    assert record.sentiment[0].symbols == 2


def test_repeats_and_its_own_records_change_nothing(new, kinesis):
    first = [_item(0, 1, minute=0), _item(1, 1, minute=0), _item(0, 2, minute=1), _item(1, 2, minute=1)]
    assert _run(new(), *first) == []
    own = _kinesis(PARTITIONS, kinesis.streams["events"][0][1], sequence_number=9)
    assert _run(new(), *first, own) == []
    assert _run(new(), own) == []
    assert _minutes(_told(kinesis)) == [(1, 0)]


def test_each_minute_is_told_once_though_every_shard_has_a_process_of_its_own(new, kinesis):
    left, right = new(), new()
    for minute in range(5):
        _run(left, _item(0, minute + 1, minute=minute))
        _run(right, _item(1, minute + 1, minute=minute))
    assert _minutes(_told(kinesis)) == [(1, 0), (2, 1), (3, 2), (4, 3)]


def test_of_two_that_conclude_at_the_same_time_one_stops(new, kinesis):
    functions, rounds = [new(), new()], 6
    failures: list[Any] = []
    both = Barrier(2)

    def run(partition: int) -> None:
        for minute in range(rounds):
            both.wait()
            failures.extend(_run(functions[partition], _item(partition, minute + 1, minute=minute)))

    threads = [Thread(target=run, args=(partition,)) for partition in SYMBOLS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whichever was faster, the next record finds what is left.
    _run(functions[0], _item(0, rounds + 1, minute=rounds))
    _run(functions[1], _item(1, rounds + 1, minute=rounds))
    assert failures == []
    contents: dict[int, set[int]] = {}
    for counter, minute in _minutes(_told(kinesis)):
        contents.setdefault(counter, set()).add(minute)
    assert contents == {minute + 1: {minute} for minute in range(rounds)}


def test_a_record_that_was_saved_and_not_put_is_put_by_the_next_process(new, kinesis):
    started = [_item(0, 1, minute=0), _item(1, 1, minute=0), _item(0, 2, minute=1), _item(1, 2, minute=1)]
    kinesis.refuse = [{0}]
    with pytest.raises(OutputNotAccepted):
        _run(new(), *started, remaining=1.0)
    assert _told(kinesis) == []
    assert _run(new(), *started) == []
    assert _minutes(_told(kinesis)) == [(1, 0)]


def test_the_same_process_tries_again_too(new, kinesis):
    function = new()
    started = [_item(0, 1, minute=0), _item(1, 1, minute=0), _item(0, 2, minute=1), _item(1, 2, minute=1)]
    kinesis.refuse = [{0}]
    with pytest.raises(OutputNotAccepted):
        _run(function, *started, remaining=1.0)
    assert _run(function, *started) == []
    assert _minutes(_told(kinesis)) == [(1, 0)]


def test_a_crash_after_the_put_repeats_the_same_record(new, kinesis, monkeypatch):
    started = [_item(0, 1, minute=0), _item(1, 1, minute=0), _item(0, 2, minute=1), _item(1, 2, minute=1)]
    put = OutputStream.put

    def put_and_crash(self, *args, **kwargs):
        failures = put(self, *args, **kwargs)
        if args[0].get(PARTITIONS):
            raise KeyboardInterrupt
        return failures

    with monkeypatch.context() as patch:
        patch.setattr(OutputStream, "put", put_and_crash)
        with pytest.raises(KeyboardInterrupt):
            _run(new(), *started)
    _run(new(), *started)
    first, second = _told(kinesis)
    assert first.sentiment == second.sentiment
    assert first.header.counter == second.header.counter == 1


def test_a_jump_stops_its_partition_and_no_other(new, kinesis):
    function = new()
    _run(function, _item(0, 1, minute=0), _item(1, 1, minute=0))
    assert _run(function, _item(0, 3, minute=1), _item(1, 2, minute=1)) == [{"itemIdentifier": "3000"}]
    assert _run(function, _item(0, 2, minute=1), _item(0, 3, minute=1)) == []
    assert _minutes(_told(kinesis)) == [(1, 0)]


def test_without_its_store_the_batch_comes_again(kinesis):
    output = OutputStream(kinesis, stream="events", partitions=PARTITIONS)
    function = MarketFunction(connect("valkey://127.0.0.1:1/0"), output, partitions=PARTITIONS)
    with pytest.raises(valkey.ValkeyError):
        _run(function, _item(0, 1, minute=0))


@mock_aws
def test_kinesis_takes_the_partition_beyond_those_of_the_symbols(valkey_address):
    client = boto3.client("kinesis", region_name="eu-central-1")
    client.create_stream(StreamName="events", ShardCount=2)
    output = OutputStream(client, stream="events", partitions=PARTITIONS)
    function = MarketFunction(connect(valkey_address), output, partitions=PARTITIONS)
    _run(function, _item(0, 1, minute=0), _item(1, 1, minute=0), _item(0, 2, minute=1), _item(1, 2, minute=1))
    shards = client.list_shards(StreamName="events")["Shards"]
    found = []
    for shard in shards:
        iterator = client.get_shard_iterator(
            StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found.append([record["PartitionKey"] for record in client.get_records(ShardIterator=iterator)["Records"]])
    # The first slice of the hash space is that of partition 0.
    assert found == [[str(PARTITIONS)], []]
