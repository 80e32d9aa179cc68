"""The model's stack: an endpoint that no deployment touches, and a state machine that may do what it does."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest

from cdk.settings import InvalidSettings, settings_of
from cdk.state_machines.nightly_training import TIMEOUT_SECONDS
from tests.infra.references import as_list

VARIANTS = ("champion", "challenger")
# Resources that the state machine's calls act on, where the call's name does not tell the right.
RIGHTS = {
    "arn:aws:states:::lambda:invoke": {"lambda:InvokeFunction"},
    "arn:aws:states:::sns:publish": {"sns:Publish"},
    "arn:aws:states:::athena:startQueryExecution.sync": {
        "athena:StartQueryExecution", "athena:GetQueryExecution", "athena:StopQueryExecution", "athena:GetDataCatalog",
        "glue:GetDatabase", "glue:GetTable", "s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject", "s3:PutObject",
        "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
    },
    "arn:aws:states:::sagemaker:createTrainingJob.sync": {
        *(f"sagemaker:{verb}TrainingJob" for verb in ("Create", "Describe", "Stop")),
        "sagemaker:AddTags", "sagemaker:ListTags", "events:DescribeRule", "events:PutRule", "events:PutTargets",
        "iam:PassRole",
    },
    "arn:aws:states:::sagemaker:createProcessingJob.sync": {
        *(f"sagemaker:{verb}ProcessingJob" for verb in ("Create", "Describe", "Stop")),
    },
    "arn:aws:states:::aws-sdk:sfn:listExecutions": {"states:ListExecutions"},
}  # fmt: skip
# What it may beside its calls, of log, trace, key.
BESIDE = re.compile(r"(logs|xray|kms):.*")


def _machine(application: Any) -> dict[str, Any]:
    """Give the state machine's definition, what only a deployment knows replaced by its logical name."""
    (machine,) = [item for item in application.resources("AWS::StepFunctions::StateMachine") if item.stack == "Model"]
    definition: dict[str, Any] = json.loads(_text(machine.properties["DefinitionString"]))
    return definition


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return str(value["Fn::Join"][0]).join(_text(part) for part in value["Fn::Join"][1])
    return re.sub(r"[^A-Za-z0-9.:-]", "", json.dumps(value))


def _endpoint(application: Any) -> Any:
    (endpoint,) = application.resources("Custom::ModelEndpoint")
    return endpoint


def _role_of(application: Any, kind: str, path: str) -> str:
    (found,) = [item for item in application.resources(kind) if item.stack == "Model"]
    name: str = found.properties[path]["Fn::GetAtt"][0]
    return name


# The endpoint is made once


def test_the_endpoints_resource_says_nothing_that_a_deployment_may_change(dev: Any, prod: Any) -> None:
    for application, stage in ((dev, "dev"), (prod, "prod")):
        properties = dict(_endpoint(application).properties)
        assert set(properties) == {"ServiceToken", "Endpoint"}
        assert properties["Endpoint"] == f"tickwire-{stage}"


