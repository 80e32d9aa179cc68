"""The database, the state store and the lake: what keeps them up, closed, watched and recoverable."""

import json
from typing import Any

from cdk.constructs.database_alarms import max_connections
from cdk.constructs.state_store import ACCESS
from cdk.settings import settings_of


def one(application: Any, kind: str) -> dict[str, Any]:
    """Give the properties of the one resource of a type."""
    (found,) = application.resources(kind)
    return dict(found.properties)


def test_the_writer_and_its_reader_stand_in_different_zones(prod: Any) -> None:
    zones = [
        json.dumps(item.properties["AvailabilityZone"], sort_keys=True)
        for item in prod.resources("AWS::RDS::DBInstance")
    ]
    assert len(zones) == 2
    assert len(set(zones)) == 2
    assert {item.properties["PromotionTier"] for item in prod.resources("AWS::RDS::DBInstance")} == {0, 1}


def test_the_database_is_logged_in_to_by_iam_over_tls_alone(prod: Any) -> None:
    cluster = one(prod, "AWS::RDS::DBCluster")
    assert cluster["EnableIAMDatabaseAuthentication"] is True
    assert one(prod, "AWS::RDS::DBClusterParameterGroup")["Parameters"]["rds.force_ssl"] == "1"


def test_the_owners_password_is_changed_by_rds_and_under_our_key(prod: Any) -> None:
    cluster = one(prod, "AWS::RDS::DBCluster")
    assert cluster["ManageMasterUserPassword"] is True
    assert "Fn::GetAtt" in cluster["MasterUserSecret"]["KmsKeyId"]
    assert "MasterUserPassword" not in cluster
    assert prod.resources("AWS::SecretsManager::Secret") == []
    secret = prod.variables(prod.function("migrations"))["TICKWIRE_DATABASE_SECRET"]
    assert "MasterUserSecret" in json.dumps(secret)


def test_the_database_can_be_restored_to_any_second_of_five_weeks(prod: Any) -> None:
    cluster = one(prod, "AWS::RDS::DBCluster")
    assert cluster["BackupRetentionPeriod"] == 35
    assert cluster["DeletionProtection"] is True
    assert cluster["CopyTagsToSnapshot"] is True


def test_what_the_database_does_can_be_seen(prod: Any) -> None:
    cluster = one(prod, "AWS::RDS::DBCluster")
    assert cluster["PerformanceInsightsEnabled"] is True
    assert cluster["MonitoringInterval"] == 60
    for item in (cluster, *(i.properties for i in prod.resources("AWS::RDS::DBInstance"))):
        assert "Fn::GetAtt" in item.get("PerformanceInsightsKmsKeyId", item.get("PerformanceInsightsKMSKeyId"))
    names = {group.properties.get("LogGroupName") for group in prod.resources("AWS::Logs::LogGroup")}
    identifier = cluster["DBClusterIdentifier"]
    assert cluster["EnableCloudwatchLogsExports"] == ["postgresql"]
    # RDS makes these groups itself where they are not there, for ever and without a key of ours.
    assert {f"/aws/rds/cluster/{identifier}/postgresql", f"/aws/rds/proxy/{identifier}"} <= names


def test_the_alarm_on_connections_knows_auroras_own_limit() -> None:
    """By hand, from "Maximum connections for Aurora Serverless v2": 4 units are 8 GiB / 9,531,392 bytes = 901."""
    dev, prod = settings_of("dev").database, settings_of("prod").database
    assert max_connections(dev) == 901
    assert max_connections(prod) == 5_000
    assert max_connections(dev.model_copy(update={"max_capacity": 16})) == 2_000


def test_the_proxy_takes_tls_and_iam_and_keeps_no_secret(prod: Any, dev: Any) -> None:
    proxy = one(prod, "AWS::RDS::DBProxy")
    assert proxy["RequireTLS"] is True
    assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
    assert not proxy.get("Auth")
    assert dev.resources("AWS::RDS::DBProxy") == []


def test_no_rule_of_a_security_group_is_there_twice(prod: Any) -> None:
    """EC2 refuses the second of two that say the same, whatever their descriptions."""
    rules = [
        json.dumps({name: value for name, value in rule.properties.items() if name != "Description"}, sort_keys=True)
        for kind in ("SecurityGroupIngress", "SecurityGroupEgress")
        for rule in prod.resources(f"AWS::EC2::{kind}")
    ]
    rules = [rule.replace('{"Fn::GetAtt": ["DatabaseCluster5B53A178", "Endpoint.Port"]}', "5432") for rule in rules]
    assert len(rules) == len(set(rules))


