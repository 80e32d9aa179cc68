"""What is watched is there to be watched, and whoever must be woken is."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import lambdas.delivery.output
import tickwire.errors
from tests.infra.published import PROJECT, publishes

FORWARD_ONLY = ("validator", "signals", "market", "lake_writer", "store_writer")
# What CloudWatch takes: metrics of one widget, and of one dashboard.
METRICS_A_WIDGET, METRICS_A_DASHBOARD = 500, 2_500


class Asked(NamedTuple):
    """A metric that something looks at; a dimension is None where a search leaves it open."""

    where: str
    namespace: str
    name: str
    dimensions: dict[str, str | None]


def _text(value: Any) -> str:
    """Turn a value of the template into what AWS might make of it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_text(part) for part in parts)
    return "resolved"


def _dashboards(application: Any) -> dict[str, list[dict[str, Any]]]:
    """Give the widgets of each dashboard, by its name."""
    return {
        dashboard.properties["DashboardName"]: json.loads(_text(dashboard.properties["DashboardBody"]))["widgets"]
        for dashboard in application.resources("AWS::CloudWatch::Dashboard")
    }


def _of_dashboards(application: Any) -> Iterator[Asked]:
    for name, widgets in _dashboards(application).items():
        for widget in widgets:
            for entry in widget["properties"].get("metrics", []):
                if isinstance(entry[0], str):
                    *parts, _ = entry if isinstance(entry[-1], dict) else [*entry, {}]
                    namespace, metric, *pairs = parts
                    yield Asked(name, namespace, metric, dict(zip(pairs[::2], pairs[1::2], strict=True)))
                elif entry[0].get("expression", "").startswith("SEARCH"):
                    yield _searched(name, entry[0]["expression"])


def _searched(where: str, expression: str) -> Asked:
    found = re.fullmatch(r"SEARCH\('\{(.+?)\} MetricName=\"(\w+)\"(.*)', '(\w+)', \d+\)", expression)
    assert found is not None, expression
    namespace, *dimensions = found[1].split(",")
    given = dict(re.findall(r'(\w+)="([^"]*)"', found[3]))
    return Asked(where, namespace, found[2], {name: given.get(name) for name in dimensions})


def _of_alarms(application: Any) -> Iterator[Asked]:
    for alarm in application.resources("AWS::CloudWatch::Alarm"):
        stats = [item["MetricStat"]["Metric"] for item in alarm.properties.get("Metrics", []) if "MetricStat" in item]
        for metric in stats if "Metrics" in alarm.properties else [alarm.properties]:
            dimensions = {item["Name"]: _text(item["Value"]) for item in metric.get("Dimensions", [])}
            yield Asked(alarm.name, metric["Namespace"], metric["MetricName"], dimensions)


def _filters(application: Any) -> dict[str, set[str]]:
    """Give the metrics that are made of logs, with their dimensions."""
    return {
        change["MetricName"]: {item["Key"] for item in change.get("Dimensions", [])}
        for found in application.resources("AWS::Logs::MetricFilter")
        for change in found.properties["MetricTransformations"]
        if change["MetricNamespace"] == "Tickwire"
    }


def _ours(application: Any) -> list[Asked]:
    return [
        asked for asked in (*_of_dashboards(application), *_of_alarms(application)) if asked.namespace == "Tickwire"
    ]


def test_every_metric_of_ours_that_is_looked_at_is_published_by_the_code_that_it_names(prod: Any) -> None:
    asked = _ours(prod)
    assert len(asked) > 100
    from_logs = _filters(prod)
    unpublished = sorted(
        {
            f"{one.name} of {one.dimensions.get('service')}, for {one.where}"
            for one in asked
            if one.name not in from_logs and not any(publishes(service, one.name) for service in _services(one))
        }
    )
    assert unpublished == []


def _services(asked: Asked) -> list[str]:
    service = asked.dimensions["service"]
    return list(FORWARD_ONLY) if service is None else [service]


def test_every_metric_of_ours_is_looked_at_with_the_dimensions_that_it_is_published_with(prod: Any) -> None:
    # As Powertools and the tasks write them: a metric with one dimension more or less is another metric.
    beside = {"Quarantined": {"rule"}, "StageLatency": {"stage"}}
    from_logs = _filters(prod)
    for asked in _ours(prod):
        if asked.name in from_logs:
            expected = from_logs[asked.name]
        elif asked.dimensions["service"] in ("ingestor", "backfiller"):
            expected = {"service", "venue"}
        else:
            expected = {"service"} | beside.get(asked.name, set())
        assert set(asked.dimensions) == expected, asked


def test_the_stages_whose_latency_is_drawn_are_those_that_leave_a_hop(prod: Any) -> None:
    drawn = {asked.dimensions["stage"] for asked in _ours(prod) if asked.name == "StageLatency"}
    hops = {"ingestor": "ecs_tasks/ingestor", "validator": "tickwire/stages", "signals": "tickwire/stages"}
    assert drawn == {*hops, "broadcaster"}
    for stage, folder in hops.items():
        texts = [path.read_text() for path in (PROJECT / folder).glob("*.py")]
        assert any(f'"{stage}"' in text for text in texts), stage


