"""The tasks: a service for each venue and one that fills gaps, their capacity, their alarms and their rights."""

import json
from typing import Any

import pytest

from cdk.settings import settings_of

VENUES = ("binance", "coinbase", "kraken")
INGESTORS = tuple(f"ingestor-{venue}" for venue in VENUES)
TASKS = (*INGESTORS, "backfiller")


def alarms_on(application: Any, metric: str) -> list[dict[str, Any]]:
    return [
        alarm.properties
        for alarm in application.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == metric and alarm.properties["Namespace"] == "Tickwire"
    ]


def dimensions(alarm: dict[str, Any]) -> dict[str, str]:
    return {item["Name"]: item["Value"] for item in alarm["Dimensions"]}


def test_each_venue_has_a_service_and_there_is_one_cluster(prod: Any) -> None:
    containers = [
        container["Name"]
        for task in prod.resources("AWS::ECS::TaskDefinition")
        if task.stack == "Ingestion"
        for container in task.properties["ContainerDefinitions"]
    ]
    assert sorted(containers) == sorted(TASKS)
    assert len([cluster for cluster in prod.resources("AWS::ECS::Cluster") if cluster.stack == "Ingestion"]) == 1


@pytest.mark.parametrize("venue", VENUES)
def test_a_service_reads_its_venues_groups_as_a_fleet_of_its_own(prod: Any, venue: str) -> None:
    variables = prod.task_variables(f"ingestor-{venue}")
    groups = json.loads(variables["TICKWIRE_FEEDS"])
    assert variables["TICKWIRE_FLEET"] == f"ingestor-{venue}"
    assert {group["feed"] for group in groups} == {venue}
    # In prod a group is one symbol.
    assert [len(group["symbols"]) for group in groups] == [1, 1, 1]
    read = sorted(symbol for group in groups for symbol in group["symbols"])
    (feed,) = [feed for feed in settings_of("prod").feeds if feed.feed == venue]
    assert read == sorted(feed.symbols)


def test_two_feeds_of_one_venue_are_one_service(synthesise: Any, tmp_path: Any) -> None:
    both = settings_of("dev").changed(
        feeds=[
            {"feed": "coinbase", "symbols": ["BTC-USD"]},
            {"feed": "coinbase-advanced", "symbols": ["ETH-USD"]},
        ]
    )
    application = synthesise("dev", tmp_path / "both", both)
    groups = json.loads(application.task_variables("ingestor-coinbase")["TICKWIRE_FEEDS"])
    assert [group["feed"] for group in groups] == ["coinbase", "coinbase-advanced"]
    assert len(application.resources("AWS::ECS::Service")) == 2


def test_the_backfiller_reads_the_histories_of_the_same_feeds(prod: Any) -> None:
    histories = json.loads(prod.task_variables("backfiller")["TICKWIRE_HISTORIES"])
    assert [entry["feed"] for entry in histories] == list(VENUES)


@pytest.mark.parametrize(("stage", "holders"), [("dev", "1"), ("prod", "2")])
@pytest.mark.parametrize("name", INGESTORS)
def test_the_tasks_share_groups_and_limits_in_one_table(request: Any, stage: str, holders: str, name: str) -> None:
    application = request.getfixturevalue(stage)
    ingestor, backfiller = application.task_variables(name), application.task_variables("backfiller")
    assert ingestor["TICKWIRE_HOLDERS"] == holders
    assert int(ingestor["TICKWIRE_MAX_GROUPS"]) >= len(json.loads(ingestor["TICKWIRE_FEEDS"]))
    for variable in ("TICKWIRE_COORDINATION_TABLE", "TICKWIRE_ADDRESS", "TICKWIRE_RAW_STREAM", "AWS_DEFAULT_REGION"):
        assert ingestor[variable] == backfiller[variable]
    assert "Coordination" in json.dumps(ingestor["TICKWIRE_COORDINATION_TABLE"])


