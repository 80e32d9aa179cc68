"""The local SageMaker through unchanged clients: hosting, invocations, capture, the registry, jobs, restarts."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from local.emulator import Emulator
from tests.integration.local_sagemaker import BUCKET, ENDPOINT, IMAGE, ROLE, Platform, rising
from tests.unit.model.markets import market, split
from tickwire.model.base_rate import base_rate_archive
from tickwire.model.features import SCHEMA

ROWS = json.dumps({"schema": SCHEMA.digest, "rows": [[0.0] * SCHEMA.width]}).encode()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with Emulator() as emulator:
        platform = Platform(emulator, folder)
        platform.s3.create_bucket(Bucket=BUCKET)
        try:
            platform.model("seed", base_rate_archive(SCHEMA))
            platform.model("other", rising(0.75))
            platform.configuration("first", champion=("seed", 1.0), challenger=("other", 0.0))
            platform.control.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="first")
            assert platform.endpoint()["EndpointStatus"] == "InService"
            yield platform
        finally:
            platform.child.stop()


def invoke(platform: Platform, **changes: Any) -> dict[str, Any]:
    arguments = {"EndpointName": ENDPOINT, "ContentType": "application/json", "Body": ROWS, **changes}
    return dict(platform.runtime.invoke_endpoint(**arguments))


def test_the_champion_answers_with_the_real_servers_answer(platform: Platform) -> None:
    answer = invoke(platform)
    assert answer["InvokedProductionVariant"] == "champion"
    assert answer["ContentType"] == "application/json"
    body = json.loads(answer["Body"].read())
    assert body["model"]["name"] == "base-rate"
    assert body["predictions"] == [{"probability": 0.5}]


def test_a_named_variant_answers_whatever_its_weight(platform: Platform) -> None:
    answer = invoke(platform, TargetVariant="challenger")
    assert answer["InvokedProductionVariant"] == "challenger"
    assert json.loads(answer["Body"].read())["predictions"][0]["probability"] == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"EndpointName": "nobody"}, "ValidationError", 400),
        ({"TargetVariant": "nobody"}, "ValidationError", 400),
        ({"Body": b"not json"}, "ModelError", 424),
        ({"ContentType": "image/png"}, "ModelError", 424),
    ],
)
def test_what_cannot_be_answered_gives_the_errors_of_aws(
    platform: Platform, changes: dict[str, Any], code: str, status: int
) -> None:
    with pytest.raises(ClientError) as refused:
        invoke(platform, **changes)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    if code == "ModelError":
        assert 400 <= refused.value.response["OriginalStatusCode"] < 500
        assert json.loads(refused.value.response["OriginalMessage"])["error"]


def test_weights_share_the_requests(platform: Platform) -> None:
    change = [{"VariantName": "champion", "DesiredWeight": 75}, {"VariantName": "challenger", "DesiredWeight": 25}]
    platform.control.update_endpoint_weights_and_capacities(EndpointName=ENDPOINT, DesiredWeightsAndCapacities=change)
    try:
        answered = [invoke(platform)["InvokedProductionVariant"] for _ in range(400)]
    finally:
        change[1]["DesiredWeight"] = 0
        platform.control.update_endpoint_weights_and_capacities(
            EndpointName=ENDPOINT, DesiredWeightsAndCapacities=change
        )
    # Of Binomial(400, 1/4), 55 to 145 has all but a millionth.
    assert 55 <= answered.count("challenger") <= 145
    assert {invoke(platform)["InvokedProductionVariant"] for _ in range(20)} == {"champion"}


def captured(platform: Platform, prefix: str) -> list[dict[str, Any]]:
    pages = platform.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    bodies = [platform.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def test_what_is_asked_and_answered_lies_in_s3_as_sagemaker_writes_it(platform: Platform) -> None:
    schema = pa.schema([("features", pa.list_(pa.float32(), SCHEMA.width))])
    features = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(SCHEMA.width, np.float32)), SCHEMA.width)
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, schema.with_metadata({"schema": SCHEMA.digest})) as writer:
        writer.write_batch(pa.record_batch([features], schema=schema))
    binary = stream.getvalue().to_pybytes()
    kind = "application/vnd.apache.arrow.stream"
    invoke(platform, InferenceId="text")
    invoke(platform, InferenceId="binary", ContentType=kind, Body=binary)
    platform.restart()  # which writes what waits
    assert platform.endpoint()["EndpointStatus"] == "InService"
    today = datetime.now().astimezone()
    lines = {line["eventMetadata"].get("inferenceId"): line
             for line in captured(platform, f"capture/{ENDPOINT}/champion/{today:%Y}/")}  # fmt: skip
    text = lines["text"]
    assert text["eventVersion"] == "0"
    assert datetime.fromisoformat(text["eventMetadata"]["inferenceTime"]).tzinfo is not None
    given = text["captureData"]["endpointInput"]
    assert given == {"observedContentType": "application/json", "mode": "INPUT", "encoding": "JSON",
                     "data": ROWS.decode()}  # fmt: skip
    answer = text["captureData"]["endpointOutput"]
    assert (answer["mode"], answer["encoding"]) == ("OUTPUT", "JSON")
    assert json.loads(answer["data"])["predictions"] == [{"probability": 0.5}]
    given = lines["binary"]["captureData"]["endpointInput"]
    assert (given["observedContentType"], given["encoding"]) == (kind, "BASE64")
    assert base64.b64decode(given["data"]) == binary


def test_a_restart_keeps_what_was_made_and_serves_it(platform: Platform) -> None:
    before = platform.control.describe_endpoint(EndpointName=ENDPOINT)
    platform.restart()
    after = platform.endpoint()
    assert after["ProductionVariants"] == before["ProductionVariants"]
    assert after["CreationTime"] == before["CreationTime"]
    assert json.loads(invoke(platform)["Body"].read())["model"]["name"] == "base-rate"


def test_an_update_puts_another_configuration_in_service(platform: Platform) -> None:
    platform.configuration("second", champion=("other", 1.0), challenger=("seed", 0.0))
    for name, probability in (("second", 0.75), ("first", 0.5)):
        platform.control.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=name)
        assert platform.endpoint()["EndpointConfigName"] == name
        predicted = json.loads(invoke(platform)["Body"].read())["predictions"]
        assert predicted[0]["probability"] == pytest.approx(probability, abs=1e-6)


def test_a_model_that_does_not_load_leaves_the_endpoint_as_it_was(platform: Platform) -> None:
    platform.model("broken", b"no archive")
    platform.configuration("broken", champion=("broken", 1.0))
    platform.control.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="broken")
    described = platform.endpoint()
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == "first"
    assert "Failed to extract model data archive" in described["FailureReason"]
    assert invoke(platform)["InvokedProductionVariant"] == "champion"


@pytest.mark.parametrize(
    ("operation", "arguments", "says"),
    [
        ("describe_endpoint", {"EndpointName": "nobody"}, "Could not find endpoint"),
        ("describe_endpoint_config", {"EndpointConfigName": "nobody"}, "Could not find endpoint configuration"),
        ("describe_model", {"ModelName": "nobody"}, "Could not find model"),
        ("create_endpoint", {"EndpointName": ENDPOINT, "EndpointConfigName": "first"}, "already existing endpoint"),
        ("create_endpoint", {"EndpointName": "new", "EndpointConfigName": "nobody"}, "Could not find endpoint config"),
        ("describe_model_package", {"ModelPackageName": "nobody"}, "does not exist"),
        ("describe_training_job", {"TrainingJobName": "nobody"}, "Requested resource not found"),
        ("update_endpoint", {"EndpointName": ENDPOINT, "EndpointConfigName": "first"}, "that it has already"),
    ],
)
def test_what_is_missing_or_there_already_is_a_validation_exception(
    platform: Platform, operation: str, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(platform.control, operation)(**arguments)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert says in refused.value.response["Error"]["Message"]


def test_versions_of_a_group_are_numbered_approved_and_listed(platform: Platform) -> None:
    control = platform.control
    control.create_model_package_group(ModelPackageGroupName="group")
    made = [
        control.create_model_package(ModelPackageGroupName="group", ModelPackageDescription=text)["ModelPackageArn"]
        for text in ("first", "second")
    ]
    assert [name.rpartition("/")[2] for name in made] == ["1", "2"]
    control.update_model_package(ModelPackageArn=made[0], ModelApprovalStatus="Approved", ApprovalDescription="good")
    described = control.describe_model_package(ModelPackageName=made[0])
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Approved", "good")
    pages = control.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName="group", PaginationConfig={"PageSize": 1}
    )
    listed = [item["ModelPackageVersion"] for page in pages for item in page["ModelPackageSummaryList"]]
    assert listed == [2, 1]
    approved = control.list_model_packages(ModelPackageGroupName="group", ModelApprovalStatus="Approved")
    assert [item["ModelPackageVersion"] for item in approved["ModelPackageSummaryList"]] == [1]


def put_bars(platform: Platform, run: str, *, skill: float) -> None:
    for part, bars in split(market(30, skill=skill, seed=7), holdout_days=10).items():
        body = pa.BufferOutputStream()
        pq.write_table(bars, body)
        key = f"datasets/{run}/part={part}/20261127_0"
        platform.s3.put_object(Bucket=BUCKET, Key=key, Body=body.getvalue().to_pybytes())


CLUSTER = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}


def training(name: str, **hyperparameters: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": hyperparameters,
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/datasets/run/part=train/"}}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/candidates/"},
        "ResourceConfig": CLUSTER,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }  # fmt: skip


def test_a_training_job_runs_the_containers_code_and_its_model_is_evaluated(platform: Platform) -> None:
    put_bars(platform, "run", skill=0.5)
    control = platform.control
    control.create_training_job(**training("run", version="run", model="logistic"))
    job = platform.wait(lambda: control.describe_training_job(TrainingJobName="run"), "TrainingJobStatus", "InProgress")
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    archive = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert archive == f"s3://{BUCKET}/candidates/run/output/model.tar.gz"
    with pytest.raises(ClientError) as again:
        control.create_training_job(**training("run", version="run"))
    assert again.value.response["Error"]["Code"] == "ResourceInUse"
    sources = {
        "train": f"s3://{BUCKET}/datasets/run/part=train/",
        "holdout": f"s3://{BUCKET}/datasets/run/part=holdout/",
        "candidate": archive,
        "champion": f"s3://{BUCKET}/seed.tar.gz",
    }
    for name in ("candidate", "champion"):
        key = sources[name].removeprefix(f"s3://{BUCKET}/")
        body = platform.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        sources[name] = f"s3://{BUCKET}/evaluated/{name}/model.tar.gz"
        platform.s3.put_object(Bucket=BUCKET, Key=f"evaluated/{name}/model.tar.gz", Body=body)
    inputs = [{"InputName": name, "S3Input": {"S3Uri": source, "LocalPath": f"/opt/ml/processing/input/{name}",
               "S3DataType": "S3Prefix", "S3InputMode": "File"}} for name, source in sources.items()]  # fmt: skip
    report = {"S3Uri": f"s3://{BUCKET}/evaluations/run/", "LocalPath": "/opt/ml/processing/output"}
    control.create_processing_job(
        ProcessingJobName="run",
        RoleArn=ROLE,
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["python", "/opt/tickwire/evaluate.py"]},
        ProcessingInputs=inputs,
        ProcessingOutputConfig={
            "Outputs": [{"OutputName": "report", "S3Output": {**report, "S3UploadMode": "EndOfJob"}}]
        },
        ProcessingResources={"ClusterConfig": CLUSTER},
    )
    judged = platform.wait(
        lambda: control.describe_processing_job(ProcessingJobName="run"), "ProcessingJobStatus", "InProgress"
    )
    assert judged["ProcessingJobStatus"] == "Completed", judged["FailureReason"]
    body = platform.s3.get_object(Bucket=BUCKET, Key="evaluations/run/evaluation.json")["Body"].read()
    assert json.loads(body)["candidate"]["version"] == "run"


def test_a_training_job_that_fails_says_why(platform: Platform) -> None:
    platform.control.create_training_job(**training("wrong", nonsense="1"))
    job = platform.wait(
        lambda: platform.control.describe_training_job(TrainingJobName="wrong"), "TrainingJobStatus", "InProgress"
    )
    assert job["TrainingJobStatus"] == "Failed"
    assert "ValidationError" in job["FailureReason"]