def test_what_the_filters_look_for_in_the_logs_is_what_the_code_logs(prod: Any) -> None:
    patterns = {
        change["MetricName"]: found.properties["FilterPattern"]
        for found in prod.resources("AWS::Logs::MetricFilter")
        for change in found.properties["MetricTransformations"]
    }
    code = "\n".join(path.read_text() for path in (PROJECT / "lambdas").rglob("*.py"))
    messages = re.findall(r'\$\.message = "([^"]+)"', patterns["StoppedPartitions"])
    assert set(messages) == {"partition stopped", "partition failed", "messages stopped"}
    assert all(f'"{message}"' in code for message in messages)
    errors = re.findall(r'\$\.error = "(\w+)"', patterns["StoppedPartitions"])
    assert "CounterJump" in errors
    for name in errors:
        assert hasattr(tickwire.errors, name) or hasattr(lambdas.delivery.output, name), name


@pytest.mark.parametrize("name", [*FORWARD_ONLY, "lake_committer"])
def test_a_partition_that_stands_still_is_seen_in_every_function_that_can_stop_one(prod: Any, name: str) -> None:
    function = prod.function(name)
    group = function.properties["LoggingConfig"]["LogGroup"]
    assert [
        found.name
        for found in prod.resources("AWS::Logs::MetricFilter")
        if found.stack == function.stack and found.properties["LogGroupName"] == group
    ]
    (alarm,) = [
        alarm.properties
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "StoppedPartitions"
        and alarm.properties["Dimensions"] == [{"Name": "service", "Value": name}]
    ]
    assert alarm["Threshold"] == 0


def _pages(application: Any) -> dict[str, str]:
    """Give the rules of the alarms that page, by the runbook in their description."""
    return {
        re.findall(r"([a-z-]+)\.md", page.properties["AlarmDescription"])[0]: json.dumps(page.properties["AlarmRule"])
        for page in application.resources("AWS::CloudWatch::CompositeAlarm")
        # The model's takes a challenger back, and pages nobody.
        if page.stack == "Observability"
    }


def test_whoever_is_on_call_is_paged_for_data_for_clients_and_for_a_silent_market(prod: Any) -> None:
    assert set(_pages(prod)) == {"data-at-risk", "clients-suffer", "market-silent"}
    for page in [item for item in prod.resources("AWS::CloudWatch::CompositeAlarm") if item.stack == "Observability"]:
        for actions in ("AlarmActions", "OKActions"):
            (action,) = page.properties[actions]
            assert _text(action).endswith(":tickwire-prod-pages")


@pytest.mark.parametrize("name", FORWARD_ONLY)
def test_records_that_may_be_lost_page(prod: Any, name: str) -> None:
    construct = "".join(part.capitalize() for part in name.split("_"))
    rule = _pages(prod)["data-at-risk"]
    for kind in ("Expiring", "GivenUp", "Stopped"):
        assert f"{construct}{kind}" in rule


def test_what_screens_miss_pages_for_clients_and_not_for_data(prod: Any) -> None:
    pages = _pages(prod)
    for name in (
        "BroadcasterBehind",
        "BroadcastsFailed",
        "ScreensIntegrationErrors",
        "RestServerErrors",
        "IngestorKrakenLag",
    ):
        assert name in pages["clients-suffer"]
    assert "Broadcaster" not in pages["data-at-risk"]


def test_what_a_page_is_made_of_pages_nobody_by_itself(prod: Any) -> None:
    rules = " ".join(_pages(prod).values())
    # A venue that goes silent with others would otherwise page once for each of them.
    assert [
        f"{alarm.stack}/{alarm.name}"
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.name in rules and any(_text(action).endswith("-pages") for action in alarm.properties["AlarmActions"])
    ] == []


@pytest.mark.parametrize("venue", ["Binance", "Coinbase", "Kraken"])
def test_a_venue_that_goes_silent_pages(prod: Any, venue: str) -> None:
    assert f"Ingestor{venue}Silent" in _pages(prod)["market-silent"]


def test_a_client_that_gets_nothing_pages_even_where_nobody_tells(prod: Any) -> None:
    (alarm,) = [
        alarm
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "CanarySuccess"
    ]
    assert alarm.properties["TreatMissingData"] == "breaching"
    assert alarm.name in _pages(prod)["clients-suffer"]


def test_ninety_nine_of_a_hundred_trades_are_promised_within_a_second(prod: Any) -> None:
    (alarm,) = [
        alarm.properties
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if alarm.properties.get("MetricName") == "EndToEndLatency"
    ]
    assert (alarm["ExtendedStatistic"], alarm["Threshold"]) == ("p99", 1000)


