"""What is left out of the templates for the emulator, each type tried there alone: no more than must be.

A type is left out because the emulator refuses it, and is told so here as soon as it has learned it; or for a
reason of the local run, which stands in ``local/template_rewrite.py``.
"""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from local.deploy import synthesise
from local.emulator import Emulator
from local.template_rewrite import KEPT_TYPES, LEFT_OUT, UNJUDGED, CodeLocation, rewrite

pytestmark = pytest.mark.services("cloudformation", "rds")

PROJECT = Path(__file__).parents[2]
# What the emulator's CloudFormation does not know: for one of them it refuses the whole template.
REFUSED = {
    "AWS::Athena::NamedQuery",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::EC2::FlowLog",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::Kinesis::StreamConsumer",
    "AWS::MemoryDB::ACL",
    "AWS::MemoryDB::Cluster",
    "AWS::MemoryDB::SubnetGroup",
    "AWS::MemoryDB::User",
    "AWS::SageMaker::ModelPackageGroup",
}
# Written by the CDK's command line alone, which no run uses.
BY_THE_COMMAND_LINE = {"AWS::CDK::Metadata"}


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
    """Type → the reason that a run gives for it, of what no part is deployed."""
    code = CodeLocation("bucket", "key")
    found = {item.type: item.reason for template in templates for item in rewrite(template, code=code).left_out}
    return {kind: reason for kind, reason in found.items() if kind not in KEPT_TYPES}


@pytest.fixture(scope="module")
def is_refused(client: Callable[[str], Any]) -> Callable[[str], bool]:
    """Tell whether the emulator does not know a type, by a template of it alone."""

    def ask(kind: str) -> bool:
        template = json.dumps({"Resources": {"Alone": {"Type": kind}}})
        try:
            client("cloudformation").create_stack(StackName=kind.replace("::", "-"), TemplateBody=template)
        except ClientError as error:
            if "Unrecognized resource types" not in str(error):
                raise
            return True
        return False

    return ask


def test_every_type_that_is_left_out_has_its_reason(left_out: dict[str, str]) -> None:
    unjudged = sorted(kind for kind, reason in left_out.items() if reason == UNJUDGED)
    assert unjudged == [], "add each to KEPT_TYPES or to LEFT_OUT in local/template_rewrite.py"


def test_the_lists_name_nothing_that_no_template_has(templates: list[dict[str, Any]], left_out: dict[str, str]) -> None:
    present = {resource["Type"] for template in templates for resource in template["Resources"].values()}
    assert sorted(KEPT_TYPES - present) == []
    assert sorted(REFUSED - set(left_out)) == []
    unused = {prefix for prefix in LEFT_OUT if not any(kind.startswith(prefix) for kind in left_out)}
    assert unused == BY_THE_COMMAND_LINE


def test_the_emulator_refuses_what_it_is_said_to_and_nothing_else(
    left_out: dict[str, str], is_refused: Callable[[str], bool]
) -> None:
    found = {kind for kind in {*left_out, *KEPT_TYPES} if is_refused(kind)}
    assert sorted(REFUSED - found) == [], "the emulator has learned these: deploy them, or give the run's own reason"
    assert sorted(found - REFUSED) == [], "the emulator does not know these: add them to REFUSED"


def test_the_emulator_has_no_alarms_over_metric_math(client: Callable[[str], Any]) -> None:
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "Metrics": [{"Id": "sum", "Expression": "1 + 1", "ReturnData": True}],
        },
    }
    cloudformation = client("cloudformation")
    cloudformation.create_stack(StackName="math", TemplateBody=json.dumps({"Resources": {"Alarm": alarm}}))
    with pytest.raises(WaiterError, match="ROLLBACK_COMPLETE"):
        cloudformation.get_waiter("stack_create_complete").wait(StackName="math", WaiterConfig={"Delay": 1})


def test_there_is_no_server_behind_an_emulated_database(client: Callable[[str], Any]) -> None:
    made = client("rds").create_db_cluster(
        DBClusterIdentifier="alone", Engine="aurora-postgresql", MasterUsername="owner", MasterUserPassword="password1"
    )["DBCluster"]
    assert not _answers(made["Endpoint"], made["Port"])


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True
