"""The settings of the stages: what they refuse."""

from dataclasses import replace

import pytest

from cdk.settings import (
    DatabaseSettings,
    FeedSettings,
    InvalidSettings,
    StreamSettings,
    UnknownStage,
    settings_of,
)


def test_an_unknown_stage_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownStage, match="no stage 'staging'; there are dev, prod, local"):
        settings_of("staging")


def test_a_record_may_not_be_retried_longer_than_kinesis_keeps_it() -> None:
    with pytest.raises(InvalidSettings, match="below the retention"):
        replace(settings_of("dev"), stream=StreamSettings(shards=1, retention_hours=24))


def test_more_shards_than_partitions_are_refused() -> None:
    with pytest.raises(InvalidSettings, match="more shards than partitions"):
        replace(settings_of("dev"), stream=StreamSettings(shards=17, retention_hours=168))


def test_an_unknown_feed_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="feeds are binance"):
        replace(settings_of("dev"), feeds=(FeedSettings(feed="mtgox", symbols=("BTC-USD",)),))


def test_a_database_that_may_pause_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="minimum capacity"):
        replace(
            settings_of("dev"),
            database=DatabaseSettings(min_capacity=0, max_capacity=1, readers=0, backup_days=1),
        )


def test_a_commit_may_not_come_back_while_its_function_may_still_run() -> None:
    with pytest.raises(InvalidSettings, match="commit_visibility_seconds must be at least 60"):
        replace(settings_of("dev"), commit_visibility_seconds=59)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"holders": 2}, "no more than there are"),
        ({"holders": 0}, "1 or 2 tasks"),
        ({"holders": 3, "tasks": 3}, "1 or 2 tasks"),
        ({"max_groups": 2}, "feeds that no task may hold"),
    ],
)
def test_feeds_that_the_tasks_cannot_share_as_asked_are_refused(changes: dict[str, int], reason: str) -> None:
    dev = settings_of("dev")
    with pytest.raises(InvalidSettings, match=reason):
        replace(dev, ingestor=replace(dev.ingestor, **changes))


@pytest.mark.parametrize("tasks", [0, 3])
def test_a_third_backfiller_is_refused_as_is_none(tasks: int) -> None:
    dev = settings_of("dev")
    with pytest.raises(InvalidSettings, match="1 or 2 backfiller tasks"):
        replace(dev, backfiller=replace(dev.backfiller, tasks=tasks))


def test_a_single_zone_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="two zones"):
        replace(settings_of("dev"), zones=("us-east-1a",))


@pytest.mark.parametrize("stage", ["dev", "prod", "local"])
def test_no_stage_reads_trades_past_the_streams_retention(stage: str) -> None:
    settings = settings_of(stage)
    assert settings.max_record_age_seconds < settings.stream.retention_hours * 3600
