"""The endpoint is made once, kept ever after, and CloudFormation is always answered."""

import http.server
import importlib
import json
import tarfile
import threading
from collections.abc import Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError
from moto import mock_aws

from lambdas.model_seed import seed as module
from lambdas.model_seed.seed import Seed, create, delete

ENVIRONMENT = {
    "TICKWIRE_ENDPOINT": "tickwire-test",
    "TICKWIRE_IMAGE": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assets:serving",
    "TICKWIRE_SERVING_ROLE": "arn:aws:iam::123456789012:role/serving",
    "TICKWIRE_MODEL_BUCKET": "models",
    "TICKWIRE_ARCHIVE": "seed/model.tar.gz",
    "TICKWIRE_KEY": "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000",
    "TICKWIRE_INSTANCE_TYPE": "ml.c5.large",  # moto's list ends before Graviton
    "TICKWIRE_INSTANCES": "2",
    "TICKWIRE_SUBNETS": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "TICKWIRE_SECURITY_GROUPS": "sg-0123456789abcdef0",
    "TICKWIRE_CAPTURE_PERCENT": "100",
    "TICKWIRE_CAPTURE_PREFIX": "capture",
    "TICKWIRE_PACKAGE_GROUP": "tickwire-test",
}
SEED = Seed(
    **{
        name.removeprefix("TICKWIRE_").lower(): int(value) if value.isdigit() else value
        for name, value in ENVIRONMENT.items()
    }
)

