"""The rules of ``rules.py`` over every stack, and that each rule notices when it is broken."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra import rules
from tests.infra.references import References

STAGES = ("dev", "prod")
Templates = dict[str, dict[str, Any]]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("rule", rules.ALWAYS, ids=lambda rule: rule.__name__)
def test_every_stack_keeps_the_rule(request: Any, stage: str, rule: rules.Rule) -> None:
    faults = list(rule(References(request.getfixturevalue(stage).templates)))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("rule", rules.IN_PRODUCTION, ids=lambda rule: rule.__name__)
def test_production_keeps_the_rule(prod: Any, rule: rules.Rule) -> None:
    faults = list(rule(References(prod.templates)))
    assert not faults, "\n".join(faults)


def test_every_runbook_is_named_by_an_alarm(dev: Any, prod: Any) -> None:
    named = {
        rules.runbook_of(alarm)
        for application in (dev, prod)
        for _, alarm in References(application.templates).all(*rules.ALARMS)
    }
    written = {path.stem for path in rules.RUNBOOKS.glob("*.md")} - {"README"}
    assert written - named == set(), "pages that no alarm leads to: name them in new_alarm(), or delete them"


# Each rule is shown to bite: the templates of `dev`, broken in one place, must have one fault more.


def _first(templates: Templates, kind: str, **properties: Any) -> dict[str, Any]:
    """Give the first resource of a type that has these properties."""
    return next(
        resource
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == kind
        and all(resource["Properties"].get(name) == value for name, value in properties.items())
    )


def _set(kind: str, value: Any, *path: str, **properties: Any) -> Callable[[Templates], None]:
    """Give a change of the first such resource: ``value`` at ``path``, or what is there taken away for None."""

    def change(templates: Templates) -> None:
        place = _first(templates, kind, **properties)
        *way, last = path
        for name in way:
            place = place.setdefault(name, {})
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


def _add(kind: str, **properties: Any) -> Callable[[Templates], None]:
    """Give a change that adds a resource."""

    def change(templates: Templates) -> None:
        next(iter(templates.values()))["Resources"]["Added"] = {"Type": kind, "Properties": properties}

    return change


def _allow(action: str, resource: Any) -> Callable[[Templates], None]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return _add("AWS::IAM::Policy", PolicyDocument={"Statement": [statement]})


_ARN = "arn:aws:s3:::bucket"
_EVERYBODY = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Principal": "*", "Resource": _ARN}]}
_KINESIS = {"StartingPosition": "TRIM_HORIZON"}
BREAKS: list[tuple[rules.Rule, Callable[[Templates], None]]] = [
    (rules.every_type_is_judged, _add("AWS::Neptune::DBCluster")),
    (rules.what_stores_data_is_encrypted_with_a_key_of_ours, _add("AWS::SQS::Queue", KmsMasterKeyId="alias/aws/sqs")),
    (
        rules.what_stores_data_is_encrypted_with_a_key_of_ours,
        _set("AWS::Logs::LogGroup", None, "Properties", "KmsKeyId"),
    ),
    (rules.every_key_is_rotated, _set("AWS::KMS::Key", False, "Properties", "EnableKeyRotation")),
    (
        rules.nothing_is_open_to_the_internet,
        _add("AWS::EC2::SecurityGroupIngress", CidrIp="0.0.0.0/0", FromPort=22, ToPort=22),
    ),
    (rules.nothing_is_open_to_the_internet, _set("AWS::RDS::DBInstance", True, "Properties", "PubliclyAccessible")),
    (rules.nothing_is_open_to_the_internet, _add("AWS::Lambda::Url", AuthType="NONE")),
    (rules.no_resource_policy_lets_everybody_in, _add("AWS::S3::BucketPolicy", PolicyDocument=_EVERYBODY)),
    (
        rules.every_bucket_is_private_and_versioned,
        _set("AWS::S3::Bucket", False, "Properties", "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
    ),
    (rules.queues_buckets_and_topics_refuse_plain_http, _add("AWS::SNS::Topic")),
    (rules.no_action_is_a_wildcard, _allow("s3:Get*", _ARN)),
    (rules.every_resource_is_named, _allow("s3:GetObject", "*")),
    (rules.every_role_has_the_boundary, _set("AWS::IAM::Role", None, "Properties", "PermissionsBoundary")),
    (rules.every_queue_is_watched, _add("AWS::SQS::Queue")),
    (
        rules.every_stream_is_read_so_that_nothing_is_lost,
        _set("AWS::Lambda::EventSourceMapping", "LATEST", "Properties", "StartingPosition", **_KINESIS),
    ),
    (
        rules.every_stream_is_read_so_that_nothing_is_lost,
        _set("AWS::Lambda::EventSourceMapping", 604_800, "Properties", "MaximumRecordAgeInSeconds", **_KINESIS),
    ),
    (
        rules.every_stream_is_read_so_that_nothing_is_lost,
        _set("AWS::Lambda::EventSourceMapping", None, "Properties", "DestinationConfig", **_KINESIS),
    ),
    (
        rules.every_stream_is_read_so_that_nothing_is_lost,
        _set("AWS::CloudWatch::Alarm", "Duration", "Properties", "MetricName", MetricName="IteratorAge"),
    ),
    (
        rules.every_alarm_says_what_to_do,
        _add("AWS::CloudWatch::Alarm", AlarmDescription="It is bad. Runbook: https://x/no-such.md", AlarmActions=["t"]),
    ),
    (rules.every_alarm_says_what_to_do, _set("AWS::CloudWatch::Alarm", None, "Properties", "AlarmActions")),
    (
        rules.every_log_is_kept_for_a_time_and_in_a_group_of_ours,
        _set("AWS::Logs::LogGroup", None, "Properties", "RetentionInDays"),
    ),
    (
        rules.every_log_is_kept_for_a_time_and_in_a_group_of_ours,
        _set("AWS::Lambda::Function", None, "Properties", "LoggingConfig", PackageType="Image"),
    ),
    (
        rules.every_function_is_traced,
        _set("AWS::Lambda::Function", "PassThrough", "Properties", "TracingConfig", "Mode", PackageType="Image"),
    ),
    (rules.what_keeps_data_is_kept, _add("AWS::S3::Bucket")),
]


@pytest.mark.parametrize(("rule", "spoil"), BREAKS, ids=[f"{rule.__name__}-{n}" for n, (rule, _) in enumerate(BREAKS)])
def test_a_rule_notices_that_it_is_broken(dev: Any, rule: rules.Rule, spoil: Callable[[Templates], None]) -> None:
    templates = copy.deepcopy(dev.templates)
    before = list(rule(References(templates)))
    spoil(templates)
    assert len(list(rule(References(templates)))) == len(before) + 1


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BREAKS} == {*rules.ALWAYS, *rules.IN_PRODUCTION}


def test_a_key_that_goes_while_its_data_stays_is_noticed(prod: Any) -> None:
    templates = copy.deepcopy(prod.templates)
    templates["Streams"]["Resources"][next(iter(_keys(templates["Streams"])))]["DeletionPolicy"] = "Delete"
    assert any("cannot be read then" in fault for fault in rules.what_keeps_data_is_kept(References(templates)))


def _keys(template: dict[str, Any]) -> list[str]:
    return [name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::KMS::Key"]
