"""`tickwire model` against AWS as moto has it: no update of an endpoint's configuration, no measured alarms."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.model_seed.seed import Seed, _configuration, _model
from tickwire.cli.model_listing import BotoListing, SdkListing

ENDPOINT, BUCKET = "tickwire-test", "models"
REPORT = {
    "first": 1,
    "last": 2,
    "candidate": {"name": "lstm", "version": "run", "scores": {"rows": 1920, "log_loss": 0.69, "accuracy": 0.52}},
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An endpoint with two registered versions; gives SageMaker's client."""
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "eu-west-1")
    with mock_aws():
        sagemaker, s3 = boto3.client("sagemaker"), boto3.client("s3")
        place = {"LocationConstraint": "eu-west-1"}
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        seed = Seed(
            endpoint=ENDPOINT, image="image", serving_role="arn:aws:iam::123456789012:role/serving",
            model_bucket=BUCKET, archive="seed/model.tar.gz", key="key", instance_type="ml.c5.large", instances=1,
            subnets="subnet-1", security_groups="sg-1", capture_percent=100, capture_prefix="capture",
            package_group=ENDPOINT,
        )  # fmt: skip
        sagemaker.create_model(**_model(seed))
        sagemaker.create_endpoint_config(**_configuration(seed))
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=seed.name)
        sagemaker.create_model_package_group(ModelPackageGroupName=ENDPOINT)
        for number, archive in enumerate(("seed/model.tar.gz", "candidates/run/output/model.tar.gz"), 1):
            key = f"evaluations/{number}/evaluation.json"
            s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(REPORT).encode())
            statistics = {"ContentType": "application/json", "S3Uri": f"s3://{BUCKET}/{key}"}
            sagemaker.create_model_package(
                ModelPackageGroupName=ENDPOINT,
                ModelPackageDescription=f"Candidate {number}",
                ModelApprovalStatus="PendingManualApproval",
                InferenceSpecification={
                    "Containers": [{"Image": "image", "ModelDataUrl": f"s3://{BUCKET}/{archive}"}],
                    "SupportedContentTypes": ["text/csv"],
                    "SupportedResponseMIMETypes": ["application/json"],
                },
                ModelMetrics={"ModelQuality": {"Statistics": statistics}},
            )
        yield sagemaker


def test_versions_are_listed_with_scores_and_the_variant_that_serves_them(aws: Any, tickwire: Any) -> None:
    found = tickwire("model", "versions", "--endpoint", ENDPOINT, "--json")
    assert found.code == 0, found.err
    assert [(row["version"], row["variant"], row["scores"]["log_loss"]) for row in found.json] == [
        (2, None, 0.69), (1, "champion", 0.69),
    ]  # fmt: skip


def test_the_sdk_lists_what_plain_calls_list(aws: Any) -> None:
    pytest.importorskip("sagemaker.core.resources")
    assert SdkListing("eu-west-1").packages(ENDPOINT) == BotoListing(aws).packages(ENDPOINT)


def test_two_versions_are_compared(aws: Any, tickwire: Any) -> None:
    found = tickwire("model", "compare", "1", "2", "--endpoint", ENDPOINT)
    assert found.code == 0, found.err
    assert "log_loss  0.69000    0.69000    +0" in found.out
    assert "holdout" not in found.out


def test_an_approval_is_written_down_with_who_and_why(aws: Any, tickwire: Any) -> None:
    done = tickwire("model", "approve", "2", "--endpoint", ENDPOINT, "--reason", "its card is good", "--json")
    assert done.code == 0, done.err
    arn = aws.list_model_packages(ModelPackageGroupName=ENDPOINT, ModelApprovalStatus="Approved")
    assert [row["ModelPackageVersion"] for row in arn["ModelPackageSummaryList"]] == [2]
    written = json.loads(boto3.client("s3").get_object(Bucket=BUCKET, Key=done.json["audit"])["Body"].read())
    assert written["who"] == boto3.client("sts").get_caller_identity()["Arn"]
    assert written["decision"] == {"verdict": "approve", "reasons": ["its card is good"], "share": 0}
    shown = tickwire("model", "decisions", "--endpoint", ENDPOINT)
    assert "its card is good" in shown.out


def test_without_the_sdk_a_sentence_names_the_extra(aws: Any, tickwire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sagemaker.core", None)
    found = tickwire("model", "versions", "--endpoint", ENDPOINT)
    assert found.code == 1
    assert "pip install 'tickwire[operator]'" in found.err


def test_without_a_platform_the_command_says_how_to_name_one(tickwire: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("TICKWIRE_MODEL_ENDPOINT", raising=False)
    monkeypatch.chdir(tmp_path)
    found = tickwire("model", "status")
    assert found.code == 1
    assert "name an endpoint on AWS with --endpoint" in found.err