@pytest.mark.parametrize("name", TASKS)
def test_a_task_reads_the_environment_of_its_stack(prod: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecs_tasks.backfiller.settings import BackfillerSettings
    from ecs_tasks.ingestor.settings import IngestorSettings

    for variable, value in prod.task_variables(name).items():
        monkeypatch.setenv(variable, value if isinstance(value, str) else "resolved")
    settings = (BackfillerSettings if name == "backfiller" else IngestorSettings)()
    assert settings.partitions == 64
    assert settings.address == "shared"
    assert settings.metrics_seconds == 60
    if isinstance(settings, IngestorSettings):
        assert (settings.fleet, settings.trace_every) == (name, 10_000)


@pytest.mark.parametrize("name", TASKS)
def test_a_failed_deployment_of_a_task_rolls_back(prod: Any, name: str) -> None:
    configuration = prod.service(name).properties["DeploymentConfiguration"]
    assert configuration["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert configuration["MinimumHealthyPercent"] == 100
    assert "/health" in prod.container(name)["HealthCheck"]["Command"][1]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_stops_by_itself_before_it_is_killed(prod: Any, name: str) -> None:
    variables = prod.task_variables(name)
    assert 60 <= float(variables["TICKWIRE_DRAIN_SECONDS"]) <= prod.container(name)["StopTimeout"] - 10


@pytest.mark.parametrize("name", TASKS)
def test_a_task_runs_without_secrets_on_a_read_only_disk_in_public_subnets_of_all_zones(prod: Any, name: str) -> None:
    container = prod.container(name)
    assert "Secrets" not in container
    assert container["ReadonlyRootFilesystem"] is True
    assert prod.task(name).properties["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    service = prod.service(name).properties
    assert len(service["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"]) == 3
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "ENABLED"
    assert service["AvailabilityZoneRebalancing"] == "ENABLED"


@pytest.mark.parametrize(
    ("stage", "name", "strategy"),
    [
        # All of dev may be taken back; in prod not the holders, and not the one backfiller that works.
        ("dev", "ingestor-kraken", [("FARGATE_SPOT", None, 1)]),
        ("dev", "backfiller", [("FARGATE_SPOT", None, 1)]),
        ("prod", "ingestor-kraken", [("FARGATE", 2, 1), ("FARGATE_SPOT", None, 3)]),
        ("prod", "backfiller", [("FARGATE", 1, 1), ("FARGATE_SPOT", None, 1)]),
    ],
)
def test_tasks_beyond_those_that_must_stay_may_be_on_spot(
    request: Any, stage: str, name: str, strategy: list[tuple[str, int | None, int]]
) -> None:
    service = request.getfixturevalue(stage).service(name).properties
    assert "LaunchType" not in service
    found = [
        (item["CapacityProvider"], item.get("Base"), item["Weight"]) for item in service["CapacityProviderStrategy"]
    ]
    assert found == strategy


def test_where_spot_is_not_wanted_no_task_is_on_it(synthesise: Any, tmp_path: Any) -> None:
    dev = settings_of("dev")
    steady = dev.changed(ingestor=dev.ingestor.model_dump() | {"on_demand": 1, "spot": 0})
    service = synthesise("dev", tmp_path / "steady", steady).service("ingestor-kraken").properties
    assert service["CapacityProviderStrategy"] == [{"CapacityProvider": "FARGATE", "Base": 1, "Weight": 1}]


def test_a_service_grows_with_the_work_of_its_tasks_and_never_falls_below_its_holders(prod: Any) -> None:
    targets = {
        target.name: target.properties
        for target in prod.resources("AWS::ApplicationAutoScaling::ScalableTarget")
        if target.stack == "Ingestion"
    }
    assert len(targets) == len(VENUES)
    for target in targets.values():
        # Three groups held by two tasks each: a seventh task would hold nothing.
        assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 6)
    scaled = set()
    for policy in prod.resources("AWS::ApplicationAutoScaling::ScalingPolicy"):
        if policy.stack != "Ingestion":
            continue
        tracking = policy.properties["TargetTrackingScalingPolicyConfiguration"]
        metric = tracking["CustomizedMetricSpecification"]
        assert (metric["Namespace"], metric["MetricName"], metric["Statistic"]) == ("Tickwire", "CpuShare", "Average")
        assert tracking["ScaleInCooldown"] > 5 * tracking["ScaleOutCooldown"]
        assert policy.properties["ScalingTargetId"]["Ref"] in targets
        scaled.add(dimensions(metric)["venue"])
    assert scaled == set(VENUES)
    # A deployment would set the number back.
    assert all("DesiredCount" not in prod.service(name).properties for name in INGESTORS)


def test_nothing_is_scaled_where_more_tasks_would_have_nothing_to_hold(dev: Any) -> None:
    scaled = [item.stack for item in dev.resources("AWS::ApplicationAutoScaling::ScalableTarget")]
    assert "Ingestion" not in scaled
    assert {dev.service(name).properties["DesiredCount"] for name in TASKS} == {1}


def test_tasks_are_missed_when_they_end(prod: Any, dev: Any) -> None:
    for application, tasks in ((prod, 2), (dev, 1)):
        watched = {
            json.dumps(dimension["Value"]): alarm.properties
            for alarm in application.resources("AWS::CloudWatch::Alarm")
            if alarm.properties.get("MetricName") == "RunningTaskCount"
            for dimension in alarm.properties["Dimensions"]
            if dimension["Name"] == "ServiceName"
        }
        for name in TASKS:
            alarm = watched[json.dumps({"Fn::GetAtt": [application.service(name).name, "Name"]})]
            assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (tasks, "LessThanThreshold")


def test_a_venue_that_falls_silent_lags_or_changes_its_format_is_noticed(prod: Any) -> None:
    for metric, statistic, missing in (
        ("Trades", "Sum", "breaching"),
        ("PublishLagMax", "Maximum", "notBreaching"),
        ("DeadFrames", "Sum", "notBreaching"),
        ("SlowFrameShare", "Average", "notBreaching"),
    ):
        alarms = alarms_on(prod, metric)
        assert {dimensions(alarm)["venue"] for alarm in alarms} == set(VENUES)
        assert {dimensions(alarm)["service"] for alarm in alarms} == {"ingestor"}
        assert {(alarm["Statistic"], alarm["TreatMissingData"]) for alarm in alarms} == {(statistic, missing)}


@pytest.mark.parametrize(("stage", "minutes"), [("dev", 30), ("prod", 15)])
def test_ids_that_stay_missing_are_noticed_and_so_is_that_nobody_can_tell(
    request: Any, stage: str, minutes: int
) -> None:
    alarms = alarms_on(request.getfixturevalue(stage), "MissingSeconds")
    assert {dimensions(alarm)["venue"] for alarm in alarms} == set(VENUES)
    for alarm in alarms:
        assert dimensions(alarm)["service"] == "backfiller"
        assert (alarm["Threshold"], alarm["Statistic"]) == (60 * minutes, "Maximum")
        assert alarm["TreatMissingData"] == "breaching"


def test_every_metric_that_an_alarm_or_a_policy_watches_is_one_that_the_tasks_write(prod: Any) -> None:
    from ecs_tasks.backfiller.metrics import BackfillerMetrics, Missing
    from ecs_tasks.backfiller.metrics import Standing as BackfillerStanding
    from ecs_tasks.backfiller.stats import VenueStats
    from ecs_tasks.ingestor.feed_stats import FeedStats
    from ecs_tasks.ingestor.metrics import IngestorMetrics, Standing
    from ecs_tasks.ingestor.stats import Stats
    from ecs_tasks.shared.metrics import LoopWatch

    stats = Stats()
    stats.feeds["kraken"] = FeedStats(frames=1)
    loop = tuple(LoopWatch().take())
    standing = Standing(groups={}, sockets={}, pending_trades=0, pending_frames=0, stalled_seconds=0, loop=loop)
    missing = {"kraken": Missing()}
    written = {
        "ingestor": {one.name for one in IngestorMetrics(stats, {"kraken": "kraken"}).look(standing)["kraken"]},
        "backfiller": {
            one.name
            for one in BackfillerMetrics().look(BackfillerStanding({"kraken": VenueStats()}, missing))["kraken"]
        },
    }
    watched = [
        alarm.properties
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if "venue" in {item["Name"] for item in alarm.properties.get("Dimensions", [])}
    ]
    watched += [
        policy.properties["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
        for policy in prod.resources("AWS::ApplicationAutoScaling::ScalingPolicy")
        if policy.stack == "Ingestion"
    ]
    assert watched
    for metric in watched:
        assert metric["MetricName"] in written[dimensions(metric)["service"]]


def test_the_backfiller_logs_in_as_a_role_of_its_own_and_the_functions_do_not(prod: Any) -> None:
    users = {
        (where.partition("/")[0], json.dumps(statement["Resource"]).rpartition("/")[2].strip('"]}'))
        for where, statement in prod.statements()
        if "rds-db:connect" in _as_list(statement["Action"])
    }
    assert {("Processing", "tickwire_writer"), ("Ingestion", "tickwire_backfiller")} <= users
    assert [stack for stack, user in sorted(users) if user == "tickwire_backfiller"] == ["Ingestion"]
    assert "tickwire_backfiller@" in json.dumps(prod.task_variables("backfiller")["TICKWIRE_DATABASE_URL"])


@pytest.mark.parametrize("name", TASKS)
def test_a_task_reaches_the_exchanges_aws_and_the_stores_that_it_uses_and_nobody_reaches_it(
    prod: Any, name: str
) -> None:
    configuration = prod.service(name).properties["NetworkConfiguration"]["AwsvpcConfiguration"]
    (own,) = configuration["SecurityGroups"]
    (group,) = [
        item
        for item in prod.resources("AWS::EC2::SecurityGroup")
        if item.stack == "Ingestion" and own == {"Fn::GetAtt": [item.name, "GroupId"]}
    ]
    assert "SecurityGroupIngress" not in group.properties
    rules = group.properties["SecurityGroupEgress"]
    assert {rule["CidrIp"] for rule in rules} == {"0.0.0.0/0"}
    assert all(rule["FromPort"] == rule["ToPort"] for rule in rules)
    assert {rule["FromPort"] for rule in rules} == ({443} if name == "backfiller" else {443, 9443})

    rules_in = [
        rule.properties for rule in prod.resources("AWS::EC2::SecurityGroupIngress") if rule.stack == "Ingestion"
    ]
    assert own not in [rule["GroupId"] for rule in rules_in]
    reached = {
        (rule["ToPort"], json.dumps(rule["GroupId"])) for rule in rules_in if rule["SourceSecurityGroupId"] == own
    }
    assert {port for port, _ in reached} == ({443, 5432, 6379} if name == "backfiller" else {443})
    assert any("EndpointGroup" in target for port, target in reached if port == 443)


def test_readers_of_a_record_are_deployed_before_its_writer(prod: Any) -> None:
    manifest = json.loads((prod.folder / "manifest.json").read_text())
    (ingestion,) = [value for name, value in manifest["artifacts"].items() if name.endswith("-Ingestion")]
    needed = {name.rpartition("-")[2] for name in ingestion["dependencies"]}
    assert {"Processing", "Delivery"} <= needed


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
