"""Least privilege, encryption and closed networks, over every stack."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

# Actions whose resource has no name when the permission is checked, hence "*", and why.
UNSCOPED = {
    "ec2:AssignPrivateIpAddresses": "Lambda checks it for network interfaces that it is about to make",
    "ec2:CreateNetworkInterface": "as above",
    "ec2:DeleteNetworkInterface": "as above",
    "ec2:DescribeNetworkInterfaces": "EC2's Describe actions know no resources",
    "ec2:DescribeSubnets": "EC2's Describe actions know no resources",
    "ec2:UnassignPrivateIpAddresses": "Lambda checks it for network interfaces that it is about to make",
    "ecr:GetAuthorizationToken": "a token is for the registry, which has no ARN",
    "xray:PutTelemetryRecords": "X-Ray's segments have no ARN",
    "xray:PutTraceSegments": "X-Ray's segments have no ARN",
}
# Families of actions under one name's beginning, that the CDK's grants use and AWS defines so.
WILDCARD_ACTIONS = {
    "kms:GenerateDataKey*": "with and without the plain text",
    "kms:ReEncrypt*": "from and to",
    "s3:Abort*": "AbortMultipartUpload",
    "s3:DeleteObject*": "the committer expires files; versions too",
    "s3:GetBucket*": "location and versioning of the lake",
    "s3:GetObject*": "objects and their versions",
    "s3:List*": "the lake's keys",
}


def test_no_policy_reaches_every_resource_without_a_reason(prod: Any) -> None:
    unexplained = [
        (where, action)
        for where, statement in prod.statements()
        if "*" in _as_list(statement["Resource"])
        for action in _as_list(statement["Action"])
        if action not in UNSCOPED
    ]
    assert unexplained == []


def test_no_policy_allows_a_wildcard_of_actions_without_a_reason(prod: Any) -> None:
    unexplained = [
        (where, action)
        for where, statement in prod.statements()
        for action in _as_list(statement["Action"])
        if "*" in action and action not in WILDCARD_ACTIONS
    ]
    assert unexplained == []


def test_no_role_takes_a_managed_policy_without_a_reason(prod: Any) -> None:
    managed = {
        json.dumps(role.properties["ManagedPolicyArns"]).rpartition("/")[2].strip('"]}')
        for role in prod.resources("AWS::IAM::Role")
        if role.properties.get("ManagedPolicyArns") and "CustomResourceProvider" not in role.name
    }
    # API Gateway checks its role against this very policy.
    assert managed == {"AmazonAPIGatewayPushToCloudWatchLogs"}


@pytest.mark.parametrize(
    ("name", "forbidden"),
    [
        ("validator", {"s3:GetObject*", "sqs:ReceiveMessage", "dynamodb:PutItem", "rds-db:connect"}),
        ("signals", {"s3:GetObject*", "sqs:SendMessage", "dynamodb:PutItem", "rds-db:connect"}),
        ("lake_writer", {"s3:GetObject*", "s3:DeleteObject*", "glue:UpdateTable", "kinesis:PutRecords"}),
        ("lake_committer", {"kinesis:GetRecords", "sqs:SendMessage", "rds-db:connect"}),
        ("store_writer", {"s3:GetObject*", "kinesis:PutRecords", "secretsmanager:GetSecretValue"}),
        ("dead_letters", {"kinesis:GetRecords", "secretsmanager:GetSecretValue", "s3:GetObject"}),
        ("websocket", {"kinesis:GetRecords", "rds-db:connect", "s3:PutObject"}),
        ("broadcaster", {"kinesis:PutRecords", "rds-db:connect", "sqs:SendMessage"}),
        ("migrations", {"kinesis:GetRecords", "s3:PutObject", "rds-db:connect"}),
    ],
)
def test_a_function_may_not_do_what_is_another_functions_work(prod: Any, name: str, forbidden: set[str]) -> None:
    assert prod.actions_of(name) & forbidden == set()


def test_every_stream_and_queue_has_a_key_of_ours(prod: Any) -> None:
    for stream in prod.resources("AWS::Kinesis::Stream"):
        assert stream.properties["StreamEncryption"]["EncryptionType"] == "KMS"
        assert "Fn::GetAtt" in stream.properties["StreamEncryption"]["KeyId"]
    for queue in prod.resources("AWS::SQS::Queue"):
        assert "Fn::GetAtt" in queue.properties["KmsMasterKeyId"]


def test_every_bucket_is_encrypted_private_and_versioned(prod: Any) -> None:
    buckets = prod.resources("AWS::S3::Bucket")
    assert len(buckets) == 3
    for bucket in buckets:
        (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert rule["BucketKeyEnabled"] is True
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket.properties["VersioningConfiguration"] == {"Status": "Enabled"}


def test_every_table_is_encrypted_and_can_be_restored_to_any_second(prod: Any) -> None:
    tables = prod.resources("AWS::DynamoDB::Table")
    assert len(tables) == 4
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


def test_every_log_group_is_encrypted_and_forgets(prod: Any) -> None:
    groups = prod.resources("AWS::Logs::LogGroup")
    assert groups
    for group in groups:
        assert "KmsKeyId" in group.properties
        assert group.properties["RetentionInDays"] == 90


def test_every_key_is_rotated(prod: Any) -> None:
    assert all(key.properties["EnableKeyRotation"] is True for key in prod.resources("AWS::KMS::Key"))


def test_queues_and_buckets_refuse_plain_http(prod: Any) -> None:
    def denies_plain_http(policy: dict[str, Any]) -> bool:
        return any(
            statement["Effect"] == "Deny"
            and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"
            for statement in policy["PolicyDocument"]["Statement"]
        )

    for kind, owner in (("AWS::SQS::Queue", "AWS::SQS::QueuePolicy"), ("AWS::S3::Bucket", "AWS::S3::BucketPolicy")):
        policies = prod.resources(owner)
        assert len(policies) == len(prod.resources(kind))
        assert all(denies_plain_http(policy.properties) for policy in policies)


def _ingress(templates: Any) -> Iterator[dict[str, Any]]:
    for group in templates.resources("AWS::EC2::SecurityGroup"):
        yield from group.properties.get("SecurityGroupIngress", [])
    for rule in templates.resources("AWS::EC2::SecurityGroupIngress"):
        yield rule.properties


def test_nothing_can_be_reached_from_the_internet(prod: Any) -> None:
    rules = list(_ingress(prod))
    assert rules
    assert all(rule.get("CidrIp") != "0.0.0.0/0" and "CidrIpv6" not in rule for rule in rules)


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


@pytest.mark.parametrize("name", ["ingestor", "backfiller"])
def test_a_task_runs_without_secrets_on_a_read_only_disk(prod: Any, name: str) -> None:
    container = prod.container(name)
    assert "Secrets" not in container
    assert container["ReadonlyRootFilesystem"] is True
    assert prod.task(name).properties["RuntimePlatform"]["CpuArchitecture"] == "ARM64"


_TASK_ACTIONS = {
    "dynamodb:GetItem",
    "dynamodb:UpdateItem",
    "kinesis:ListShards",
    "kinesis:PutRecord",
    "kinesis:PutRecords",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
    "s3:PutObject",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:SendMessage",
}


def test_the_ingestor_may_only_write_trades_report_frames_and_share_feeds(prod: Any) -> None:
    assert prod.actions_of_task("ingestor") == _TASK_ACTIONS


def test_the_backfiller_may_read_the_lake_and_log_in_beside_that(prod: Any) -> None:
    assert prod.actions_of_task("backfiller") == _TASK_ACTIONS | {"glue:GetTable", "rds-db:connect", "s3:GetObject"}


def test_the_backfiller_logs_in_as_a_role_of_its_own_and_the_functions_do_not(prod: Any) -> None:
    users = {
        (where.partition("/")[0], json.dumps(statement["Resource"]).rpartition("/")[2].strip('"]}'))
        for where, statement in prod.statements()
        if "rds-db:connect" in _as_list(statement["Action"])
    }
    assert users == {("Processing", "tickwire_writer"), ("Ingestion", "tickwire_backfiller")}
    assert "tickwire_backfiller@" in json.dumps(prod.task_variables("backfiller")["TICKWIRE_DATABASE_URL"])


def test_a_task_reaches_the_exchanges_aws_and_the_stores_that_it_uses(prod: Any) -> None:
    groups = {
        name: prod.service(name).properties["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"]
        for name in ("ingestor", "backfiller")
    }

    def inline(name: str) -> set[int]:
        (group,) = [
            item
            for item in prod.resources("AWS::EC2::SecurityGroup")
            if {"Fn::GetAtt": [item.name, "GroupId"]} in groups[name]
        ]
        assert "SecurityGroupIngress" not in group.properties
        rules = group.properties["SecurityGroupEgress"]
        assert {rule["CidrIp"] for rule in rules} == {"0.0.0.0/0"}
        assert all(rule["FromPort"] == rule["ToPort"] for rule in rules)
        return {rule["FromPort"] for rule in rules}

    def between(kind: str, ours: str) -> set[tuple[int, str]]:
        return {
            (rule.properties["ToPort"], json.dumps(rule.properties[theirs]))
            for rule in prod.resources(f"AWS::EC2::SecurityGroup{kind}")
            if [rule.properties.get(ours)] == groups["backfiller"]
            for theirs in ("GroupId", "DestinationSecurityGroupId")
            if theirs in rule.properties and theirs != ours
        }

    assert inline("ingestor") == {443, 9443}
    assert inline("backfiller") == {443}
    way_out = between("Egress", "GroupId")
    assert {port for port, _ in way_out} == {5432, 6379}
    assert way_out == between("Ingress", "SourceSecurityGroupId")


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
    assert reached == {("Processing", "s3:PutObject"), ("Ingestion", "s3:PutObject")}
    # A row of the database names an object for as long as it lives.
    (rule,) = bucket.properties["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


@pytest.mark.parametrize(
    "variables",
    [
        lambda app: app.task_variables("ingestor"),
        lambda app: app.task_variables("backfiller"),
        lambda app: app.variables(app.function("validator")),
        lambda app: app.variables(app.function("dead_letters")),
    ],
)
def test_whoever_meets_dead_letters_knows_their_bucket(prod: Any, variables: Any) -> None:
    assert "DeadLetters" in json.dumps(variables(prod)["TICKWIRE_DEAD_LETTER_BUCKET"])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
