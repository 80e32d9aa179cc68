"""Bodies in S3, against moto."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.delivery.letter_bodies import LetterBodies
from tickwire.dead_letter import UnreadableBody, stored_body


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        for bucket in ("letters", "other-bucket"):
            client.create_bucket(Bucket=bucket)
        yield client


def test_a_body_comes_back_as_it_was_and_twice_is_once(s3: Any) -> None:
    bodies = LetterBodies(s3, bucket="letters")
    body = stored_body("frame", b"half a fr\xff", time=None)
    address = bodies.store(body)
    assert bodies.store(body) == address
    assert bodies.fetch(address) == b"half a fr\xff"
    assert len(s3.list_objects_v2(Bucket="letters")["Contents"]) == 1


def test_no_other_bucket_is_read(s3: Any) -> None:
    address = LetterBodies(s3, bucket="other-bucket").store(stored_body("frame", b"x", time=None))
    with pytest.raises(UnreadableBody, match="another bucket"):
        LetterBodies(s3, bucket="letters").fetch(address)


def test_a_body_that_is_gone_or_altered_is_an_error(s3: Any) -> None:
    bodies = LetterBodies(s3, bucket="letters")
    body = stored_body("frame", b"x", time=None)
    with pytest.raises(UnreadableBody, match="NoSuchKey"):
        bodies.fetch(body.address("letters"))
    s3.put_object(Bucket="letters", Key=body.key, Body=stored_body("frame", b"y", time=None).data)
    with pytest.raises(UnreadableBody, match="does not hold"):
        bodies.fetch(body.address("letters"))
