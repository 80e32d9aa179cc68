"""The lake's upkeep and its readers, as the templates have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from cdk.settings import InvalidSettings, settings_of
from tests.infra.conftest import Application, as_list
from tickwire.analytics.named_queries import named_queries

# SQS keeps a message for 14 days at most (Amazon SQS developer guide, "Message retention period").
QUEUE_DAYS = 14


def statements(policy: Any) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: statement for statement in policy.properties["PolicyDocument"]["Statement"]}


def test_the_upkeep_is_called_by_the_hour_and_does_one_of_its_tasks(prod: Application) -> None:
    (function,) = [f for f in prod.resources("AWS::Lambda::Function") if f.stack == "Analytics"]
    calls = {}
    for schedule in prod.resources("AWS::Scheduler::Schedule"):
        target = schedule.properties["Target"]
        if target["Arn"] == {"Fn::GetAtt": [function.name, "Arn"]}:
            assert schedule.properties["ScheduleExpressionTimezone"] == "UTC"
            calls[json.loads(target["Input"])["task"]] = schedule.properties["ScheduleExpression"]
    assert calls == {"compact": "cron(10 * * * ? *)", "sweep": "cron(40 6 * * ? *)"}


def test_the_upkeep_cannot_change_the_table(prod: Application) -> None:
    """It may delete and add data, and neither update the catalogue nor write metadata."""
    actions = prod.actions_of("lake_maintenance")
    assert {action for action in actions if action.startswith("glue:")} == {"glue:GetTable"}
    function = prod.function("lake_maintenance")
    written = [
        json.dumps(statement["Resource"])
        for where, statement in prod.statements()
        if where.startswith("Analytics/MaintenanceUpkeep") and "s3:PutObject" in as_list(statement["Action"])
    ]
    assert function.stack == "Analytics"
    assert written
    assert not any("/metadata/" in resource or '"/*"' in resource or "/trades/*" in resource for resource in written)


def test_no_file_can_be_an_orphan_while_its_announcement_may_be_waiting(prod: Application) -> None:
    days = int(prod.variables(prod.function("lake_maintenance"))["TICKWIRE_ORPHAN_DAYS"])
    fifo = [queue for queue in prod.resources("AWS::SQS::Queue") if queue.properties.get("FifoQueue")]
    assert all(queue.properties["MessageRetentionPeriod"] <= QUEUE_DAYS * 86_400 for queue in fifo)
    assert days > QUEUE_DAYS


def test_what_failed_three_times_is_kept_and_told(prod: Application) -> None:
    assert "Failed" in json.dumps(prod.function("lake_maintenance").properties["DeadLetterConfig"])


def test_a_query_cannot_leave_the_workgroups_settings(prod: Application) -> None:
    (workgroup,) = prod.resources("AWS::Athena::WorkGroup")
    configuration = workgroup.properties["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert configuration["BytesScannedCutoffPerQuery"] == 100 * 10**9
    assert configuration["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


def test_every_named_query_is_in_the_console_ready_to_run(prod: Application) -> None:
    stored = {query.properties["Name"]: query.properties for query in prod.resources("AWS::Athena::NamedQuery")}
    assert set(stored) == set(named_queries())
    for name, properties in stored.items():
        assert properties["QueryString"] == named_queries()[name].sql()
        assert properties["Database"] == "tickwire_prod"
        assert len(properties["QueryString"]) <= 262_144
        assert len(properties["Description"]) <= 1_024


def test_an_analyst_reads_the_lake_by_athena_alone(prod: Application) -> None:
    (policy,) = [p for p in prod.resources("AWS::IAM::ManagedPolicy") if p.stack == "Analytics"]
    allowed = statements(policy)
    by_athena = {"ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}}
    for sid, statement in allowed.items():
        if "Lake5F1B88EA" in json.dumps(statement["Resource"]):
            assert statement["Condition"] == by_athena, sid
    for statement in allowed.values():
        assert not any(
            word in action
            for action in as_list(statement["Action"])
            for word in ("Delete", "Create", "Update", "glue:Batch", "Tag")
        )
    assert allowed["LakesKeyByAthena"]["Condition"] == by_athena
    assert "kms:EncryptionContext:aws:s3:arn" in json.dumps(allowed["ResultsKey"]["Condition"])


def test_bigquery_may_read_only_where_the_settings_name_its_identity(
    dev: Application, synthesise: Any, tmp_path: Path
) -> None:
    assert not [role for role in dev.resources("AWS::IAM::Role") if "bigquery" in str(role.properties.get("RoleName"))]
    settings = settings_of("dev").changed(analytics={"bigquery_identity": "105480000000000000000"})
    application = synthesise("dev", tmp_path / "bigquery", settings)
    (role,) = [r for r in application.resources("AWS::IAM::Role") if r.properties.get("RoleName")]
    (trust,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Federated": "accounts.google.com"}
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {"StringEquals": {"accounts.google.com:sub": "105480000000000000000"}}
    assert application.actions("Analytics", role.name) == {
        "glue:GetDatabase",
        "glue:GetPartitions",
        "glue:GetTable",
        "glue:GetTables",
        "kms:Decrypt",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:ListBucket",
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("analytics.orphan_days = 14", "analytics.orphan_days: Input should be greater than or equal to 15"),
        ("analytics.scan_gigabytes = 0", "analytics.scan_gigabytes: Input should be greater than or equal to 1"),
        ('analytics.bigquery_identity = "me"', "analytics.bigquery_identity: String should match pattern"),
    ],
)
def test_settings_that_would_endanger_the_lake_are_refused(tmp_path: Path, written: str, said: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'[dev]\nregion = "eu-west-1"\nalarms.addresses = ["ops@example.com"]\n{written}\n')
    with pytest.raises(InvalidSettings) as refused:
        settings_of("dev", file=file)
    assert said in str(refused.value)
