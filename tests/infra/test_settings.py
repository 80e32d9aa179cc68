"""The settings of the stages: where they come from, and what they refuse."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cdk.settings import InvalidSettings, UnknownStage, settings_of

ENOUGH = 'region = "eu-west-1"\nalarms.addresses = ["ops@example.com"]\n'


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Write a settings file and read a stage of it."""

    def read(text: str, stage: str = "dev") -> Any:
        file = tmp_path / "settings.toml"
        file.write_text(text)
        return settings_of(stage, file=file)

    return read


def test_an_unknown_stage_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownStage, match="no stage 'staging'; there are dev, prod, local"):
        settings_of("staging")


def test_the_file_says_what_differs_and_the_defaults_say_the_rest(written: Any) -> None:
    settings = written(f"[dev]\n{ENOUGH}database.max_capacity = 8\n[dev.functions.validator]\nmemory = 3008\n")
    assert settings.database.max_capacity == 8
    assert settings.database.min_capacity == settings_of("dev").database.min_capacity
    assert settings.functions["validator"].memory == 3008
    assert settings.functions["validator"].timeout_seconds == 60
    assert settings.functions["signals"].memory == 1769


def test_a_list_replaces_the_whole_list(written: Any) -> None:
    settings = written(f'[dev]\n{ENOUGH}feeds = [{{ feed = "kraken", symbols = ["BTC-USD"] }}]\n')
    assert [(feed.feed, feed.symbols) for feed in settings.feeds] == [("kraken", ("BTC-USD",))]


def test_every_missing_setting_is_named_with_what_to_write(written: Any) -> None:
    with pytest.raises(InvalidSettings) as refused:
        written("[prod]\n" + ENOUGH)
    assert "in settings.toml, table [dev]:" in str(refused.value)
    assert 'region: write region = "eu-west-1"' in str(refused.value)
    assert "alarms: write alarms.addresses = " in str(refused.value)


def test_everything_wrong_is_said_at_once(written: Any) -> None:
    with pytest.raises(InvalidSettings) as refused:
        written(f"[dev]\n{ENOUGH}foo = 1\n[dev.functions.validator]\nmemory = 64\n")
    assert "functions.validator.memory: Input should be greater than or equal to 128" in str(refused.value)
    assert "foo: there is no such setting" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[staging]\n", "'staging' is not a stage"),
        ('region = "eu-west-1"\n', "'region' is not a stage"),
        ("[dev\n", "is not TOML"),
        ('[dev]\nstage = "prod"\n', "write no `stage` in"),
    ],
)
def test_a_file_that_is_not_tables_of_stages_is_refused(written: Any, text: str, reason: str) -> None:
    with pytest.raises(InvalidSettings, match=reason):
        written(text)


