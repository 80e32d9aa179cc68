"""What docs/deploy.md names is there: outputs, stacks, settings, dashboards, files."""

import json
import re
from typing import Any

import pytest

from cdk.settings import settings_of
from cdk.source import PROJECT

PAGE = (PROJECT / "docs" / "deploy.md").read_text()
ARCHITECTURE = (PROJECT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize(("stack", "output"), sorted(set(re.findall(r"(?:\$\(|`)out (\w+) (\w+)[)`]", PAGE))))
def test_every_output_that_a_command_reads_is_there(stack: str, output: str, dev: Any) -> None:
    assert output in dev.templates[stack]["Outputs"]


def test_every_stack_has_its_place_in_the_order_and_in_the_architecture(prod: Any) -> None:
    order = PAGE.partition("| stack | after |")[2].partition("\n\n")[0]
    table = ARCHITECTURE.partition("| stack |")[2].partition("\n\n")[0]
    for stack in prod.templates:
        assert f"`{stack}`" in order, f"{stack} is not in the order of docs/deploy.md"
        assert f"`{stack}`" in table, f"{stack} is not in the stacks of docs/architecture.md"


def test_the_order_of_the_stacks_is_that_of_their_dependencies(prod: Any) -> None:
    order = PAGE.partition("| stack | after |")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`(\w+)`", line.split("|")[1])) for line in order.splitlines() if line.count("|") == 5]
    place = {stack: number for number, row in enumerate(rows) for stack in row}
    artifacts = json.loads((prod.folder / "manifest.json").read_text())["artifacts"]
    for name, artifact in artifacts.items():
        for needed in artifact.get("dependencies", ()):
            stack, before = (one.rpartition("-")[2] for one in (name, needed))
            if {stack, before} <= place.keys():
                assert place[before] < place[stack], f"{stack} needs {before}"


def test_every_setting_in_an_example_is_one(tmp_path: Any) -> None:
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
        file = tmp_path / "settings.toml"
        head = "" if block.startswith("[") else '[prod]\nregion = "eu-west-1"\nalarms.addresses = ["a@b.cd"]\n'
        file.write_text(head + block)
        settings_of("prod", file=file)


def test_every_dashboard_that_is_named_is_made(dev: Any) -> None:
    named = re.search(r"dashboards are named (.*?)\n", PAGE)
    assert named is not None
    made = {one.properties["DashboardName"] for one in dev.resources("AWS::CloudWatch::Dashboard")}
    for suffix in re.findall(r"-(\w+)`", named[1]):
        assert f"tickwire-dev-{suffix}" in made


def test_every_file_that_is_linked_is_there() -> None:
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)#]+)", PAGE + ARCHITECTURE):
        if not target.startswith("http"):
            assert (PROJECT / "docs" / target).exists(), f"{text}: {target}"


def test_what_stays_when_a_protected_stage_goes_is_listed(prod: Any) -> None:
    """By the service of each type that is retained, which the table names in words or by its command."""
    listed = PAGE.partition("| stays | remove it by |")[2].partition("\n\n")[0].lower()
    words = {
        "DynamoDB": "dynamodb",
        "KMS": "kms",
        "Kinesis": "kinesis",
        "Logs": "log groups",
        "MemoryDB": "memorydb",
        "RDS": "aurora",
        "S3": "buckets",
        "SQS": "sqs",
        "Glue": "glue",
        "SageMaker": "package group",
        "Cognito": "user pool",
        "Backup": "vault",
    }
    kinds = {
        resource["Type"]
        for template in prod.templates.values()
        for resource in template["Resources"].values()
        if resource.get("DeletionPolicy") in ("Retain", "Snapshot")
    }
    # The account's setting for API Gateway's logs is told of with `dev`, and a custom resource is its own service's.
    for kind in kinds - {"AWS::ApiGateway::Account", "AWS::IAM::Role"}:
        if kind.startswith("AWS::"):
            service = kind.split("::")[1]
            assert words[service] in listed, f"{kind} stays, and docs/deploy.md does not say how to remove it"
