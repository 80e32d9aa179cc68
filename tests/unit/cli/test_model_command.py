"""``tickwire model`` against AWS as moto has it, by the SageMaker SDK. Ramps and runs, which moto has not:
tests/integration/test_model_command.py.
"""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.unit.cli.conftest import Outcome

REGION, ENDPOINT, BUCKET = "eu-west-1", "tickwire-test", "models-test"
ROLE = "arn:aws:iam::123456789012:role/serving"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assets:serving"
SCORES = {"rows": 960, "log_loss": 0.6925, "brier": 0.2497, "accuracy": 0.513, "auc": 0.52}
Tickwire = Callable[..., Outcome]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    """An endpoint whose champion is version 1, with version 2 beside it, and the report of version 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TICKWIRE_MODEL_ENDPOINT", raising=False)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, REGION)
    with mock_aws():
        sagemaker = boto3.client("sagemaker", region_name=REGION)
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="evaluations/2/evaluation.json", Body=json.dumps(
            {"first": 1, "last": 2, "candidate": {"name": "lstm", "version": "2", "scores": SCORES}}
        ).encode())  # fmt: skip
        sagemaker.create_model_package_group(ModelPackageGroupName=ENDPOINT)
        for number, status in ((1, "Approved"), (2, "PendingManualApproval")):
            archive = f"s3://{BUCKET}/{number}/model.tar.gz"
            statistics = {"ContentType": "application/json", "S3Uri": f"s3://{BUCKET}/evaluations/2/evaluation.json"}
            sagemaker.create_model_package(
                ModelPackageGroupName=ENDPOINT,
                ModelApprovalStatus=status,
                InferenceSpecification={
                    "Containers": [{"Image": IMAGE, "ModelDataUrl": archive}],
                    "SupportedContentTypes": ["application/json"],
                    "SupportedResponseMIMETypes": ["application/json"],
                },
                **({"ModelMetrics": {"ModelQuality": {"Statistics": statistics}}} if number == 2 else {}),
            )
            container = {"Image": IMAGE, "ModelDataUrl": archive}
            sagemaker.create_model(ModelName=f"model-{number}", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        sagemaker.create_endpoint_config(
            EndpointConfigName="first",
            ProductionVariants=[
                {"VariantName": variant, "ModelName": model, "InstanceType": "ml.c5.large",
                 "InitialInstanceCount": 1, "InitialVariantWeight": weight}
                # moto's list of instances ends before Graviton
                for variant, model, weight in (("champion", "model-1", 0.75), ("challenger", "model-2", 0.25))
            ],
            DataCaptureConfig={
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": f"s3://{BUCKET}/capture",
                "CaptureOptions": [{"CaptureMode": "Input"}],
            },
        )  # fmt: skip
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="first")
        boto3.client("stepfunctions", region_name=REGION).create_state_machine(
            name=f"{ENDPOINT}-nightly-training",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            roleArn="arn:aws:iam::123456789012:role/states",
        )
        yield


def audited() -> list[dict[str, Any]]:
    s3 = boto3.client("s3", region_name=REGION)
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="audit/").get("Contents", [])
    return [json.loads(s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()) for entry in found]


@pytest.mark.usefixtures("aws")
def test_status_tells_versions_and_shares_of_both_variants(tickwire: Tickwire) -> None:
    status = tickwire("model", "status", "--endpoint", ENDPOINT, "--json").json
    assert (status["endpoint"], status["status"]) == (ENDPOINT, "InService")
    assert [(row["variant"], row["version"], row["percent"]) for row in status["variants"]] == [
        ("champion", 1, 75.0), ("challenger", 2, 25.0),
    ]  # fmt: skip
    # Nobody has made the alarm here: that is told, and not taken for a quiet one.
    assert status["alarm"] == "MISSING"


@pytest.mark.usefixtures("aws")
def test_versions_come_newest_first_with_the_scores_of_their_report(tickwire: Tickwire) -> None:
    second, first = tickwire("model", "versions", "--endpoint", ENDPOINT, "--json").json
    assert (second["version"], second["status"], second["variant"]) == (2, "PendingManualApproval", "challenger")
    assert second["scores"] == SCORES
    assert (first["version"], first["status"], first["variant"], first["scores"]) == (1, "Approved", "champion", {})


@pytest.mark.usefixtures("aws")
def test_the_table_of_versions_has_a_line_for_each(tickwire: Tickwire) -> None:
    head, second, first = tickwire("model", "versions", "--endpoint", ENDPOINT).out.splitlines()
    assert head.split()[:3] == ["VERSION", "CREATED", "STATUS"]
    assert (second.split()[0], first.split()[0]) == ("2", "1")
    assert "0.69250" in second


@pytest.mark.usefixtures("aws")
def test_an_approval_says_who_and_why_in_the_audit(tickwire: Tickwire) -> None:
    said = tickwire("model", "approve", "2", "--reason", "looked at its card", "--endpoint", ENDPOINT)
    assert said.code == 0
    assert said.out == "approved version 2, which was PendingManualApproval\n"
    newest = tickwire("model", "versions", "--endpoint", ENDPOINT, "--json").json[0]
    assert (newest["status"], newest["reason"]) == ("Approved", "looked at its card")
    (row,) = audited()
    assert row["who"] == boto3.client("sts", region_name=REGION).get_caller_identity()["Arn"]
    assert row["decision"] == {"verdict": "approve", "reasons": ["looked at its card"], "share": 0}


@pytest.mark.usefixtures("aws")
def test_a_rollback_gives_the_champion_all_requests_at_once(tickwire: Tickwire) -> None:
    assert tickwire("model", "rollback", "--endpoint", ENDPOINT, "--json").code == 0
    described = boto3.client("sagemaker", region_name=REGION).describe_endpoint(EndpointName=ENDPOINT)
    weights = {row["VariantName"]: row["CurrentWeight"] for row in described["ProductionVariants"]}
    assert weights == {"champion": 100, "challenger": 0}
    (row,) = audited()
    assert row["before"] == {"champion": 0.75, "challenger": 0.25}


@pytest.mark.usefixtures("aws")
def test_a_run_is_started_and_written_down(tickwire: Tickwire) -> None:
    execution = tickwire("model", "train", "--reason", "new venue", "--endpoint", ENDPOINT, "--json").json["execution"]
    machines = boto3.client("stepfunctions", region_name=REGION)
    assert machines.describe_execution(executionArn=execution)["input"] == "{}"
    (row,) = audited()
    assert (row["execution"], row["decision"]["reasons"]) == (execution, ["new venue"])


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("status", "--endpoint", "nobody"), "DescribeEndpoint: "),
        (("approve", "9", "--endpoint", ENDPOINT), "there is no version 9 of tickwire-test; there are: 1, 2"),
        (("compare", "1", "2", "--endpoint", ENDPOINT), "version 1 was never evaluated"),
        (("train", "--set", "model=lstm", "--endpoint", ENDPOINT), "for the platform on this machine"),
        (("status",), "none of `tickwire run` is running"),
        (("status", "--local", "--endpoint", ENDPOINT), "give one of them"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    tickwire: Tickwire, arguments: tuple[str, ...], says: str
) -> None:
    found = tickwire("model", *arguments)
    assert (found.code, found.out) == (1, "")
    assert says in found.err
    assert len(found.err.splitlines()) == 1
    assert audited() == []


@pytest.mark.usefixtures("aws")
def test_without_the_sdk_it_says_what_to_install(tickwire: Tickwire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sagemaker.core", None)
    found = tickwire("model", "versions", "--endpoint", ENDPOINT)
    assert found.code == 1
    assert "pip install 'tickwire[operator]'" in found.err
    assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "required: ACTION"),
        (("ramp", "2", "101"), "101"),
        (("approve", "two"), "'two' is no version"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    tickwire: Tickwire, arguments: tuple[str, ...], says: str
) -> None:
    found = tickwire("model", *arguments)
    assert found.code == 2
    assert says in found.err
