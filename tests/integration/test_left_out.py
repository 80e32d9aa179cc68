"""What is left out of the templates for the emulator, each type tried there alone: the list holds no more than it must.

A type is left out because the emulator refuses it, or because what it would make is of no use to a run.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.deploy import synthesise
from local.emulator import Emulator
from local.template_rewrite import KEPT_TYPES, LEFT_OUT, UNJUDGED, CodeLocation, rewrite

pytestmark = pytest.mark.services("cloudformation", "ecs", "rds")

PROJECT = Path(__file__).parents[2]
# What the emulator's CloudFormation does not know: it refuses a whole template for one of them.
REFUSED = {
    "AWS::Athena::NamedQuery",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::EC2::FlowLog",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::Kinesis::StreamConsumer",
    "AWS::MemoryDB::ACL",
    "AWS::MemoryDB::Cluster",
    "AWS::MemoryDB::SubnetGroup",
    "AWS::MemoryDB::User",
}
# What it would make, and why a run does without it all the same.
USELESS = {
    "AWS::ApiGateway::Account": "logs are written without it",
    "AWS::Athena::WorkGroup": "the named queries beside it are refused",
    "AWS::EC2::InternetGateway": "nothing is attached to it",
    "AWS::EC2::Route": "nothing is routed",
    "AWS::EC2::RouteTable": "nothing is routed",
    "AWS::EC2::SecurityGroup": "its rules are refused, and nothing is kept out",
    "AWS::EC2::Subnet": "nothing stands in it",
    "AWS::EC2::SubnetRouteTableAssociation": "nothing is routed",
    "AWS::EC2::VPC": "nothing stands in it",
    "AWS::EC2::VPCEndpoint": "nothing passes through it",
    "AWS::EC2::VPCGatewayAttachment": "nothing is attached",
    "AWS::ECS::Cluster": "it runs tasks by Docker, or not at all",
    "AWS::ECS::Service": "it runs tasks by Docker, or not at all",
    "AWS::ECS::TaskDefinition": "it runs tasks by Docker, or not at all",
    "AWS::IAM::ManagedPolicy": "rights are not checked",
    "AWS::Lambda::Function": "the CDK's own for custom resources, which are left out",
    "AWS::RDS::DBCluster": "there is no PostgreSQL behind its address",
    "AWS::RDS::DBClusterParameterGroup": "there is no PostgreSQL to set",
    "AWS::RDS::DBInstance": "there is no PostgreSQL behind its address",
    "AWS::RDS::DBSubnetGroup": "there is no subnet",
    "AWS::SNS::Subscription": "nobody reads mail from a laptop",
    "AWS::SNS::Topic": "nobody reads mail from a laptop",
    "AWS::SNS::TopicPolicy": "nobody reads mail from a laptop",
    "AWS::Scheduler::Schedule": "a run is over before the night",
    "Custom::Trigger": "its function is the CDK's own, on Node",
}


@pytest.fixture(scope="module")
def client() -> Iterator[Callable[[str], Any]]:
    with Emulator() as emulator:
        yield lambda service: boto3.client(
            service,
            endpoint_url=emulator.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="module")
def templates() -> list[dict[str, Any]]:
    folder = synthesise(PROJECT / ".tickwire" / "assembly").folder
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.template.json"))]


@pytest.fixture(scope="module")
def left_out(templates: list[dict[str, Any]]) -> dict[str, str]:
    """Type → the reason that a run gives for it."""
    code = CodeLocation("bucket", "key")
    return {item.type: item.reason for template in templates for item in rewrite(template, code=code).left_out}


def is_refused(client: Callable[[str], Any], kind: str) -> bool:
    """Tell whether the emulator does not know a type, by a template of it alone."""
    template = json.dumps({"Resources": {"Alone": {"Type": kind}}})
    try:
        client("cloudformation").create_stack(StackName=kind.replace("::", "-"), TemplateBody=template)
    except ClientError as error:
        if "Unrecognized resource types" not in str(error):
            raise
        return True
    return False


def test_every_type_that_is_left_out_is_judged(left_out: dict[str, str]) -> None:
    unjudged = sorted(kind for kind, reason in left_out.items() if reason == UNJUDGED)
    assert unjudged == [], "add them to KEPT_TYPES or to LEFT_OUT in local/template_rewrite.py"
    assert set(left_out) == REFUSED | set(USELESS), "say in this file whether the emulator refuses it"


def test_the_lists_name_nothing_that_no_template_has(templates: list[dict[str, Any]], left_out: dict[str, str]) -> None:
    present = {resource["Type"] for template in templates for resource in template["Resources"].values()}
    assert sorted(KEPT_TYPES - present) == []
    # AWS::CDK::Metadata is written by the command line alone.
    unused = [prefix for prefix in LEFT_OUT if not any(kind.startswith(prefix) for kind in left_out)]
    assert set(unused) <= {"AWS::CDK::Metadata"}


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_a_refused_type_is_refused_still(client: Callable[[str], Any], kind: str) -> None:
    assert is_refused(client, kind), f"the emulator has learned {kind}: deploy it, or say why it is of no use"


@pytest.mark.parametrize("kind", sorted({*USELESS, *KEPT_TYPES} - {"Custom::Trigger"}))
def test_a_type_that_is_not_refused_is_known(client: Callable[[str], Any], kind: str) -> None:
    assert not is_refused(client, kind), f"the emulator has forgotten {kind}"


def test_there_is_no_server_behind_an_emulated_database(client: Callable[[str], Any]) -> None:
    made = client("rds").create_db_cluster(
        DBClusterIdentifier="alone", Engine="aurora-postgresql", MasterUsername="owner", MasterUserPassword="password1"
    )["DBCluster"]
    with pytest.raises(OSError, match=r"."), socket.create_connection((made["Endpoint"], made["Port"]), timeout=2):
        pass


def test_an_emulated_service_runs_no_task(client: Callable[[str], Any]) -> None:
    ecs = client("ecs")
    ecs.create_cluster(clusterName="alone")
    ecs.register_task_definition(
        family="alone", containerDefinitions=[{"name": "alone", "image": "python:3.13-slim", "essential": True}]
    )
    ecs.create_service(cluster="alone", serviceName="alone", taskDefinition="alone", desiredCount=1)
    running = []
    deadline = time.monotonic() + 2
    while not running and time.monotonic() < deadline:
        arns = ecs.list_tasks(cluster="alone")["taskArns"]
        tasks = ecs.describe_tasks(cluster="alone", tasks=arns)["tasks"] if arns else []
        running = [task for task in tasks if task["lastStatus"] == "RUNNING" and _is_reachable(task)]
    assert running == []


def _is_reachable(task: dict[str, Any]) -> bool:
    return any(container.get("runtimeId") for container in task["containers"])
