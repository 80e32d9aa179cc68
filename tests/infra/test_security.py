"""What is particular to some resources. What holds in every stack is in rules.py, who may do what in privileges.py."""

import json
from typing import Any

import pytest


def test_every_table_is_encrypted_and_can_be_restored_to_any_second(prod: Any) -> None:
    tables = prod.resources("AWS::DynamoDB::Table")
    assert tables
    for table in tables:
        assert table.properties["SSESpecification"]["SSEType"] == "KMS"
        assert table.properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_the_database_and_the_state_store_are_encrypted_at_rest_and_in_transit(prod: Any) -> None:
    (cluster,) = prod.resources("AWS::RDS::DBCluster")
    assert cluster.properties["StorageEncrypted"] is True
    assert "KmsKeyId" in cluster.properties
    assert cluster.properties["EnableIAMDatabaseAuthentication"] is True
    (parameters,) = prod.resources("AWS::RDS::DBClusterParameterGroup")
    assert parameters.properties["Parameters"]["rds.force_ssl"] == "1"
    (state,) = prod.resources("AWS::MemoryDB::Cluster")
    assert state.properties["TLSEnabled"] is True
    assert "KmsKeyId" in state.properties


def test_the_stores_stand_in_subnets_without_a_way_out(prod: Any) -> None:
    assert prod.resources("AWS::EC2::NatGateway") == []
    (cluster,) = prod.resources("AWS::RDS::DBSubnetGroup")
    isolated = {
        subnet.name
        for subnet in prod.resources("AWS::EC2::Subnet")
        if subnet.properties["MapPublicIpOnLaunch"] is False
    }
    named = [value["Fn::ImportValue"] for value in cluster.properties["SubnetIds"]]
    assert all(any(name in export for name in isolated) for export in named)


def test_bodies_of_dead_letters_are_added_by_who_meets_them_and_read_by_operators_alone(prod: Any) -> None:
    (bucket,) = [item for item in prod.resources("AWS::S3::Bucket") if item.name.startswith("DeadLetters")]
    (policy,) = [item for item in prod.resources("AWS::IAM::ManagedPolicy") if item.stack == "Streams"]
    granted = {
        action
        for statement in policy.properties["PolicyDocument"]["Statement"]
        for action in _as_list(statement["Action"])
    }
    assert granted == {"s3:GetObject", "kms:Decrypt"}
    reached = {
        (where.partition("/")[0], action)
        for where, statement in prod.statements()
        if bucket.name in json.dumps(statement["Resource"])
        for action in _as_list(statement["Action"])
    }
    assert reached == {("Processing", "s3:PutObject"), ("Ingestion", "s3:PutObject"), ("Delivery", "s3:GetObject")}
    # A row of the database names an object for as long as it lives.
    (rule,) = bucket.properties["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


@pytest.mark.parametrize(
    "variables",
    [
        lambda app: app.task_variables("ingestor-kraken"),
        lambda app: app.task_variables("backfiller"),
        lambda app: app.variables(app.function("validator")),
        lambda app: app.variables(app.function("dead_letters")),
    ],
)
def test_whoever_meets_dead_letters_knows_their_bucket(prod: Any, variables: Any) -> None:
    assert "DeadLetters" in json.dumps(variables(prod)["TICKWIRE_DEAD_LETTER_BUCKET"])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