@pytest.mark.parametrize("venue", ["binance", "coinbase", "kraken"])
def test_a_venue_that_sends_too_little_for_the_hour_is_noticed(prod: Any, venue: str) -> None:
    (alarm,) = [
        alarm.properties
        for alarm in prod.resources("AWS::CloudWatch::Alarm")
        if str({"Name": "venue", "Value": venue}) in str(alarm.properties) and "ThresholdMetricId" in alarm.properties
    ]
    assert alarm["ComparisonOperator"] == "LessThanLowerThreshold"
    (band,) = [item for item in alarm["Metrics"] if item["Id"] == alarm["ThresholdMetricId"]]
    assert band["Expression"].startswith("ANOMALY_DETECTION_BAND(")


def _regions(application: Any) -> dict[str, str]:
    """Give the region of each stack."""
    manifest = json.loads((application.folder / "manifest.json").read_text())
    return {
        name.rpartition("-")[2]: artifact["environment"].rpartition("/")[2]
        for name, artifact in manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def test_every_alarm_of_the_region_is_on_the_overview(prod: Any) -> None:
    regions = _regions(prod)
    (body,) = [
        json.dumps(dashboard.properties["DashboardBody"])
        for dashboard in prod.resources("AWS::CloudWatch::Dashboard")
        if dashboard.properties["DashboardName"] == "tickwire-prod-overview"
    ]
    alarms = [
        *prod.resources("AWS::CloudWatch::Alarm"),
        *prod.resources("AWS::CloudWatch::CompositeAlarm"),
    ]
    near = [alarm for alarm in alarms if regions[alarm.stack] == regions["Observability"]]
    assert len(near) > 50
    assert [f"{alarm.stack}/{alarm.name}" for alarm in near if alarm.name not in body] == []


def test_the_dashboards_say_something_within_the_limits_of_cloudwatch(prod: Any) -> None:
    dashboards = _dashboards(prod)
    assert {name.rpartition("-")[2] for name in dashboards} >= {
        "overview", "ingestion", "stages", "stores", "delivery", "model", "cost"
    }  # fmt: skip
    for name, widgets in dashboards.items():
        counts = [len(widget["properties"]["metrics"]) for widget in widgets if widget["type"] == "metric"]
        assert min(counts) > 0, name
        assert max(counts) <= METRICS_A_WIDGET, name
        assert sum(counts) <= METRICS_A_DASHBOARD, name
        # The grid has 24 columns; a widget beyond them is refused.
        assert all(widget["x"] + widget["width"] <= 24 for widget in widgets), name


def test_a_dashboard_holds_no_other_stack_back(prod: Any) -> None:
    template = json.dumps(prod.templates["Observability"])
    assert "Fn::GetStackOutput" in template
    assert "Fn::ImportValue" not in template
    assert not any(
        "Observability" in json.dumps(other) for name, other in prod.templates.items() if name != "Observability"
    )


def test_the_canary_comes_every_minute_and_may_do_nothing_but_let_itself_in(prod: Any) -> None:
    function = prod.function("canary")
    (rule,) = [item for item in prod.resources("AWS::Events::Rule") if item.stack == "Observability"]
    assert rule.properties["ScheduleExpression"] == "rate(1 minute)"
    assert [target["Arn"] for target in rule.properties["Targets"]] == [{"Fn::GetAtt": [function.name, "Arn"]}]
    assert function.properties["Timeout"] < 60
    assert prod.actions_of("canary") == {
        # A ticket of its own.
        "dynamodb:PutItem",
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }


def test_the_canary_watches_the_busiest_symbol_of_each_venue(prod: Any) -> None:
    watched = prod.variables(prod.function("canary"))["TICKWIRE_SYMBOLS"]
    assert watched.split(",") == ["binance:BTC-USDT", "coinbase:BTC-USD", "kraken:BTC-USD"]


def test_no_function_writes_to_a_log_that_lambda_makes_for_it(prod: Any) -> None:
    groups = {(group.stack, group.name) for group in prod.resources("AWS::Logs::LogGroup")}
    functions = prod.resources("AWS::Lambda::Function")
    assert any("CustomResourceProvider" in function.name for function in functions)
    for function in functions:
        group = function.properties.get("LoggingConfig", {}).get("LogGroup", {})
        assert (function.stack, group.get("Ref")) in groups, function.name


def test_the_saved_queries_ask_for_fields_that_are_logged(prod: Any) -> None:
    code = "\n".join(
        path.read_text() for folder in ("lambdas", "ecs_tasks") for path in (PROJECT / folder).rglob("*.py")
    )
    queries = prod.resources("AWS::Logs::QueryDefinition")
    assert len(queries) == 5
    for query in queries:
        assert query.properties["LogGroupNames"]
        for message in re.findall(r'message (?:=|in \[)\s*("[^\]|]+")', query.properties["QueryString"]):
            for text in re.findall(r'"([^"]+)"', message):
                assert f'"{text}"' in code, text
