"""The coordination table in moto, clocks that tests turn, and clients that fail or are overtaken on demand."""

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

TABLE = "coordination"


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    """A client of moto with the table; one for a module, since tests take names of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with mock_aws():
            client = boto3.client("dynamodb", region_name="eu-central-1")
            client.create_table(
                TableName=TABLE,
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
            yield client


class Clock:
    """Seconds that pass when a test says so; ``skewed`` gives the clock of a machine that is ahead."""

    def __init__(self, seconds: float = 1_800_000_000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    def ns(self) -> int:
        return round(self.seconds * 1e9)

    def skewed(self, ahead: float) -> Callable[[], float]:
        return lambda: self.seconds + ahead

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Meddling:
    """A client whose calls are atomic, as DynamoDB's are on one item, and meddled with on demand.

    ``before`` runs before each write; ``failures`` are raised, in turn, by the next calls, and
    ``lost_answers`` after writes that took effect.
    """

    def __init__(self, client: Any) -> None:
        self.meta = client.meta
        self.before: Callable[[], None] = lambda: None
        self.failures: list[Exception] = []
        self.lost_answers: list[Exception] = []
        self.calls = 0
        self._client = client
        self._lock = threading.Lock()

    def get_item(self, **arguments: Any) -> Any:
        return self._call("get_item", arguments)

    def update_item(self, **arguments: Any) -> Any:
        self.before()
        answer = self._call("update_item", arguments)
        if self.lost_answers:
            raise self.lost_answers.pop(0)
        return answer

    def _call(self, operation: str, arguments: Any) -> Any:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        with self._lock:
            return getattr(self._client, operation)(**arguments)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "UpdateItem")


def unreachable() -> ConnectTimeoutError:
    return ConnectTimeoutError(endpoint_url="http://dynamodb")


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Names:
    """The names of this file for tests, which cannot import it."""

    TABLE = TABLE
    Clock = Clock
    Meddling = Meddling
    refused = staticmethod(refused)
    unreachable = staticmethod(unreachable)


@pytest.fixture(scope="session")
def shared() -> type[Names]:
    return Names
