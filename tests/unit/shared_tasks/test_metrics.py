"""The lines from which CloudWatch makes metrics, by its specification of the embedded metric format."""

import asyncio
import json
import re
import time
from typing import Any

import pytest

from ecs_tasks.shared.metrics import LoopWatch, Metric, MetricsReport, Unit, counts, metric_line, milliseconds

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Bytes", "Percent", "Count", "Count/Second", "None"}


def check_against_specification(line: str) -> dict[str, Any]:
    """Give the document of a line after checking every MUST of the specification.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    # One event: no line break, and no more than the container's runtime carries in one piece.
    assert "\n" not in line
    assert len(line.encode()) < 16 * 1024
    document: dict[str, Any] = json.loads(line)
    metadata = document["_aws"]
    assert metadata.keys() == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(metadata["Timestamp"], int)
    assert isinstance(metadata["CloudWatchMetrics"], list)
    for directive in metadata["CloudWatchMetrics"]:
        assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
        assert re.fullmatch(r"[\w.\-#:/]{1,255}", directive["Namespace"])
        for dimensions in directive["Dimensions"]:
            assert 1 <= len(dimensions) <= 30
            assert all(isinstance(document[name], str) and document[name] for name in dimensions)
        assert len(directive["Metrics"]) <= 100
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert len(set(names)) == len(names)
        for metric in directive["Metrics"]:
            assert metric.keys() <= {"Name", "Unit", "StorageResolution"}
            assert metric["Unit"] in UNITS
            value = document[metric["Name"]]
            assert isinstance(value, int | float)
            assert not isinstance(value, bool)
    return document


def test_a_line_is_what_the_specification_asks_for() -> None:
    metrics = [*counts({"Trades": 7}), milliseconds("PublishLagMax", 0.01234), Metric("CpuShare", Unit.PERCENT, 12.5)]
    line = metric_line(metrics, service="ingestor", venue="kraken", time_ms=1_700_000_000_123)
    document = check_against_specification(line)
    assert document["_aws"]["Timestamp"] == 1_700_000_000_123
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Tickwire", [["service", "venue"]])
    assert (document["service"], document["venue"]) == ("ingestor", "kraken")
    assert (document["Trades"], document["PublishLagMax"], document["CpuShare"]) == (7, 12.34, 12.5)


def test_more_metrics_than_a_line_may_name_are_refused() -> None:
    metric_line(counts({f"M{n}": n for n in range(100)}), service="s", venue="v", time_ms=0)
    with pytest.raises(ValueError, match="101 metrics"):
        metric_line(counts({f"M{n}": n for n in range(101)}), service="s", venue="v", time_ms=0)


def test_a_value_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        metric_line([Metric("Share", Unit.PERCENT, float("nan"))], service="s", venue="v", time_ms=0)


def test_a_report_writes_a_whole_line_for_each_venue_at_once() -> None:
    written: list[str] = []
    MetricsReport(
        service="ingestor",
        seconds=60,
        look=lambda: {"kraken": counts({"Trades": 1}), "okx": counts({"Trades": 2})},
        write=written.append,
    ).report()
    (text,) = written
    documents = [check_against_specification(line) for line in text.splitlines()]
    assert text.endswith("\n")
    assert [(one["venue"], one["Trades"]) for one in documents] == [("kraken", 1), ("okx", 2)]
    assert abs(documents[0]["_aws"]["Timestamp"] - time.time() * 1000) < 60_000


async def test_a_loop_that_was_held_up_shows_for_how_long_and_once() -> None:
    watch = LoopWatch()
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(0.01)
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        pass
    await asyncio.sleep(0.01)
    lag, share = watch.take()
    # Held up for 0.6 s, of which 0.25 are its own sleep.
    assert (lag.name, lag.unit) == ("LoopLagMax", Unit.MILLISECONDS)
    assert 300 <= lag.value < 2000
    assert share.value > 50
    calm, _ = watch.take()
    assert calm.value == 0
    running.cancel()
