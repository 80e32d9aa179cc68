"""What watches the account."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cdk.settings import settings_of


def one(application: Any, kind: str) -> dict[str, Any]:
    """Give the properties of the one resource of a type."""
    (found,) = application.resources(kind)
    return dict(found.properties)


def bucket(application: Any, name: str) -> dict[str, Any]:
    (found,) = [b for b in application.resources("AWS::S3::Bucket") if b.name.startswith(name)]
    return dict(found.properties)


def test_the_trail_covers_all_regions_and_shows_whether_its_files_were_changed(prod: Any) -> None:
    trail = one(prod, "AWS::CloudTrail::Trail")
    assert trail["IsMultiRegionTrail"] is True
    assert trail["IncludeGlobalServiceEvents"] is True
    assert trail["EnableLogFileValidation"] is True
    assert trail["IsLogging"] is True
    assert "Fn::GetAtt" in trail["KMSKeyId"]
    (selector,) = trail["EventSelectors"]
    assert selector["ReadWriteType"] == "All"
    assert selector["IncludeManagementEvents"] is True
    watched = json.dumps(selector["DataResources"])
    assert all(name in watched for name in ("Lake", "DeadLetters", "Failures"))
    # What is delivered to the audit's bucket would be recorded there, and so delivered there.
    assert "Audit" not in watched


def test_nobody_deletes_or_overwrites_an_audit_record_in_its_year(prod: Any, dev: Any) -> None:
    lock = bucket(prod, "Audit")["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 365}
    assert "ObjectLockConfiguration" not in bucket(dev, "Audit")
    # AWS Config delivers to no bucket with such a lock.
    assert "ObjectLockConfiguration" not in bucket(prod, "ConfigurationHistory")


def test_a_stage_that_can_be_deleted_may_not_lock_its_records() -> None:
    with pytest.raises(ValidationError, match="has no locked audit records"):
        settings_of("dev").changed(governance={"audit_days": 30, "audit_lock": "compliance"})


def test_every_promise_of_the_templates_has_a_rule_of_config(prod: Any) -> None:
    rules = {
        rule.properties["Source"]["SourceIdentifier"]: rule.properties
        for rule in prod.resources("AWS::Config::ConfigRule")
    }
    assert set(rules) == {
        "CMK_BACKING_KEY_ROTATION_ENABLED",
        "DYNAMODB_PITR_ENABLED",
        "KINESIS_STREAM_ENCRYPTED",
        "RDS_CLUSTER_DELETION_PROTECTION_ENABLED",
        "RDS_CLUSTER_IAM_AUTHENTICATION_ENABLED",
        "RDS_INSTANCE_PUBLIC_ACCESS_CHECK",
        "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED",
        "S3_BUCKET_SSL_REQUESTS_ONLY",
        "S3_BUCKET_VERSIONING_ENABLED",
        "S3_DEFAULT_ENCRYPTION_KMS",
    }
    # Rules that run by the clock take no scope.
    unscoped = {name for name, rule in rules.items() if "Scope" not in rule}
    assert unscoped == {"CMK_BACKING_KEY_ROTATION_ENABLED", "DYNAMODB_PITR_ENABLED"}


def test_the_recorder_and_its_channel_do_not_wait_for_each_other(prod: Any) -> None:
    """CloudFormation holds a recorder for made once it records, and it records once there is a channel."""
    (recorder,) = prod.resources("AWS::Config::ConfigurationRecorder")
    (channel,) = prod.resources("AWS::Config::DeliveryChannel")
    assert channel.name not in recorder.whole.get("DependsOn", [])
    assert recorder.name not in channel.whole.get("DependsOn", [])


def test_every_day_all_stores_are_backed_up_to_where_nobody_can_delete_them(prod: Any, dev: Any) -> None:
    vaults = {vault.stack: vault.properties for vault in prod.resources("AWS::Backup::BackupVault")}
    assert set(vaults) == {"Governance", "Replica"}
    for vault in vaults.values():
        assert vault["LockConfiguration"] == {"MinRetentionDays": 7, "ChangeableForDays": 3}
    (rule,) = one(prod, "AWS::Backup::BackupPlan")["BackupPlan"]["BackupPlanRule"]
    assert rule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert rule["Lifecycle"]["DeleteAfterDays"] == 35
    assert "backup:eu-central-1" in json.dumps(rule["CopyActions"])
    covered = json.dumps(one(prod, "AWS::Backup::BackupSelection")["BackupSelection"]["Resources"])
    for store in ("DatabaseCluster", "Connections", "Subscriptions", "LastValues", "Coordination", "Lake"):
        assert store in covered
    assert "LockConfiguration" not in one(dev, "AWS::Backup::BackupVault")


def test_findings_are_told_where_alarms_are_told(prod: Any, dev: Any) -> None:
    sources = {
        source: rule.properties
        for rule in prod.resources("AWS::Events::Rule")
        if rule.stack == "Governance"
        for source in rule.properties["EventPattern"]["source"]
    }
    assert set(sources) == {"aws.config", "aws.guardduty", "aws.backup"}
    for rule in sources.values():
        (target,) = rule["Targets"]
        assert "AlarmTopicsAlarms" in json.dumps(target["Arn"])
        assert "RoleArn" not in target
    # EventBridge names no account to KMS, so a condition on it would keep every finding from the topic.
    (key,) = [
        key
        for key in prod.resources("AWS::KMS::Key")
        if key.stack == "Foundation" and key.name.startswith("AlarmTopics")
    ]
    assert any(
        statement.get("Condition") is None and statement["Principal"] == {"Service": "events.amazonaws.com"}
        for statement in key.properties["KeyPolicy"]["Statement"]
    )
    assert dev.resources("AWS::GuardDuty::Detector") == []
    assert "aws.guardduty" not in json.dumps([rule.properties for rule in dev.resources("AWS::Events::Rule")])


def test_what_an_account_has_already_can_be_left_out(synthesise: Callable[..., Any], tmp_path: Path) -> None:
    settings = settings_of("dev")
    off = {"trail": False, "config": False, "threats": False, "backups": False, "budget": 200}
    changed = settings.changed(governance={**settings.governance.model_dump(), **off})
    application = synthesise("dev", tmp_path, changed)
    for kind in ("CloudTrail::Trail", "Config::ConfigRule", "GuardDuty::Detector", "Backup::BackupPlan"):
        assert application.resources(f"AWS::{kind}") == []
    budget = one(application, "AWS::Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 200, "Unit": "USD"}
    notifications = [item["Notification"] for item in budget["NotificationsWithSubscribers"]]
    assert [(n["NotificationType"], n["Threshold"]) for n in notifications] == [("ACTUAL", 80), ("FORECASTED", 100)]
    # The bucket stays: an application's own records go there too.
    assert bucket(application, "Audit")
