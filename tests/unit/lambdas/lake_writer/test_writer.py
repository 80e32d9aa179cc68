import io
import json
from base64 import b64encode

import boto3
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from lambdas.delivery.event import records_by_partition
from lambdas.lake_writer.files import data_files
from lambdas.lake_writer.message import WrittenBatch, WrittenFile, decode_message
from lambdas.lake_writer.writer import dense_records, write_event
from tickwire.columns import Side, TradeRows
from tickwire.envelope import encode
from tickwire.lake import DAY_NANOSECONDS, SCHEMA
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

BTC = Instrument("binance", "BTC-USDT", 8, 8)
DAY = 19_943 * DAY_NANOSECONDS  # 2024-08-08


def record(partition: int, counter: int, *, trades: int = 2, time: int = DAY) -> Record:
    rows = TradeRows()
    for k in range(trades):
        rows.append(
            BTC,
            trade_id=100 * counter + k,
            price=6_168_599_000_000,
            size=10_000,
            side=Side.BUY,
            exchange_time=time + k,
            receive_time=time + k,
        )
    return Record(header=Header(RecordKind.CLEAN, partition, counter), trades=rows.batch())


def event(*records: Record | tuple[int, bytes]) -> dict[str, object]:
    items = []
    for k, entry in enumerate(records):
        partition, data = entry if isinstance(entry, tuple) else (entry.header.partition, encode(entry))
        items.append(
            {
                "kinesis": {
                    "sequenceNumber": str(9000 + k),
                    "partitionKey": str(partition),
                    "data": b64encode(data).decode(),
                    "approximateArrivalTimestamp": 1.0,
                }
            }
        )
    return {"Records": items}


def dense(*records):
    return dense_records(records_by_partition(event(*records), kind=RecordKind.CLEAN))


def test_repeats_within_a_batch_are_taken_once():
    found = dense(record(1, 5), record(1, 6), record(1, 5), record(1, 6), record(1, 7))
    assert [r.header.counter for r in found.records] == [5, 6, 7]
    assert found.partitions == {1: (5, 7)}
    assert found.failures == {}


def test_a_batch_that_begins_in_the_middle_of_repeats_takes_what_follows_its_first_record():
    found = dense(record(1, 7), record(1, 5), record(1, 6), record(1, 7), record(1, 8))
    assert [r.header.counter for r in found.records] == [7, 8]
    assert found.partitions == {1: (7, 8)}


def test_a_jump_stops_its_partition_only_and_is_reported_where_it_is():
    found = dense(record(1, 5), record(2, 1), record(1, 7), record(2, 2), record(1, 8))
    assert found.partitions == {1: (5, 5), 2: (1, 2)}
    assert list(found.failures) == ["9002"]
    assert "counter 7 came after 5" in str(found.failures["9002"])


def test_a_damaged_record_stops_its_partition():
    found = dense(record(1, 5), (1, b"garbage"), record(1, 6), record(2, 1))
    assert found.partitions == {1: (5, 5), 2: (1, 1)}
    assert list(found.failures) == ["9001"]


def test_files_hold_every_trade_with_its_record_one_file_a_day():
    late = record(2, 9, trades=1, time=DAY - 1)
    files = list(data_files([record(1, 5), record(1, 6), late]))
    assert [file.key.rsplit("/", 1)[0] for file in files] == [
        "trades/data/exchange_day=2024-08-07",
        "trades/data/exchange_day=2024-08-08",
    ]
    yesterday, today = (pq.read_table(io.BytesIO(file.body)) for file in files)
    assert yesterday.select(["trade_id", "stream_partition", "stream_counter"]).to_pylist() == [
        {"trade_id": 900, "stream_partition": 2, "stream_counter": 9}
    ]
    assert today["trade_id"].to_pylist() == [500, 501, 600, 601]
    assert today["stream_counter"].to_pylist() == [5, 5, 6, 6]
    assert today.schema.equals(SCHEMA)
    # Iceberg readers find columns by these.
    assert [today.schema.field(k).metadata[b"PARQUET:field_id"] for k in range(12)] == [b"%d" % k for k in range(1, 13)]


def test_the_same_records_give_the_same_file_and_other_records_another_name():
    first, again, other = (
        list(data_files(records)) for records in ([record(1, 5)], [record(1, 5)], [record(1, 5), record(1, 6)])
    )
    assert first == again
    assert first[0].key != other[0].key


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        sqs = boto3.client("sqs", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        queue_url = sqs.create_queue(QueueName="commits.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        yield {"bucket": "lake", "queue_url": queue_url, "s3": s3, "sqs": sqs}


def announced(aws) -> list[WrittenBatch]:
    found = aws["sqs"].receive_message(QueueUrl=aws["queue_url"], MaxNumberOfMessages=10).get("Messages", [])
    return [decode_message(message["Body"]) for message in found]


def test_an_event_becomes_a_file_and_an_announcement(aws):
    result = write_event(event(record(1, 5), record(2, 1), record(1, 6)), **aws)
    assert (result.response, result.trades, result.files) == ({"batchItemFailures": []}, 6, 1)
    keys = [entry["Key"] for entry in aws["s3"].list_objects_v2(Bucket="lake")["Contents"]]
    assert announced(aws) == [
        WrittenBatch(files=(WrittenFile(f"s3://lake/{keys[0]}", 6),), partitions={1: (5, 6), 2: (1, 1)})
    ]


def test_records_without_trades_are_announced_too_so_that_counters_stay_dense(aws):
    result = write_event(event(record(1, 5, trades=0), record(1, 6, trades=0)), **aws)
    assert (result.trades, result.files) == (0, 0)
    assert announced(aws) == [WrittenBatch(files=(), partitions={1: (5, 6)})]
    assert "Contents" not in aws["s3"].list_objects_v2(Bucket="lake")


def test_a_retried_event_writes_the_same_object_and_is_announced_again(aws):
    """SQS would drop what has the deduplication id of a message of the last five minutes, even one that was purged."""
    batch = event(record(1, 5))
    write_event(batch, **aws)
    write_event(batch, **aws)
    assert aws["s3"].list_objects_v2(Bucket="lake")["KeyCount"] == 1
    first, again = announced(aws)
    assert first == again


def test_what_precedes_a_jump_is_written_and_the_jump_reported(aws):
    result = write_event(event(record(1, 5), record(1, 7)), **aws)
    assert result.response == {"batchItemFailures": [{"itemIdentifier": "9001"}]}
    assert announced(aws)[0].partitions == {1: (5, 5)}


def test_nothing_is_announced_when_the_file_could_not_be_put(aws):
    with pytest.raises(aws["s3"].exceptions.NoSuchBucket):
        write_event(event(record(1, 5)), **{**aws, "bucket": "elsewhere"})
    assert announced(aws) == []


def test_the_announcement_is_plain_json(aws):
    write_event(event(record(1, 5, trades=0)), **aws)
    body = aws["sqs"].receive_message(QueueUrl=aws["queue_url"])["Messages"][0]["Body"]
    assert json.loads(body) == {"files": [], "partitions": {"1": [5, 5]}}