def test_another_image_other_code_and_other_sizes_leave_the_endpoint_as_it_is(
    dev: Any, synthesise: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdk import source

    def edited(origin: Path, destination: Path) -> None:
        text = origin.read_bytes()
        destination.write_bytes(text + b"\n# changed\n" if origin.suffix == ".py" else text)

    monkeypatch.setattr(source, "shutil", SimpleNamespace(copyfile=edited, rmtree=shutil.rmtree))
    settings = settings_of("dev")
    model = {"instance_type": "ml.c6g.large", "instances": 2, "max_instances": 3}
    changed = synthesise("dev", tmp_path / "changed", settings.changed(model={**settings.model.model_dump(), **model}))
    assert _images(changed) & _images(dev) == set(), "the images are the same: nothing was changed"
    assert _endpoint(changed).properties == _endpoint(dev).properties
    owned = {"AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model"}
    kinds = {resource["Type"] for resource in changed.templates["Model"]["Resources"].values()}
    assert kinds & owned == set(), "CloudFormation would replace what the nightly state machine owns"


def _images(application: Any) -> set[str]:
    found = re.findall(r":([0-9a-f]{64})", json.dumps(_machine(application)))
    return set(found)


def test_production_keeps_its_endpoint_and_registry_when_the_stack_goes(prod: Any, dev: Any) -> None:
    (registry,) = prod.resources("AWS::SageMaker::ModelPackageGroup")
    assert {_endpoint(prod).whole["DeletionPolicy"], registry.whole["DeletionPolicy"]} == {"Retain"}
    assert _endpoint(dev).whole["DeletionPolicy"] == "Delete"


def test_the_endpoint_comes_after_all_that_it_needs(prod: Any) -> None:
    needs = set(as_list(_endpoint(prod).whole["DependsOn"]))
    kinds = {prod.templates["Model"]["Resources"][name]["Type"] for name in needs}
    assert kinds >= {"AWS::IAM::Role", "AWS::IAM::Policy", "AWS::Logs::LogGroup", "AWS::SageMaker::ModelPackageGroup"}


def test_the_endpoints_log_is_ours_before_sagemaker_would_make_it(prod: Any) -> None:
    names = {group.properties.get("LogGroupName") for group in prod.resources("AWS::Logs::LogGroup")}
    assert "/aws/sagemaker/Endpoints/tickwire-prod" in names


# Scaling and alarms go by names that stay


def test_both_variants_scale_on_invocations_where_they_may(prod: Any, dev: Any) -> None:
    targets = {
        target.properties["ResourceId"]: target.properties
        for target in prod.resources("AWS::ApplicationAutoScaling::ScalableTarget")
        if target.stack == "Model"
    }
    assert set(targets) == {f"endpoint/tickwire-prod/variant/{variant}" for variant in VARIANTS}
    for target in targets.values():
        assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
        assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    policies = [p for p in prod.resources("AWS::ApplicationAutoScaling::ScalingPolicy") if p.stack == "Model"]
    metrics = {
        policy.properties["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"][
            "PredefinedMetricType"
        ]
        for policy in policies
    }
    assert metrics == {"SageMakerVariantInvocationsPerInstance"}
    assert len(policies) == 2
    assert not [t for t in dev.resources("AWS::ApplicationAutoScaling::ScalableTarget") if t.stack == "Model"]


@pytest.mark.parametrize(
    ("metric", "statistic", "threshold"),
    [("Invocation5XXErrors", "Sum", 0), ("ModelLatency", "p99", 100_000)],  # microseconds
)
def test_each_variant_has_an_alarm_on_errors_and_latency(
    prod: Any, metric: str, statistic: str, threshold: int
) -> None:
    alarms = [
        alarm.properties
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == metric
    ]
    watched = {
        dimension["Value"]
        for alarm in alarms
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "VariantName"
    }
    assert watched == set(VARIANTS)
    for alarm in alarms:
        assert (alarm["Namespace"], alarm["Threshold"]) == ("AWS/SageMaker", threshold)
        assert alarm.get("Statistic", alarm.get("ExtendedStatistic")) == statistic


def test_the_alarm_that_takes_a_challenger_back_is_raised_by_each_of_them(prod: Any) -> None:
    (health,) = [alarm for alarm in prod.resources("AWS::CloudWatch::CompositeAlarm") if alarm.stack == "Model"]
    rule = json.dumps(health.properties["AlarmRule"])
    assert rule.count("ALARM(") == 4
    assert " AND " not in rule
    look = _machine(prod)["States"]["LookAtAlarm"]
    assert health.properties["AlarmName"] == "tickwire-prod-health"
    assert health.name in look["Arguments"]["AlarmNames"][0]


def test_failed_late_and_stopped_runs_raise_an_alarm_and_so_does_silence(prod: Any) -> None:
    alarms = [alarm.properties for alarm in prod.resources("AWS::CloudWatch::Alarm") if alarm.stack == "Model"]
    (failures,) = [alarm for alarm in alarms if "nightly training failed" in alarm["AlarmDescription"]]
    summed = {item["MetricStat"]["Metric"]["MetricName"] for item in failures["Metrics"] if "MetricStat" in item}
    assert summed == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
    (silence,) = [alarm for alarm in alarms if alarm.get("MetricName") == "ExecutionsSucceeded"]
    assert silence["Period"] * silence["EvaluationPeriods"] == 36 * 3600
    assert (silence["ComparisonOperator"], silence["Threshold"]) == ("LessThanThreshold", 1)
    assert silence["TreatMissingData"] == "breaching"


# The nightly state machine


def test_it_starts_every_night_by_a_role_that_may_do_nothing_else(prod: Any) -> None:
    schedule = _schedule(prod, "nightly training")
    assert schedule.properties["ScheduleExpression"] == "cron(30 2 * * ? *)"
    assert schedule.properties["ScheduleExpressionTimezone"] == "UTC"
    role = schedule.properties["Target"]["RoleArn"]["Fn::GetAtt"][0]
    assert prod.actions("Model", role) == {"states:StartExecution", "kms:Decrypt"}


def test_drift_is_looked_for_every_hour_by_a_role_that_may_call_the_function(prod: Any) -> None:
    schedule = _schedule(prod, "look for drift")
    assert schedule.properties["ScheduleExpression"] == "cron(10 * * * ? *)"
    role = schedule.properties["Target"]["RoleArn"]["Fn::GetAtt"][0]
    assert prod.actions("Model", role) == {"lambda:InvokeFunction", "kms:Decrypt"}


def _schedule(prod: Any, what: str) -> Any:
    (schedule,) = [
        item
        for item in prod.resources("AWS::Scheduler::Schedule")
        if item.stack == "Model" and item.properties["Description"] == f"Tickwire: {what}"
    ]
    return schedule


def test_a_run_ends_before_the_next_one_begins() -> None:
    assert TIMEOUT_SECONDS < 24 * 3600


def test_it_is_encrypted_logged_and_traced(prod: Any) -> None:
    (machine,) = [item for item in prod.resources("AWS::StepFunctions::StateMachine") if item.stack == "Model"]
    properties = machine.properties
    assert properties["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert properties["TracingConfiguration"] == {"Enabled": True}
    assert properties["LoggingConfiguration"]["Level"] == "ALL"


def test_every_state_is_reached_and_leads_somewhere(prod: Any) -> None:
    definition = _machine(prod)
    states = definition["States"]
    reached, waiting = set(), [definition["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        state = states[name]
        following = [state.get("Next"), state.get("Default")]
        following += [branch["Next"] for branch in (*state.get("Choices", []), *state.get("Catch", []))]
        assert state["Type"] in ("Fail", "Succeed") or any(following), name
        waiting += [one for one in following if one is not None]
    assert reached == set(states)


def test_it_may_do_what_its_states_do_and_nothing_else(prod: Any) -> None:
    needed: set[str] = {"s3:PutObject"}
    for state in _machine(prod)["States"].values():
        if state["Type"] != "Task":
            continue
        resource = state["Resource"]
        service, action = resource.split(":")[-2:]
        needed |= RIGHTS.get(resource, {f"{service}:{action[0].upper()}{action[1:]}"})
    have = prod.actions("Model", _role_of(prod, "AWS::StepFunctions::StateMachine", "RoleArn"))
    assert {action for action in have if not BESIDE.fullmatch(action)} == needed


def test_what_sagemaker_starts_is_isolated_in_our_network_and_encrypted(prod: Any) -> None:
    states = _machine(prod)["States"]
    train, evaluate, model = (states[name]["Arguments"] for name in ("Train", "Evaluate", "CreateModel"))
    for network in (train, evaluate["NetworkConfig"], model):
        assert network["EnableNetworkIsolation"] is True
        assert len(network["VpcConfig"]["Subnets"]) == 3
    assert "VolumeKmsKeyId" in train["ResourceConfig"]
    assert "KmsKeyId" in train["OutputDataConfig"]
    assert "VolumeKmsKeyId" in evaluate["ProcessingResources"]["ClusterConfig"]
    assert "KmsKeyId" in evaluate["ProcessingOutputConfig"]
    for name in ("CreateChallenge", "CreatePromotion"):
        assert "KmsKeyId" in states[name]["Arguments"]
        assert "KmsKeyId" in states[name]["Arguments"]["DataCaptureConfig"]


def test_an_update_keeps_the_number_of_instances_where_scaling_decides_it(prod: Any, dev: Any) -> None:
    for application, kept in ((prod, {"DesiredInstanceCount"}), (dev, set())):
        for name in ("StageChallenger", "Promote"):
            update = _machine(application)["States"][name]["Arguments"]
            own = {item["VariantPropertyType"] for item in update["ExcludeRetainedVariantProperties"]}
            every = set(
                botocore.session.get_session().get_service_model("sagemaker").shape_for("VariantPropertyType").enum
            )
            assert (update["RetainAllVariantProperties"], every - own) == (True, kept)


def test_training_never_gets_the_holdout(prod: Any) -> None:
    train = json.dumps(_machine(prod)["States"]["Train"])
    assert "$plan.train" in train
    assert "$plan.holdout" not in train


def test_sagemakers_roles_are_handed_to_sagemaker_alone(prod: Any) -> None:
    passing = [
        statement
        for where, statement in prod.statements()
        if where.startswith("Model/") and "iam:PassRole" in as_list(statement["Action"])
    ]
    assert len(passing) == 2
    for statement in passing:
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("ServingRole", {"seed", "candidates"}, {"capture"}),
        ("JobRole", {"seed", "candidates", "datasets", "capture"}, {"candidates", "evaluations"}),
    ],
)
def test_containers_read_and_write_where_they_work(prod: Any, role: str, reads: set[str], writes: set[str]) -> None:
    (policy,) = [p for p in prod.resources("AWS::IAM::Policy") if p.stack == "Model" and p.name.startswith(role)]
    places: dict[str, set[str]] = {}
    for statement in policy.properties["PolicyDocument"]["Statement"]:
        for action in as_list(statement["Action"]):
            if action in ("s3:GetObject", "s3:PutObject"):
                found = re.findall(r'"/([a-z]+)/\*"', json.dumps(statement["Resource"]))
                places.setdefault(action, set()).update(found)
    assert places == {"s3:GetObject": reads, "s3:PutObject": writes}


def test_the_containers_network_has_no_way_in_and_one_way_out(prod: Any) -> None:
    (group,) = [
        group
        for group in prod.resources("AWS::EC2::SecurityGroup")
        if group.stack == "Model" and group.properties["GroupDescription"].startswith("Containers of the model")
    ]
    assert "SecurityGroupIngress" not in group.properties
    (out,) = group.properties["SecurityGroupEgress"]
    assert (out["FromPort"], out["ToPort"], out["IpProtocol"]) == (443, 443, "tcp")


def test_what_a_run_writes_goes_in_time_and_what_says_why_stays(prod: Any) -> None:
    (bucket,) = [b for b in prod.resources("AWS::S3::Bucket") if b.stack == "Model"]
    rules = bucket.properties["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"datasets/": 30, "queries/": 7, "capture/": 90}


# Settings


def test_the_defaults_are_instances_that_sagemaker_has() -> None:
    shapes = botocore.session.get_session().get_service_model("sagemaker")
    for stage in ("dev", "prod"):
        model = settings_of(stage).model
        assert model.instance_type in shapes.shape_for("ProductionVariantInstanceType").enum
        assert model.training_instance_type in shapes.shape_for("TrainingInstanceType").enum
        assert model.training_instance_type in shapes.shape_for("ProcessingInstanceType").enum


@pytest.mark.parametrize(
    ("instance_type", "graviton"),
    [("ml.c7g.large", True), ("ml.m6g.large", True), ("ml.c6gn.large", True), ("ml.c5.large", False),
     ("ml.m6i.large", False), ("ml.g5.xlarge", False), ("ml.t2.medium", False)],
)  # fmt: skip
def test_the_serving_image_is_built_for_the_instances_that_serve(instance_type: str, graviton: bool) -> None:
    model = settings_of("dev").model.model_copy(update={"instance_type": instance_type})
    assert model.on_graviton is graviton


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('model.instance_type = "ml.m5d.large"', "ml.m5d.large has a local disk"),
        ('model.instance_type = "ml.c6gd.large"', "ml.c6gd.large has a local disk"),
        ('model.training_instance_type = "ml.g4dn.xlarge"', "ml.g4dn.xlarge has a local disk"),
        ('model.instance_type = "c7g.large"', "String should match pattern"),
        ("model.instances = 2", "max_instances must be at least instances"),
        ('model.instance_type = "ml.t2.medium"\nmodel.max_instances = 2', "SageMaker does not scale t2"),
        ("model.bake_minutes = 1", "greater than or equal to 5"),
        ("model.holdout_days = 1", "greater than or equal to 5"),
    ],
)
def test_settings_that_sagemaker_would_refuse_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'[dev]\nregion = "eu-west-1"\nalarms.addresses = ["ops@example.com"]\n{text}\n')
    with pytest.raises(InvalidSettings, match=reason):
        settings_of("dev", file=file)


def test_each_instrument_that_is_ingested_is_expected_of_a_dataset(prod: Any) -> None:
    variables = prod.variables(prod.function("model_rollout"))
    assert set(variables["TICKWIRE_INSTRUMENTS"].split(",")) == {
        "binance:BTC-USDT", "binance:ETH-USDT", "binance:SOL-USDT", "coinbase:BTC-USD", "coinbase:ETH-USD",
        "coinbase:SOL-USD", "kraken:BTC-USD", "kraken:ETH-USD", "kraken:SOL-USD",
    }  # fmt: skip
