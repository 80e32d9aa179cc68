"""The tables as the stacks define them, in moto, and clients that can be looked at."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from lambdas.broadcaster.posts import PostTimedOut

TABLES = {
    "connections": (("connection_id", "S"),),
    "subscriptions": (("topic", "S"), ("connection_id", "S")),
    "last-values": (("item", "S"), ("at", "N")),
    "replay": (("log", "S"), ("counter", "N")),
    "tickets": (("ticket_hash", "S"),),
}


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb")
        for table, keys in TABLES.items():
            client.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys],
                KeySchema=[
                    {"AttributeName": name, "KeyType": role}
                    for (name, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        yield client


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


class FakePosts:
    """Takes posts like ``@connections``; ``fail`` lists, by connection, what each post in turn meets."""

    def __init__(self) -> None:
        self.fail: dict[str, list[int | None]] = {}
        self.posted: dict[str, list[bytes]] = {}
        self.closed: list[str] = []

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803
        assert len(Data) <= 128 * 1024
        plan = self.fail.get(ConnectionId)
        status = plan.pop(0) if plan else None
        if status == 0:
            raise ReadTimeoutError(endpoint_url="x")
        if status is not None:
            answer = {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, "PostToConnection")
        self.posted.setdefault(ConnectionId, []).append(Data)

    async def post(self, connection_id: str, message: bytes) -> int:
        """Take a post as the broadcaster makes it."""
        try:
            self.post_to_connection(ConnectionId=connection_id, Data=message)
        except ReadTimeoutError as error:
            raise PostTimedOut(str(error)) from error
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    def delete_connection(self, *, ConnectionId: str) -> None:  # noqa: N803
        self.closed.append(ConnectionId)


@pytest.fixture
def posts() -> FakePosts:
    return FakePosts()
