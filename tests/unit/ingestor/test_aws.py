"""The calls to Kinesis and SQS, against moto, and against a stub where moto has no partial failure."""

import base64
import gzip
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from ecs_tasks.ingestor.aws import KinesisPut, SqsSend, body_store, client
from ecs_tasks.ingestor.dead_frames import DeadFrame
from ecs_tasks.ingestor.publisher import Payload
from tickwire.partitions import explicit_hash_key
from tickwire.records import Header, Record, RecordKind
from tickwire.venues.feed import FrameReject, RejectReason


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    # Only the name that ECS sets, which boto3 alone would not read.
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with mock_aws():
        yield


def payload(partition: int, data: bytes = b"x") -> Payload:
    return Payload(partition, data, Record(header=Header(RecordKind.RAW, partition)), 0.0)


async def test_each_partition_lands_in_the_shard_of_its_slice() -> None:
    kinesis = client("kinesis", connections=2)
    assert kinesis.meta.region_name == "eu-west-1"
    kinesis.create_stream(StreamName="raw", ShardCount=2)
    put = KinesisPut(kinesis, stream="raw", partitions=4, concurrency=2)
    assert await put([payload(p, b"record %d" % p) for p in range(4)]) == [None] * 4
    held = []
    for shard in kinesis.list_shards(StreamName="raw")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="raw", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator)["Records"]
        held.append([(record["PartitionKey"], record["Data"]) for record in records])
    # Four slices of the hash space over two equal shards: 0 and 1 in the first, 2 and 3 in the second.
    assert held == [[("0", b"record 0"), ("1", b"record 1")], [("2", b"record 2"), ("3", b"record 3")]]


async def test_a_partial_failure_gives_the_code_of_each_failed_entry() -> None:
    kinesis = client("kinesis", connections=1)
    with Stubber(kinesis) as stub:
        stub.add_response(
            "put_records",
            {
                "FailedRecordCount": 1,
                "Records": [
                    {"SequenceNumber": "1", "ShardId": "shardId-0"},
                    {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"},
                ],
            },
            {
                "StreamName": "raw",
                "Records": [
                    {"Data": b"a", "PartitionKey": "0", "ExplicitHashKey": explicit_hash_key(0, 2)},
                    {"Data": b"b", "PartitionKey": "1", "ExplicitHashKey": explicit_hash_key(1, 2)},
                ],
            },
        )
        put = KinesisPut(kinesis, stream="raw", partitions=2, concurrency=1)
        codes = await put([payload(0, b"a"), payload(1, b"b")])
    assert codes == [None, "ProvisionedThroughputExceededException"]


async def test_a_call_is_tried_once_and_its_error_comes_up() -> None:
    put = KinesisPut(client("kinesis", connections=1), stream="none", partitions=1, concurrency=1)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        await put([payload(0)])


def frame(content: bytes) -> DeadFrame:
    return DeadFrame("kraken", "kraken", FrameReject(RejectReason.NOT_JSON, "no", content, 7))


async def test_dead_frames_reach_the_queue() -> None:
    sqs = client("sqs", connections=1)
    queue = sqs.create_queue(QueueName="frames-dlq")["QueueUrl"]
    send = SqsSend(sqs, queue_url=queue, concurrency=1)
    assert await send([frame(b"bad %d" % n) for n in range(10)]) == [None] * 10
    bodies = [json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]]
    assert sorted(base64.b64decode(body["frame"]) for body in bodies) == [b"bad %d" % n for n in range(10)]
    assert {body["venue"] for body in bodies} == {"kraken"}


async def test_a_frame_too_large_for_a_message_is_in_s3_when_its_letter_is_in_the_queue() -> None:
    sqs, s3 = client("sqs", connections=1), client("s3", connections=1)
    queue = sqs.create_queue(QueueName="frames-dlq")["QueueUrl"]
    s3.create_bucket(Bucket="letters", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    content = os.urandom(1_000_000)
    send = SqsSend(sqs, queue_url=queue, concurrency=1, store=body_store(s3, bucket="letters"))
    assert await send([frame(content)]) == [None]
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    key = json.loads(message["Body"])["frame"].removeprefix("s3://letters/")
    assert gzip.decompress(s3.get_object(Bucket="letters", Key=key)["Body"].read()) == content


async def test_a_frame_that_s3_does_not_take_is_refused_and_the_others_go_out() -> None:
    sqs, s3 = RecordingSqs(), client("s3", connections=1)
    send = SqsSend(sqs, queue_url="q", concurrency=1, store=body_store(s3, bucket="none"))
    assert await send([frame(b"a"), frame(os.urandom(1_000_000)), frame(b"b")]) == [None, "NoSuchBucket", None]
    assert [len(batch) for batch in sqs.batches] == [2]


class RecordingSqs:
    """Notes the batches and fails what it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.fail_call = -1

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.batches.append([len(entry["MessageBody"]) for entry in Entries])
        if len(self.batches) - 1 == self.fail_call:
            raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "SendMessageBatch")
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in Entries if entry["Id"] == "3"]}


async def test_large_frames_are_sent_in_several_batches_each_within_the_limit() -> None:
    sqs = RecordingSqs()
    sqs.fail_call = 1
    send = SqsSend(sqs, queue_url="q", concurrency=1)
    codes = await send([frame(os.urandom(300_000)) for _ in range(6)])
    # 300,000 bytes are 400,000 as base64, so two of them fit 1 MiB.
    assert [len(batch) for batch in sqs.batches] == [2, 2, 2]
    assert all(sum(batch) <= 1024 * 1024 for batch in sqs.batches)
    assert codes == [None, None, "ServiceUnavailable", "ServiceUnavailable", None, None]


async def test_an_entry_that_sqs_refuses_is_told_apart() -> None:
    codes = await SqsSend(RecordingSqs(), queue_url="q", concurrency=1)([frame(b"x") for _ in range(5)])
    assert codes == [None, None, None, "InternalError", None]