CONTEXT = SimpleNamespace(
    function_name="model_seed", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="1"
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        sagemaker = boto3.client("sagemaker")
        sagemaker.create_model_package_group(ModelPackageGroupName="tickwire-test")
        yield SimpleNamespace(s3=s3, sagemaker=sagemaker)


def make(aws: SimpleNamespace, seed: Seed = SEED) -> None:
    create(seed, sagemaker=aws.sagemaker, s3=aws.s3)


def test_the_endpoint_serves_the_base_rate_from_two_variants_of_which_one_has_the_traffic(aws: SimpleNamespace) -> None:
    asked: list[dict[str, Any]] = []
    aws.sagemaker.meta.events.register(
        "provide-client-params.sagemaker.CreateModel", lambda params, **_: asked.append(params)
    )
    make(aws)
    endpoint = aws.sagemaker.describe_endpoint(EndpointName="tickwire-test")
    assert endpoint["EndpointStatus"] == "InService"
    config = aws.sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    variants = {variant["VariantName"]: variant for variant in config["ProductionVariants"]}
    assert {name: variant["InitialVariantWeight"] for name, variant in variants.items()} == {
        "champion": 1.0, "challenger": 0.0,
    }  # fmt: skip
    assert {variant["InitialInstanceCount"] for variant in variants.values()} == {2}
    assert config["KmsKeyId"] == SEED.key
    assert config["DataCaptureConfig"]["DestinationS3Uri"] == "s3://models/capture"
    model = aws.sagemaker.describe_model(ModelName=variants["champion"]["ModelName"])
    # moto forgets it.
    assert asked[0]["EnableNetworkIsolation"] is True
    assert len(model["VpcConfig"]["Subnets"]) == 2
    assert model["PrimaryContainer"]["ModelDataUrl"] == "s3://models/seed/model.tar.gz"
    body = aws.s3.get_object(Bucket="models", Key="seed/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=BytesIO(body)) as archive:
        described = archive.extractfile("model.json")
        assert described is not None
        assert json.load(described)["name"] == "base-rate"


def test_an_endpoint_that_is_there_is_left_as_it_is(aws: SimpleNamespace) -> None:
    make(aws)
    champion = {"VariantName": "champion", "ModelName": SEED.name, "InstanceType": "ml.c5.large"}
    aws.sagemaker.create_endpoint_config(
        EndpointConfigName="promoted", ProductionVariants=[{**champion, "InitialInstanceCount": 1}]
    )
    aws.sagemaker.delete_endpoint(EndpointName="tickwire-test")
    aws.sagemaker.create_endpoint(EndpointName="tickwire-test", EndpointConfigName="promoted")
    aws.s3.delete_object(Bucket="models", Key="seed/model.tar.gz")
    make(aws)
    assert aws.sagemaker.describe_endpoint(EndpointName="tickwire-test")["EndpointConfigName"] == "promoted"
    assert "Contents" not in aws.s3.list_objects_v2(Bucket="models")


def test_a_creation_that_was_cut_short_is_finished(aws: SimpleNamespace) -> None:
    make(aws)
    aws.sagemaker.delete_endpoint(EndpointName="tickwire-test")
    already = ClientError({"Error": {"Code": "ValidationException", "Message": "Cannot create already existing"}}, "X")

    def again(**_: Any) -> None:
        raise already

    # As SageMaker refuses a second one of a name; moto does not for each of the two.
    aws.sagemaker.create_model = aws.sagemaker.create_endpoint_config = again
    make(aws)
    assert aws.sagemaker.describe_endpoint(EndpointName="tickwire-test")["EndpointConfigName"] == SEED.name


def test_another_error_of_sagemaker_is_no_leave_to_go_on(aws: SimpleNamespace) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ResourceLimitExceeded", "Message": "the account's limit"}}, "X")

    aws.sagemaker.create_endpoint_config = refuse
    with pytest.raises(ClientError, match="the account's limit"):
        make(aws)


def test_what_is_deleted_is_the_endpoint_with_what_it_serves_and_the_packages(aws: SimpleNamespace) -> None:
    make(aws)
    specification = {
        "Containers": [{"Image": SEED.image}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    aws.sagemaker.create_model_package(
        ModelPackageGroupName="tickwire-test", InferenceSpecification=specification, ModelApprovalStatus="Rejected"
    )
    deleted: list[str] = []
    # moto knows no DeleteModelPackage.
    aws.sagemaker.delete_model_package = lambda **package: deleted.append(package["ModelPackageName"])
    delete(SEED, sagemaker=aws.sagemaker)
    assert aws.sagemaker.list_endpoints()["Endpoints"] == []
    assert aws.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert aws.sagemaker.list_models()["Models"] == []
    assert [arn.rpartition("/")[2] for arn in deleted] == ["1"]


def test_deleting_what_is_gone_is_no_error(aws: SimpleNamespace) -> None:
    delete(SEED, sagemaker=aws.sagemaker)


# The custom resource


class Cloudformation(http.server.BaseHTTPRequestHandler):
    """Where CloudFormation waits."""

    answers: list[dict[str, Any]]

    def do_PUT(self) -> None:
        assert self.headers["content-type"] == ""
        self.answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def cloudformation() -> Iterator[SimpleNamespace]:
    handler = type("Handler", (Cloudformation,), {"answers": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/", answers=handler.answers)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch, cloudformation: SimpleNamespace) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    handler = importlib.import_module("lambdas.model_seed.handler")
    called: list[str] = []
    monkeypatch.setattr(handler, "create", lambda *_, **__: called.append("create"))
    monkeypatch.setattr(handler, "delete", lambda *_, **__: called.append("delete"))

    def run(kind: str, failure: Exception | None = None) -> list[str]:
        def fail(*_: Any, **__: Any) -> None:
            assert failure is not None
            raise failure

        if failure is not None:
            monkeypatch.setattr(handler, "create", fail)
        ids = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Endpoint"}
        event = {"RequestType": kind, "ResponseURL": cloudformation.url, "ResourceProperties": {}, **ids}
        handler.handler(event, CONTEXT)
        return called

    return run


@pytest.mark.parametrize(("kind", "called"), [("Create", ["create"]), ("Delete", ["delete"]), ("Update", [])])
def test_an_update_touches_nothing(handle: Any, cloudformation: SimpleNamespace, kind: str, called: list[str]) -> None:
    assert handle(kind) == called
    assert cloudformation.answers == [
        {
            "Status": "SUCCESS", "Reason": "", "PhysicalResourceId": "tickwire-test",
            "StackId": "stack", "RequestId": "request", "LogicalResourceId": "Endpoint",
        }
    ]  # fmt: skip


def test_a_failure_is_told_with_its_reason(handle: Any, cloudformation: SimpleNamespace) -> None:
    handle("Create", ValueError("no capacity"))
    (answer,) = cloudformation.answers
    assert (answer["Status"], answer["Reason"]) == ("FAILED", "ValueError: no capacity")


def test_an_endpoint_that_failed_is_told(handle: Any, cloudformation: SimpleNamespace) -> None:
    handle("Create", WaiterError("EndpointInService", "Waiter encountered a terminal failure state", {}))
    assert cloudformation.answers[0]["Status"] == "FAILED"


def test_an_endpoint_that_is_still_being_made_is_waited_for_by_lambdas_next_attempt(
    handle: Any, cloudformation: SimpleNamespace
) -> None:
    with pytest.raises(WaiterError):
        handle("Create", WaiterError("EndpointInService", "Max attempts exceeded", {}))
    assert cloudformation.answers == []


def test_a_wait_ends_before_the_function_does() -> None:
    from cdk.settings import settings_of

    timeout = settings_of("dev").functions["model_seed"].timeout_seconds
    assert module._WAIT["Delay"] * module._WAIT["MaxAttempts"] <= timeout - 60
