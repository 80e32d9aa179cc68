"""The synthesised stacks in the emulator: created, wired, and their functions run."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.deploy import Deployment, DeploymentFailed, deploy, synthesise
from local.emulator import Emulator
from local.identity import LocalUser

pytestmark = pytest.mark.services(
    "apigatewayv2", "cloudformation", "dynamodb", "glue", "kinesis", "lambda", "s3", "sqs"
)

PROJECT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent.name for path in (PROJECT / "lambdas").glob("*/handler.py"))


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def assembly() -> Path:
    # Where the local run keeps it, so that the two synthesise once between them.
    return synthesise(PROJECT / ".tickwire" / "assembly").folder


@pytest.fixture(scope="module")
def deployment(emulator: Emulator, assembly: Path) -> Deployment:
    return deploy(
        assembly,
        endpoint_url=emulator.endpoint_url,
        overrides={
            # Nothing listens there: what is tested here asks no store for anything.
            "TICKWIRE_STATE_URL": "valkey://127.0.0.1:9/0",
            "TICKWIRE_DATABASE_URL": "postgresql://tickwire@127.0.0.1:9/tickwire",
            "TICKWIRE_DATABASE_IAM": "false",
        },
    )


@pytest.fixture(scope="module")
def client(emulator: Emulator) -> Callable[[str], Any]:
    def make(service: str, path: str = "") -> Any:
        return boto3.client(
            service,
            endpoint_url=emulator.endpoint_url + path,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, read_timeout=60),
        )

    return make


@pytest.fixture(scope="module")
def user(deployment: Deployment, emulator: Emulator) -> LocalUser:
    outputs = deployment.outputs
    user = LocalUser(emulator.endpoint_url, pool_id=outputs["UserPoolId"], client_id=outputs["ProgrammesClientId"])
    user.create()
    return user


def test_every_function_of_the_project_is_deployed(deployment: Deployment) -> None:
    # On a laptop people visit the page themselves, and the stack that the canary stands in is not made.
    assert set(FUNCTIONS) - {"canary"} == set(deployment.functions)


def test_the_streams_queues_tables_and_buckets_of_the_outputs_exist(
    deployment: Deployment, client: Callable[..., Any]
) -> None:
    outputs = deployment.outputs
    for name in ("RawStream", "CleanStream", "EventsStream"):
        summary = client("kinesis").describe_stream_summary(StreamName=outputs[name])["StreamDescriptionSummary"]
        assert summary["StreamStatus"] == "ACTIVE"
        assert summary["OpenShardCount"] == 1
    for name in ("FramesDlqUrl", "TradesDlqUrl", "LakeCommitsQueueUrl"):
        client("sqs").get_queue_attributes(QueueUrl=outputs[name], AttributeNames=["QueueArn"])
    for name in ("ConnectionsTable", "SubscriptionsTable", "LastValuesTable", "ReplayTable"):
        assert client("dynamodb").describe_table(TableName=outputs[name])["Table"]["TableStatus"] == "ACTIVE"
    for name in ("LakeBucket", "FailuresBucket"):
        client("s3").head_bucket(Bucket=outputs[name])
    client("glue").get_database(Name=outputs["LakeDatabaseName"])


def test_a_queue_takes_a_message_of_a_megabyte(deployment: Deployment, client: Callable[..., Any]) -> None:
    url = deployment.outputs["LakeCommitsQueueUrl"]
    limit = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["MaximumMessageSize"])["Attributes"]
    assert limit["MaximumMessageSize"] == "1048576"


def test_the_kinesis_mappings_are_resolved_to_names(deployment: Deployment) -> None:
    by_function = {mapping.function_name: mapping for mapping in deployment.event_source_mappings}
    assert len(by_function) == 6
    validator = by_function[deployment.functions["validator"]]
    assert validator.stream_name == deployment.outputs["RawStream"]
    assert validator.on_failure_bucket == deployment.outputs["FailuresBucket"]
    assert validator.report_batch_item_failures
    assert validator.bisect
    assert validator.maximum_retry_attempts == -1
    names = ("signals", "market", "broadcaster")
    streams = {name: by_function[deployment.functions[name]].stream_name for name in names}
    assert streams == {
        "signals": deployment.outputs["CleanStream"],
        "market": deployment.outputs["EventsStream"],
        "broadcaster": deployment.outputs["EventsStream"],
    }


def test_the_emulator_runs_no_kinesis_mapping_of_its_own(deployment: Deployment, client: Callable[..., Any]) -> None:
    sources = [
        mapping["EventSourceArn"] for mapping in client("lambda").list_event_source_mappings()["EventSourceMappings"]
    ]
    assert sources
    assert all(":sqs:" in source for source in sources)


def test_functions_get_the_overrides_and_the_names_of_other_stacks(
    deployment: Deployment, emulator: Emulator, client: Callable[..., Any]
) -> None:
    configuration = client("lambda").get_function_configuration(FunctionName=deployment.functions["validator"])
    variables = configuration["Environment"]["Variables"]
    assert variables["TICKWIRE_STATE_URL"] == "valkey://127.0.0.1:9/0"
    assert variables["AWS_ENDPOINT_URL"] == emulator.endpoint_url
    assert variables["TICKWIRE_CLEAN_STREAM"] == deployment.outputs["CleanStream"]
    assert variables["POWERTOOLS_TRACE_DISABLED"] == "true"


@pytest.mark.parametrize("name", ["broadcaster", "lake_committer", "lake_writer", "market", "signals", "validator"])
def test_an_invoked_function_starts_and_reports_no_failure_for_no_records(
    deployment: Deployment, client: Callable[..., Any], name: str
) -> None:
    reply = client("lambda").invoke(FunctionName=deployment.functions[name], Payload=json.dumps({"Records": []}))
    body = json.loads(reply["Payload"].read())
    assert "FunctionError" not in reply, body
    assert not (body or {}).get("batchItemFailures")


@pytest.mark.parametrize("name", ["dead_letters", "store_writer"])
def test_a_writer_asks_the_database_that_it_was_pointed_to(
    deployment: Deployment, client: Callable[..., Any], name: str
) -> None:
    reply = client("lambda").invoke(FunctionName=deployment.functions[name], Payload=json.dumps({"Records": []}))
    assert reply["FunctionError"] == "Unhandled"
    assert '"127.0.0.1", port 9 failed' in json.loads(reply["Payload"].read())["errorMessage"]


def test_posts_to_connections_reach_the_emulator(deployment: Deployment, client: Callable[..., Any]) -> None:
    for name in ("websocket", "broadcaster"):
        configuration = client("lambda").get_function_configuration(FunctionName=deployment.functions[name])
        endpoint = configuration["Environment"]["Variables"]["TICKWIRE_WEBSOCKET_ENDPOINT"]
        assert endpoint == deployment.websocket_url.replace("ws://", "http://")
    api = f"/_aws/execute-api/{deployment.outputs['WebSocketApiId']}/{deployment.outputs['WebSocketStage']}"
    connections = client("apigatewaymanagementapi", api)
    with pytest.raises(connections.exceptions.GoneException):
        connections.post_to_connection(ConnectionId="nobody", Data=b"{}")


async def test_a_client_is_told_that_its_ping_arrived(deployment: Deployment, user: LocalUser) -> None:
    import websockets

    headers = {"Authorization": f"Bearer {user.token()}"}
    async with websockets.connect(deployment.websocket_url, additional_headers=headers) as socket:
        await socket.send(json.dumps({"action": "ping"}))
        assert json.loads(await socket.recv())["type"] == "pong"


def test_what_was_left_out_is_reported_with_reasons(deployment: Deployment) -> None:
    reasons = {item.type: item.reason for items in deployment.left_out.values() for item in items}
    assert reasons["AWS::RDS::DBCluster"] == "PostgreSQL runs beside the emulator"
    assert reasons["AWS::MemoryDB::Cluster"] == "Valkey runs beside the emulator"


def test_a_second_start_needs_no_synthesis(assembly: Path) -> None:
    started = time.monotonic()
    again = synthesise(assembly.parent)
    assert again.folder == assembly
    assert not again.fresh
    assert time.monotonic() - started < 1.0


def test_a_stack_that_is_refused_is_named_with_the_reason(
    deployment: Deployment, emulator: Emulator, assembly: Path
) -> None:
    # The stacks stand already, so creating them again must fail.
    with pytest.raises(DeploymentFailed, match=r"stack Tickwire-local-\w+ was refused: .*[Ee]xist"):
        deploy(assembly, endpoint_url=emulator.endpoint_url)


def test_a_resource_that_fails_is_named_with_the_reason(emulator: Emulator, tmp_path: Path) -> None:
    manifest = {"artifacts": {"Broken": {"type": "aws:cloudformation:stack"}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    function = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": {"Fn::ImportValue": "nobody-exports-this"}},
    }
    (tmp_path / "Broken.template.json").write_text(json.dumps({"Resources": {"Permission": function}}))
    with pytest.raises(DeploymentFailed, match="nobody-exports-this"):
        deploy(tmp_path, endpoint_url=emulator.endpoint_url)
