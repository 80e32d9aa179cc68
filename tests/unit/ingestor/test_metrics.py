"""What CloudWatch is told of an ingestor is what its /stats say."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from ecs_tasks.ingestor.feed_stats import FeedStats
from ecs_tasks.ingestor.metrics import IngestorMetrics, Standing
from ecs_tasks.ingestor.stats import Histogram, Stats
from ecs_tasks.ingestor.task import IngestorTask


def standing(**changes: Any) -> Standing:
    fields = {"groups": {}, "sockets": {}, "pending_trades": 0, "pending_frames": 0, "stalled_seconds": 0.0}
    return Standing(**(fields | changes))


def values(metrics: list[Any]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics}


def test_each_look_gives_what_came_since_the_last_one_by_venue() -> None:
    stats = Stats()
    metrics = IngestorMetrics(stats, {"coinbase": "coinbase", "coinbase-advanced": "coinbase", "kraken": "kraken"})
    stats.feeds = {"coinbase": FeedStats(frames=10, trades=7), "coinbase-advanced": FeedStats(frames=5, trades=5)}
    first = metrics.look(standing(groups={"coinbase": 2}, sockets={"coinbase": 1}))
    stats.feeds["coinbase"].trades += 3
    stats.feeds["coinbase"].rejects["not_json"] += 2
    second = metrics.look(standing())
    seen = values(first["coinbase"])
    assert (seen["Trades"], seen["Frames"], seen["Groups"], seen["Sockets"]) == (12, 15, 2, 1)
    seen = values(second["coinbase"])
    assert (seen["Trades"], seen["Frames"], seen["DeadFrames"], seen["Groups"]) == (3, 0, 2, 0)
    # A venue of which nothing comes is told of too: silence is what is looked for.
    assert values(first["kraken"])["Trades"] == values(second["kraken"])["Trades"] == 0


def test_the_share_of_slow_frames_is_told_only_where_frames_came() -> None:
    stats = Stats()
    metrics = IngestorMetrics(stats, {"kraken": "kraken"})
    stats.feeds = {"kraken": FeedStats(frames=200, slow_frames=50)}
    assert values(metrics.look(standing())["kraken"])["SlowFrameShare"] == 25.0
    assert "SlowFrameShare" not in values(metrics.look(standing())["kraken"])


def test_lag_is_of_the_time_since_the_last_look_and_of_what_still_waits() -> None:
    stats = Stats()
    metrics = IngestorMetrics(stats, {"kraken": "kraken"})
    stats.published.publish.add([0.010] * 98 + [2.0, 2.0])
    stats.published.receive_to_accepted.add([0.030] * 100)
    first = values(metrics.look(standing())["kraken"])
    # Buckets are 5 % apart.
    assert first["PublishLagMax"] == pytest.approx(2000, rel=0.06)
    assert first["PublishLagP99"] == pytest.approx(2000, rel=0.06)
    assert first["ReceiveToPutP50"] == pytest.approx(30, rel=0.06)
    stats.published.publish.add(0.010)
    second = values(metrics.look(standing())["kraken"])
    assert second["PublishLagMax"] == pytest.approx(10, rel=0.06)
    assert "ReceiveToPutP50" not in second
    third = values(metrics.look(standing(stalled_seconds=75.0))["kraken"])
    assert third["PublishLagMax"] == 75_000
    assert "PublishLagP99" not in third


def test_a_difference_of_histograms_is_what_was_counted_between() -> None:
    histogram = Histogram()
    histogram.add([0.5, 0.5])
    before = histogram.copy()
    histogram.add([0.001])
    assert histogram.since(before).percentile(100) == pytest.approx(0.001, rel=0.06)
    assert before.percentile(100) == pytest.approx(0.5, rel=0.06)


async def test_the_lines_of_a_run_add_up_to_its_stats(
    exchange: Any, stream: Any, tiny: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def serves(connection: ServerConnection) -> None:
        for number in range(1, 301):
            await exchange.say(connection, f"T BTC-USD {number}", f"Q BTC-USD {number}")
        await exchange.say(connection, "what is this")
        await exchange.listen(connection)

    async def accepts(frames: list[Any]) -> list[str | None]:
        return [None] * len(frames)

    exchange.scripts = [serves]
    task = IngestorTask(
        tiny.settings_for(exchange.url, metrics_seconds=0.05),
        put=stream.put,
        send=accepts,
        new_feed=lambda name: tiny.Feed(),
    )
    run = asyncio.create_task(task.run())
    lines: list[Any] = []

    def written() -> list[Any]:
        lines.extend(json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"'))
        return lines

    await tiny.eventually(
        lambda: len(stream.trade_ids("BTC-USD")) == 300 and task.stats_json()["dead_frames_sent"] == 1
    )
    await tiny.eventually(lambda: len(written()) > 1)
    task.stop()
    assert await run
    written()
    assert {(line["service"], line["venue"]) for line in lines} == {("ingestor", "tiny")}
    sums: Counter[str] = Counter()
    for line in lines:
        for name in ("Trades", "Quotes", "Frames", "SlowFrames", "DeadFrames", "Reconnects", "PutRetries"):
            sums[name] += line[name]
    (feed,) = task.stats_json()["feeds"].values()
    assert sums == Counter(
        {
            "Trades": feed["trades"],
            "Quotes": feed["quotes"],
            "Frames": feed["frames"],
            "SlowFrames": feed["slow_frames"],
            "DeadFrames": sum(feed["rejects"].values()),
            "Reconnects": feed["reconnects"],
            "PutRetries": task.stats_json()["published"]["retries"],
        }
    )
    assert (sums["Trades"], sums["DeadFrames"]) == (300, 1)
    assert all(line["LoopLagMax"] >= 0 and line["CpuShare"] >= 0 for line in lines)


async def test_without_a_time_set_nothing_is_written(
    exchange: Any, stream: Any, tiny: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange.scripts = [exchange.listen]
    task = IngestorTask(
        tiny.settings_for(exchange.url), put=stream.put, send=stream.put, new_feed=lambda name: tiny.Feed()
    )
    run = asyncio.create_task(task.run())
    await tiny.eventually(lambda: exchange.connections == 1)
    task.stop()
    assert await run
    assert "_aws" not in capsys.readouterr().out
