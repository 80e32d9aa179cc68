"""What the application is made of, and that it is the same each time it is made."""

import json
from pathlib import Path
from typing import Any

import pytest

from cdk.settings import settings_of

STATEFUL = {"Foundation", "Network", "Streams", "Data", "Identity", "Model", "Governance", "Replica"}
IMAGES = {"validator", "signals", "market", "lake_writer", "lake_committer", "store_writer"}
ZIPS = {
    "authorizer", "broadcaster", "canary", "dead_letters", "migrations", "operator_api", "rest_api", "websocket",
}  # fmt: skip


def test_stateful_stacks_are_apart_from_stateless_ones(prod: Any) -> None:
    assert set(prod.templates) >= STATEFUL
    for kind in ("Kinesis::Stream", "DynamoDB::Table", "RDS::DBCluster", "MemoryDB::Cluster", "Cognito::UserPool"):
        assert {item.stack for item in prod.resources(f"AWS::{kind}")} <= STATEFUL
    # The page's files are made anew by every deployment, and its access log ends up nowhere else.
    assert {item.stack for item in prod.resources("AWS::S3::Bucket")} >= {"Streams", "Data", "Delivery"}
    functions = {item.stack for item in prod.resources("AWS::Lambda::Function")}
    assert functions & {"Foundation", "Network", "Streams", "Data", "Identity"} == set()


def test_production_protects_its_data_and_development_does_not(prod: Any, dev: Any) -> None:
    def protected(application: Any) -> set[str]:
        manifest = json.loads((application.folder / "manifest.json").read_text())
        return {
            name.rpartition("-")[2]
            for name, artifact in manifest["artifacts"].items()
            if artifact["type"] == "aws:cloudformation:stack" and artifact["properties"].get("terminationProtection")
        }

    assert protected(prod) == STATEFUL
    assert protected(dev) == set()
    # The stages' counters are in the state store, and where an Iceberg table's metadata lies in Glue.
    kept = ("Kinesis::Stream", "SQS::Queue", "S3::Bucket", "DynamoDB::Table", "KMS::Key")
    for kind in (*kept, "MemoryDB::Cluster", "MemoryDB::SubnetGroup", "Glue::Database"):
        assert {item.whole["DeletionPolicy"] for item in prod.resources(f"AWS::{kind}")} == {"Retain"}
        assert {item.whole["DeletionPolicy"] for item in dev.resources(f"AWS::{kind}")} == {"Delete"}
    assert {item.whole["DeletionPolicy"] for item in prod.resources("AWS::RDS::DBCluster")} == {"Snapshot"}


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_a_function_with_heavy_packages_is_an_image_run_by_its_handler(prod: Any, name: str) -> None:
    properties = prod.function(name).properties
    assert properties["PackageType"] == "Image"
    assert properties["ImageConfig"]["Command"] == [f"lambdas.{name}.handler.handler"]
    assert properties["Architectures"] == ["arm64"]


def test_the_image_functions_share_one_image(prod: Any) -> None:
    images = {str(prod.function(name).properties["Code"]["ImageUri"]) for name in IMAGES}
    assert len(images) == 1


@pytest.mark.parametrize("name", sorted(ZIPS))
def test_a_small_function_is_a_zip_run_by_its_handler(prod: Any, name: str) -> None:
    properties = prod.function(name).properties
    assert properties["Handler"] == f"lambdas.{name}.handler.handler"
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]


def test_the_tables_have_the_keys_that_the_functions_use(prod: Any) -> None:
    keys = {
        tuple(f"{key['AttributeName']} {key['KeyType']}" for key in table.properties["KeySchema"]): table.properties
        for table in prod.resources("AWS::DynamoDB::Table")
    }
    assert set(keys) == {
        ("connection_id HASH",), ("topic HASH", "connection_id RANGE"), ("item HASH", "at RANGE"), ("id HASH",),
        ("log HASH", "counter RANGE"),
        ("ticket_hash HASH",),
    }  # fmt: skip
    assert {"AttributeName": "at", "AttributeType": "N"} in keys["item HASH", "at RANGE"]["AttributeDefinitions"]
    for key, table in keys.items():
        expires = "expires_at" if key == ("id HASH",) else "expires"
        assert table["TimeToLiveSpecification"] == {"AttributeName": expires, "Enabled": True}
        assert "GlobalSecondaryIndexes" not in table, "no function queries one"


def test_the_functions_of_the_screens_stay_outside_the_network(prod: Any) -> None:
    for name in ("authorizer", "broadcaster", "canary", "websocket"):
        assert "VpcConfig" not in prod.function(name).properties


@pytest.mark.parametrize(
    "name", ["validator", "signals", "market", "store_writer", "dead_letters", "migrations", "operator_api", "rest_api"]
)
def test_the_functions_of_the_stores_stand_inside_the_network(prod: Any, name: str) -> None:
    assert prod.function(name).properties["VpcConfig"]["SubnetIds"]


@pytest.mark.parametrize("name", ["store_writer", "dead_letters"])
def test_a_function_that_needs_the_schema_is_updated_after_the_migrations(prod: Any, name: str) -> None:
    (migrate,) = prod.resources("Custom::Trigger")
    assert migrate.name in prod.function(name).whole["DependsOn"]


@pytest.mark.parametrize(("stage", "zones"), [("dev", 2), ("prod", 3)])
def test_each_stage_spans_the_zones_of_its_settings(request: Any, stage: str, zones: int) -> None:
    subnets = request.getfixturevalue(stage).resources("AWS::EC2::Subnet")
    assert len({json.dumps(subnet.properties["AvailabilityZone"]) for subnet in subnets}) == zones
    assert len(subnets) == 2 * zones


def test_the_zones_can_be_named(synthesise: Any, tmp_path: Path) -> None:
    settings = settings_of("dev").changed(zones=("eu-west-1b", "eu-west-1c"))
    named = synthesise("dev", tmp_path / "named", settings)
    zones = {subnet.properties["AvailabilityZone"] for subnet in named.resources("AWS::EC2::Subnet")}
    assert zones == {"eu-west-1b", "eu-west-1c"}


def test_the_outputs_name_what_a_run_needs(prod: Any) -> None:
    outputs = {name for template in prod.templates.values() for name in template.get("Outputs", {})}
    assert {"CoordinationTable", "DeadLetterBucket", "DeadLetterReadingPolicy", "BackfillerService"} <= outputs


def test_every_resource_carries_the_stage(prod: Any) -> None:
    for stream in prod.resources("AWS::Kinesis::Stream"):
        assert {"Key": "stage", "Value": "prod"} in _as_list(stream.properties["Tags"])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
