"""Kinesis and SQS from asyncio: boto3's clients in threads, each call tried once.

Retries are ours, since boto3 would send a whole call again where only some of its records failed.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from ecs_tasks.ingestor.aws_errors import CALL_ERRORS, error_code
from ecs_tasks.ingestor.dead_frames import MAX_MESSAGE_BYTES, DeadFrame, dead_frame_message
from ecs_tasks.ingestor.publisher import Payload
from tickwire.dead_letter import StoreBody, StoredBody
from tickwire.partitions import explicit_hash_key


def client(service: str, *, connections: int, connect_timeout: float = 3, read_timeout: float = 10) -> Any:
    """Give a boto3 client; region and endpoint come from the environment.

    ``AWS_REGION`` is what ECS sets and boto3 does not read.
    """
    return boto3.client(
        service,
        region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            max_pool_connections=connections,
            tcp_keepalive=True,
        ),
    )


class KinesisPut:
    """Sends payloads to one stream by PutRecords.

    Parameters
    ----------
    kinesis : boto3 client, safe to call from several threads
    partitions : number of logical partitions, which places each in the stream's hash space
    """

    def __init__(self, kinesis: Any, *, stream: str, partitions: int, concurrency: int) -> None:
        self._kinesis = kinesis
        self._stream = stream
        self._hash_keys = [explicit_hash_key(p, partitions) for p in range(partitions)]
        self._threads = ThreadPoolExecutor(concurrency, "kinesis")

    async def __call__(self, payloads: Sequence[Payload]) -> list[str | None]:
        """Give per payload None if it was accepted, else the error's code."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._put, payloads)

    def _put(self, payloads: Sequence[Payload]) -> list[str | None]:
        response = self._kinesis.put_records(
            StreamName=self._stream,
            Records=[
                {
                    "Data": payload.data,
                    "PartitionKey": str(payload.partition),
                    "ExplicitHashKey": self._hash_keys[payload.partition],
                }
                for payload in payloads
            ],
        )
        return [result.get("ErrorCode") for result in response["Records"]]


def body_store(s3: Any, *, bucket: str) -> StoreBody:
    """Give what writes bodies to a bucket; a body written again is the same object."""

    def store(body: StoredBody) -> str:
        s3.put_object(Bucket=bucket, Key=body.key, Body=body.data, ContentType="application/octet-stream")
        return body.address(bucket)

    return store


class SqsSend:
    """Sends dead frames to one queue by SendMessageBatch, its total within SQS' limit.

    ``store`` takes frames too large for a message; without it they are cut short.
    """

    def __init__(self, sqs: Any, *, queue_url: str, concurrency: int, store: StoreBody | None = None) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._store = store
        self._threads = ThreadPoolExecutor(concurrency, "sqs")

    async def __call__(self, frames: Sequence[DeadFrame]) -> list[str | None]:
        """Give per frame, up to 10 of them, None if it was accepted, else the error's code."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, frames)

    def _send(self, frames: Sequence[DeadFrame]) -> list[str | None]:
        codes: list[str | None] = [None] * len(frames)
        group: list[tuple[int, str]] = []
        size = 0
        for index, frame in enumerate(frames):
            try:
                body = dead_frame_message(frame, store=self._store).decode()
            except CALL_ERRORS as error:
                # Its body is not in S3, so its letter must not go yet; the others can.
                codes[index] = error_code(error)
                continue
            if group and size + len(body) > MAX_MESSAGE_BYTES:
                self._send_group(group, codes)
                group, size = [], 0
            group.append((index, body))
            size += len(body)
        if group:
            self._send_group(group, codes)
        return codes

    def _send_group(self, group: Sequence[tuple[int, str]], codes: list[str | None]) -> None:
        try:
            response = self._sqs.send_message_batch(
                QueueUrl=self._queue_url,
                Entries=[{"Id": str(index), "MessageBody": body} for index, body in group],
            )
        except CALL_ERRORS as error:
            # Only this group failed; those before it were accepted and must not be sent again.
            for index, _ in group:
                codes[index] = error_code(error)
            return
        for failure in response.get("Failed", []):
            codes[int(failure["Id"])] = str(failure.get("Code", "unknown"))