def test_no_environment_variable_changes_what_is_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTITIONS", "1")
    monkeypatch.setenv("partitions", "1")
    assert settings_of("dev").partitions == 16


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stream = { shards = 1, retention_hours = 24 }", "below the retention"),
        ("stream = { shards = 17, retention_hours = 168 }", "more shards than partitions"),
        ('feeds = [{ feed = "mtgox", symbols = ["BTC-USD"] }]', "feeds are binance"),
        ("functions.signals.reserved = 1", "runs once a shard"),
        ("database.min_capacity = 0", "database.min_capacity: Input should be greater than or equal to 0.5"),
        ("database.min_capacity = 8", "database.max_capacity must be at least"),
        ("commit_visibility_seconds = 59", "commit_visibility_seconds must be at least 60"),
        ("ingestor.holders = 2", "no more than there are"),
        ("ingestor.holders = 0", "1 or 2 tasks"),
        ("ingestor = { holders = 3, tasks = 3, max_tasks = 3 }", "1 or 2 tasks"),
        ("ingestor = { symbols_a_group = 1, max_groups = 2 }", "feeds that no task may hold"),
        ("ingestor.tasks = 2", "ingestor.max_tasks must be at least ingestor.tasks"),
        ("ingestor.spot = -1", "ingestor.spot: Input should be greater than or equal to 0"),
        ("metrics_seconds = 0", "write metrics_seconds = 60"),
        ("backfiller.tasks = 0", "backfiller.tasks: Input should be greater than or equal to 1"),
        ("backfiller.tasks = 3", "1 or 2 backfiller tasks"),
        ('zones = ["eu-west-1a"]', "two zones"),
        ('zones = ["eu-west-1a", "eu-west-1a"]', "each named once"),
        ('zones = ["us-east-1a", "us-east-1b"]', "zones must lie in eu-west-1"),
        ("alarms.addresses = []", "alarms.addresses: Tuple should have at least 1 item"),
        ('alarms.addresses = ["nobody"]', "alarms.addresses.0: String should match pattern"),
        ('access.domain = "market.example.com"', "a domain needs its hosted zone"),
        ('access.zone_id = "Z0123456789"', "a domain needs its hosted zone"),
        ('access.login_prefix = "my-amazon-login"', "Cognito refuses access.login_prefix"),
        ("access.rate_limit = 9", "access.rate_limit: Input should be greater than or equal to 10"),
    ],
)
def test_settings_that_aws_would_refuse_or_that_would_lose_records_are_refused(
    written: Any, text: str, reason: str
) -> None:
    enough = ENOUGH if "alarms" not in text else 'region = "eu-west-1"\n'
    with pytest.raises(InvalidSettings, match=reason):
        written(f"[dev]\n{enough}{text}\n")


def test_binance_com_is_refused_where_it_refuses_its_clients(written: Any) -> None:
    american = ENOUGH.replace("eu-west-1", "us-east-1")
    with pytest.raises(InvalidSettings, match=r"binance\.com refuses clients in the United States"):
        written(f"[dev]\n{american}")
    written(f'[dev]\n{american}feeds = [{{ feed = "binance-us", symbols = ["BTC-USD"] }}]\n')


def test_the_symbols_of_a_venue_are_cut_into_groups_whichever_of_its_feeds_they_come_by(written: Any) -> None:
    settings = written(
        f"[dev]\n{ENOUGH}ingestor.symbols_a_group = 2\n"
        """feeds = [
            { feed = "coinbase", symbols = ["BTC-USD", "ETH-USD", "SOL-USD"] },
            { feed = "kraken", symbols = ["BTC-USD"] },
            { feed = "coinbase-advanced", symbols = ["XRP-USD"] },
        ]"""
    )
    groups = {venue: [(one.feed, one.symbols) for one in parts] for venue, parts in settings.groups().items()}
    assert groups == {
        "coinbase": [
            ("coinbase", ("BTC-USD", "ETH-USD")),
            ("coinbase", ("SOL-USD",)),
            ("coinbase-advanced", ("XRP-USD",)),
        ],
        "kraken": [("kraken", ("BTC-USD",))],
    }


def test_a_changed_copy_is_judged_like_the_original() -> None:
    assert settings_of("dev").changed(partitions=32).partitions == 32
    with pytest.raises(ValidationError, match="more shards than partitions"):
        settings_of("dev").changed(partitions=1)


@pytest.mark.parametrize("stage", ["dev", "prod", "local"])
def test_no_stage_reads_trades_past_the_streams_retention(stage: str) -> None:
    settings = settings_of(stage)
    assert settings.max_record_age_seconds < settings.stream.retention_hours * 3600


def test_broadcasters_share_the_quota_of_posts_one_a_shard(written: Any) -> None:
    assert settings_of("prod").posts_per_second() == 10_000 / 8
    assert written(f"[dev]\n{ENOUGH}delivery.posts_per_second = 30_000\n").posts_per_second() == 15_000
    assert written(f"[dev]\n{ENOUGH}stream = {{ shards = 0, retention_hours = 168 }}\n").posts_per_second() == 2_500
