"""Everything that a stage decides, and what it refuses."""

from typing import Any, Self, cast

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cdk.settings.parts import (
    AccessSettings,
    AlarmSettings,
    AnalyticsSettings,
    ConsumerSettings,
    DatabaseSettings,
    DeliverySettings,
    FeedSettings,
    FunctionSettings,
    GovernanceSettings,
    IngestorSettings,
    LakeSettings,
    ModelSettings,
    StateStoreSettings,
    StreamSettings,
    TaskSettings,
)
from cdk.settings.stages import LOCAL, STAGES
from tickwire.venues.registry import FEEDS, new_feed

# Binance.com answers HTTP 451 to clients in the United States, and so to every region there.
_REFUSED_BY_BINANCE = "us-"


class _StageTable(TomlConfigSettingsSource):
    """One table of the TOML file."""

    def __init__(self, settings_cls: type[BaseSettings], stage: str) -> None:
        super().__init__(settings_cls)
        InitSettingsSource.__init__(self, settings_cls, dict(self.toml_data.get(stage, {})))


class StageSettings(BaseSettings):
    """Everything a stage decides. Names of resources are not here: CloudFormation gives them.

    ``region`` and ``account`` say where the stage stands; without an account it is the one whose
    credentials the CDK's command line has.
    ``max_record_age_seconds`` is how old a record a consumer still retries; it lies below the
    streams' retention, so that a record is handed to the failure bucket before Kinesis forgets it.
    ``visibility_factor`` is how many times its consumer's timeout a dead letter stays invisible;
    ``commit_visibility_seconds`` is how long all commits to the lake wait when one has failed.
    ``zones`` names the availability zones, where the region's first ``availability_zones`` will not do:
    which of them have MemoryDB differs from account to account.
    ``max_age_seconds`` is how far a trade's exchange time may lie behind its receive time.
    ``metrics_seconds`` is how often the tasks tell CloudWatch of themselves, and ``trace_every`` of how many
    records of trades X-Ray follows one (0: none).
    ``alarm_missing_minutes`` is how long a trade id may be missing before somebody is told.
    ``endpoint_zones`` is in how many zones the AWS APIs have an endpoint of the network's own, each of
    which costs by the hour: with fewer than there are zones, all depend on those.
    ``address`` names the egress address whose limits at the exchanges all tasks share.
    ``protected`` keeps the stateful stacks and their data when somebody deletes the application.

    Raises
    ------
    pydantic.ValidationError
        With everything found wrong; :func:`cdk.settings.settings_of` turns it into sentences.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", toml_file=None)

    stage: str
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    account: str | None = Field(default=None, pattern=r"^\d{12}$")
    alarms: AlarmSettings
    access: AccessSettings
    partitions: int = Field(ge=1)
    stream: StreamSettings
    max_record_age_seconds: int = Field(ge=60, le=604_800)
    max_age_seconds: int = Field(ge=1)
    feeds: tuple[FeedSettings, ...] = Field(min_length=1)
    database: DatabaseSettings
    state: StateStoreSettings
    lake: LakeSettings = LakeSettings()
    delivery: DeliverySettings = DeliverySettings()
    governance: GovernanceSettings
    ingestor: IngestorSettings
    backfiller: TaskSettings
    model: ModelSettings
    protected: bool
    log_retention_days: int
    availability_zones: int = Field(ge=2)
    bundle_dependencies: bool
    visibility_factor: int = Field(ge=1)
    commit_visibility_seconds: int
    dead_letter_window_seconds: int = Field(ge=0, le=300)
    alarm_iterator_age_seconds: int
    alarm_missing_minutes: int = Field(ge=1)
    metrics_seconds: int = Field(ge=0, le=60)
    trace_every: int = Field(ge=0)
    endpoint_zones: int = Field(ge=1)
    address: str = "shared"
    zones: tuple[str, ...] = ()
    analytics: AnalyticsSettings = AnalyticsSettings()
    consumers: dict[str, ConsumerSettings]
    functions: dict[str, FunctionSettings]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Lay the stage's table of the TOML file over the stage's defaults.

        Environment variables are not read: what is deployed follows from files under version control.
        """
        stage = str(cast("InitSettingsSource", init_settings).init_kwargs.get("stage"))
        return (
            init_settings,
            _StageTable(settings_cls, stage),
            InitSettingsSource(settings_cls, init_kwargs=dict(STAGES.get(stage, {}))),
        )

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        """Refuse settings that AWS would refuse, or that would lose records, before synthesis."""
        retention = self.stream.retention_hours * 3600
        commit_timeout = self.functions["lake_committer"].timeout_seconds
        checks = (
            (
                all(self.max_record_age(name) < retention for name in self.consumers),
                "max_record_age_seconds must lie below the retention: write it smaller",
            ),
            (
                self.stream.shards <= self.partitions,
                "more shards than partitions would leave shards empty: write stream.shards smaller",
            ),
            (
                all(reserved is None or reserved >= self.stream.shards for reserved in self._reserved()),
                "a function that reads a stream runs once a shard: write its `reserved` at least stream.shards",
            ),
            (
                self.database.min_capacity <= self.database.max_capacity,
                "database.max_capacity must be at least database.min_capacity",
            ),
            (
                self.lake.replica_region != self.region,
                "lake.replica_region must be another region than the stage's own",
            ),
            (
                self.protected or self.governance.audit_lock == "none",
                'a stage that can be deleted has no locked audit records: write governance.audit_lock = "none"',
            ),
            (all(feed.feed in FEEDS for feed in self.feeds), f"feeds are {', '.join(FEEDS)}"),
            (
                self.stage == LOCAL
                or not self.region.startswith(_REFUSED_BY_BINANCE)
                or "binance" not in {feed.feed for feed in self.feeds},
                'binance.com refuses clients in the United States: write feed = "binance-us", or a region elsewhere',
            ),
            (
                1 <= self.ingestor.holders <= min(2, self.ingestor.tasks),
                "each feed is held by 1 or 2 tasks, and by no more than there are: write ingestor.tasks larger",
            ),
            (
                all(
                    self.ingestor.tasks * self.ingestor.max_groups >= self.ingestor.holders * len(groups)
                    for groups in self.groups().values()
                ),
                "ingestor.max_groups would leave feeds that no task may hold: write it or symbols_a_group larger",
            ),
            (
                self.ingestor.max_tasks >= self.ingestor.tasks,
                "ingestor.max_tasks must be at least ingestor.tasks",
            ),
            (
                self.stage == LOCAL or self.metrics_seconds > 0,
                "the alarms of the tasks live on their metrics: write metrics_seconds = 60",
            ),
            (self.backfiller.tasks <= 2, "there are 1 or 2 backfiller tasks: the second only stands by"),
            (
                self.commit_visibility_seconds >= commit_timeout,
                f"commit_visibility_seconds must be at least {commit_timeout}, the lake_committer's timeout",
            ),
            (
                (len(self.zones) or self.availability_zones) >= 2 and len(set(self.zones)) == len(self.zones),
                "the database needs at least two zones, each named once",
            ),
            (
                (self.access.domain is None) == (self.access.zone_id is None),
                "a domain needs its hosted zone: write access.domain and access.zone_id, or neither",
            ),
            (
                not any(word in (self.access.login_prefix or "") for word in ("aws", "amazon", "cognito")),
                "Cognito refuses access.login_prefix with aws, amazon or cognito in it: write another",
            ),
            (
                all(zone.startswith(self.region) for zone in self.zones),
                f"zones must lie in {self.region}, the stage's region",
            ),
        )
        wrong = [message for holds, message in checks if not holds]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def changed(self, **changes: Any) -> Self:
        """Give a copy with other values, checked as these were.

        Raises
        ------
        pydantic.ValidationError
            If the changed settings are refused.
        """
        return type(self)(**{**self.model_dump(), **changes})

    def groups(self) -> dict[str, tuple[FeedSettings, ...]]:
        """Give the groups of symbols by venue: a feed of it and at most ``ingestor.symbols_a_group`` of its symbols."""
        size = self.ingestor.symbols_a_group
        groups: dict[str, tuple[FeedSettings, ...]] = {}
        for feed in self.feeds:
            if feed.feed in FEEDS:
                parts = (feed.symbols[start : start + size] for start in range(0, len(feed.symbols), size))
                venue = new_feed(feed.feed).venue
                groups[venue] = (
                    *groups.get(venue, ()),
                    *(FeedSettings(feed=feed.feed, symbols=part) for part in parts),
                )
        return groups

    def posts_per_second(self) -> float:
        """Give a broadcaster's share of the account's quota of posts: there is one a shard at a time."""
        return self.delivery.posts_per_second / (self.stream.shards or self.delivery.on_demand_shards)

    def _reserved(self) -> list[int | None]:
        return [self.functions[name].reserved for name in self.consumers]

    def max_record_age(self, consumer: str) -> int:
        """Give the age, in seconds, at which a consumer gives a record up."""
        own = self.consumers[consumer].max_record_age_seconds
        return self.max_record_age_seconds if own is None else own