def test_the_state_store_knows_our_users_alone(prod: Any) -> None:
    users = {user.properties["UserName"]: user.properties for user in prod.resources("AWS::MemoryDB::User")}
    assert set(users) == {f"tickwire-prod-{kind}" for kind in ACCESS}
    assert {user["AuthenticationMode"]["Type"] for user in users.values()} == {"iam"}
    assert all("+@all" not in user["AccessString"] for user in users.values())
    access = one(prod, "AWS::MemoryDB::ACL")
    assert len(access["UserNames"]) == len(users)
    cluster = one(prod, "AWS::MemoryDB::Cluster")
    assert cluster["ACLName"] == {"Ref": prod.resources("AWS::MemoryDB::ACL")[0].name}
    assert cluster["NumReplicasPerShard"] >= 1
    assert cluster["SnapshotRetentionLimit"] == 35


def test_each_programme_logs_in_to_the_state_store_as_its_own_user(prod: Any) -> None:
    addresses = {
        "validator": prod.variables(prod.function("validator")),
        "signals": prod.variables(prod.function("signals")),
        "market": prod.variables(prod.function("market")),
        "backfiller": prod.task_variables("backfiller"),
    }
    users = {
        name: json.dumps(variables["TICKWIRE_STATE_URL"]).partition("valkeys://")[2].partition("@")[0]
        for name, variables in addresses.items()
    }
    assert users == {
        "validator": "tickwire-prod-stages",
        "signals": "tickwire-prod-signals",
        "market": "tickwire-prod-stages",
        "backfiller": "tickwire-prod-readers",
    }
    assert "//tickwire-prod-fillers@" in json.dumps(addresses["backfiller"]["TICKWIRE_MINUTES_URL"])
    granted = {
        (where.partition("/")[0], json.dumps(resource).rpartition("user/")[2].strip('"]}'))
        for where, statement in prod.statements()
        if statement["Action"] == "memorydb:Connect"
        for resource in statement["Resource"]
        if "user/" in json.dumps(resource)
    }
    assert granted == {
        ("Processing", "tickwire-prod-stages"),
        ("Processing", "tickwire-prod-signals"),
        ("Ingestion", "tickwire-prod-readers"),
        ("Ingestion", "tickwire-prod-fillers"),
    }


def _lake(application: Any, stack: str) -> dict[str, Any]:
    (found,) = [
        bucket.properties
        for bucket in application.resources("AWS::S3::Bucket")
        if bucket.stack == stack and bucket.name.startswith("Lake")
    ]
    return dict(found)


def test_the_lakes_data_files_alone_move_to_a_cheaper_class_and_none_to_an_archive(prod: Any) -> None:
    rules = _lake(prod, "Data")["LifecycleConfiguration"]["Rules"]
    moved = [(rule["Prefix"], t["StorageClass"]) for rule in rules for t in rule.get("Transitions", ())]
    assert moved == [("trades/data/", "INTELLIGENT_TIERING")]
    assert "IntelligentTieringConfigurations" not in _lake(prod, "Data"), "an archive tier makes readers wait for hours"
    assert all("ExpirationInDays" not in rule for rule in rules)


def test_the_lake_is_copied_to_the_other_region_under_its_own_key(prod: Any, dev: Any) -> None:
    (rule,) = _lake(prod, "Data")["ReplicationConfiguration"]["Rules"]
    destination = rule["Destination"]
    assert "kms:eu-central-1:" in json.dumps(destination["EncryptionConfiguration"]["ReplicaKmsKeyID"])
    assert destination["ReplicationTime"]["Time"]["Minutes"] == 15
    assert rule["SourceSelectionCriteria"]["SseKmsEncryptedObjects"]["Status"] == "Enabled"
    copy = _lake(prod, "Replica")
    assert json.dumps(copy["BucketName"]).replace(", ", "") in json.dumps(destination["Bucket"]).replace(
        "arn:aws:s3:::", ""
    ).replace(", ", "")
    # Who deletes every version of one has not deleted those of the other.
    assert copy["VersioningConfiguration"] == {"Status": "Enabled"}
    manifest = json.loads((prod.folder / "manifest.json").read_text())["artifacts"]
    assert manifest["Tickwire-prod-Replica"]["environment"].endswith("/eu-central-1")
    assert "Tickwire-prod-Replica" in manifest["Tickwire-prod-Data"]["dependencies"]
    assert "ReplicationConfiguration" not in _lake(dev, "Data")
