"""What differs from stage to stage, typed. A stack reads its numbers here and nowhere else."""

from dataclasses import dataclass, field, replace

from tickwire.venues.registry import FEEDS


class UnknownStage(ValueError):
    """No settings are written down for the stage that was asked for."""


class InvalidSettings(ValueError):
    """The settings of a stage contradict each other or a limit of AWS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """One Kinesis stream.

    ``shards`` is the number of provisioned shards, or None for on-demand capacity.
    ``retention_hours`` is 24 to 8,760, the bounds of Kinesis.
    """

    shards: int | None
    retention_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSettings:
    """How one function reads its stream.

    ``batch_size`` is in records, ``window_seconds`` the longest wait to fill a batch. With
    ``fan_out`` the records are pushed (about 70 ms); without it each shard is polled once a second.
    ``max_record_age_seconds`` is the age at which a record is given up; None takes the stage's.
    """

    batch_size: int
    window_seconds: int
    fan_out: bool
    max_record_age_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """The size of one function: ``memory`` in MiB (1,769 is one virtual CPU), ``timeout_seconds``."""

    memory: int
    timeout_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSettings:
    """One WebSocket connection of the ingestor: a feed of the registry and canonical symbols."""

    feed: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Aurora PostgreSQL Serverless v2: its bounds in Aurora capacity units (2 GiB each) and readers.

    The minimum stays above 0: a cluster that pauses takes many seconds to wake, and the writers wait.
    """

    min_capacity: float
    max_capacity: float
    readers: int
    backup_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateStoreSettings:
    """MemoryDB for Valkey: the node type and how many replicas stand by."""

    node_type: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """A Fargate service: ``cpu`` of a task in units of 1/1024, its ``memory`` in MiB, how many tasks at once."""

    cpu: int
    memory: int
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestorSettings(TaskSettings):
    """The ingestor. Each feed is held by ``holders`` tasks at once, and a task holds ``max_groups`` at most."""

    flush_milliseconds: int
    holders: int
    max_groups: int


def _aws_consumers() -> dict[str, ConsumerSettings]:
    # Only the way to the screen is worth a fan-out consumer; the lake and the database are content
    # with the once-a-second poll that every shard offers for nothing.
    return {
        "validator": ConsumerSettings(batch_size=200, window_seconds=0, fan_out=True),
        "signals": ConsumerSettings(batch_size=200, window_seconds=0, fan_out=True),
        # A screen is for now: what is five minutes old is in the database, and would only keep it late.
        "broadcaster": ConsumerSettings(batch_size=200, window_seconds=0, fan_out=True, max_record_age_seconds=300),
        "store_writer": ConsumerSettings(batch_size=500, window_seconds=1, fan_out=False),
        "lake_writer": ConsumerSettings(batch_size=5000, window_seconds=10, fan_out=False),
    }


def _functions() -> dict[str, FunctionSettings]:
    return {
        "validator": FunctionSettings(memory=1769, timeout_seconds=60),
        "signals": FunctionSettings(memory=1769, timeout_seconds=60),
        "lake_writer": FunctionSettings(memory=1769, timeout_seconds=120),
        "lake_committer": FunctionSettings(memory=1024, timeout_seconds=60),
        "store_writer": FunctionSettings(memory=1024, timeout_seconds=60),
        "dead_letters": FunctionSettings(memory=512, timeout_seconds=60),
        "broadcaster": FunctionSettings(memory=1024, timeout_seconds=60),
        "websocket": FunctionSettings(memory=512, timeout_seconds=29),
        "migrations": FunctionSettings(memory=512, timeout_seconds=300),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """Everything a stage decides. Names of resources are not here: CloudFormation gives them.

    ``max_record_age_seconds`` is how old a record a consumer still retries; it lies below the
    streams' retention, so that a record is handed to the failure bucket before Kinesis forgets it.
    ``visibility_factor`` is how many times its consumer's timeout a dead letter stays invisible;
    ``commit_visibility_seconds`` is how long all commits to the lake wait when one has failed.
    ``zones`` names the availability zones; empty takes the region's first ``availability_zones``.
    ``max_age_seconds`` is how far a trade's exchange time may lie behind its receive time.
    ``address`` names the egress address whose limits at the exchanges all tasks share.
    ``protected`` keeps the stateful stacks and their data when somebody deletes the application.
    """

    stage: str
    partitions: int
    stream: StreamSettings
    max_record_age_seconds: int
    max_age_seconds: int
    feeds: tuple[FeedSettings, ...]
    database: DatabaseSettings
    state: StateStoreSettings
    ingestor: IngestorSettings
    backfiller: TaskSettings
    protected: bool
    log_retention_days: int
    availability_zones: int
    bundle_dependencies: bool
    visibility_factor: int
    commit_visibility_seconds: int
    dead_letter_window_seconds: int
    alarm_iterator_age_seconds: int
    address: str = "shared"
    zones: tuple[str, ...] = ()
    consumers: dict[str, ConsumerSettings] = field(default_factory=_aws_consumers)
    functions: dict[str, FunctionSettings] = field(default_factory=_functions)

    def __post_init__(self) -> None:
        """Refuse settings that AWS would refuse, or that would lose records, before synthesis.

        Raises
        ------
        InvalidSettings
            With the first contradiction found.
        """
        retention = self.stream.retention_hours * 3600
        commit_timeout = self.functions["lake_committer"].timeout_seconds
        ages = [self.max_record_age(name) for name in self.consumers]
        checks = (
            (self.partitions > 0, "partitions must be above 0"),
            (24 <= self.stream.retention_hours <= 8760, "retention_hours must be 24 to 8760"),
            (all(60 <= age <= 604800 for age in ages), "max_record_age_seconds must be 60 to 604800"),
            (all(age < retention for age in ages), "max_record_age_seconds must lie below the retention"),
            (
                self.stream.shards is None or self.stream.shards <= self.partitions,
                "more shards than partitions would leave shards empty",
            ),
            (self.database.min_capacity > 0, "the database's minimum capacity must be above 0"),
            (all(feed.feed in FEEDS for feed in self.feeds), f"feeds are {', '.join(FEEDS)}"),
            (
                1 <= self.ingestor.holders <= min(2, self.ingestor.tasks),
                "each feed is held by 1 or 2 tasks, and by no more than there are",
            ),
            (
                self.ingestor.tasks * self.ingestor.max_groups >= self.ingestor.holders * len(self.feeds),
                "max_groups would leave feeds that no task may hold",
            ),
            (1 <= self.backfiller.tasks <= 2, "there are 1 or 2 backfiller tasks: the second only stands by"),
            (self.visibility_factor >= 1, "a message must stay invisible for as long as its function may run"),
            (
                self.commit_visibility_seconds >= commit_timeout,
                f"commit_visibility_seconds must be at least {commit_timeout}, the lake_committer's timeout",
            ),
            (
                (len(self.zones) or self.availability_zones) >= 2 and len(set(self.zones)) == len(self.zones),
                "the database needs at least two zones, each named once",
            ),
        )
        for holds, message in checks:
            if not holds:
                raise InvalidSettings(f"stage {self.stage!r}: {message}")

    def max_record_age(self, consumer: str) -> int:
        """Give the age, in seconds, at which a consumer gives a record up."""
        own = self.consumers[consumer].max_record_age_seconds
        return self.max_record_age_seconds if own is None else own


_FEEDS = (
    FeedSettings(feed="binance", symbols=("BTC-USDT", "ETH-USDT", "SOL-USDT")),
    FeedSettings(feed="coinbase", symbols=("BTC-USD", "ETH-USD", "SOL-USD")),
    FeedSettings(feed="kraken", symbols=("BTC-USD", "ETH-USD", "SOL-USD")),
)

_DEV = StageSettings(
    stage="dev",
    partitions=16,
    stream=StreamSettings(shards=2, retention_hours=168),
    max_record_age_seconds=561_600,  # six and a half of the seven days
    max_age_seconds=86_400,
    feeds=_FEEDS,
    database=DatabaseSettings(min_capacity=0.5, max_capacity=4, readers=0, backup_days=7),
    state=StateStoreSettings(node_type="db.t4g.small", replicas=0),
    ingestor=IngestorSettings(cpu=1024, memory=2048, tasks=1, flush_milliseconds=20, holders=1, max_groups=16),
    # An hour of the busiest symbol takes 300 MB while its bars are recomputed, the libraries as much.
    backfiller=TaskSettings(cpu=512, memory=2048, tasks=1),
    protected=False,
    log_retention_days=14,
    availability_zones=2,
    bundle_dependencies=True,
    visibility_factor=6,  # as AWS advises for queues that feed functions
    commit_visibility_seconds=90,
    dead_letter_window_seconds=1,
    alarm_iterator_age_seconds=60,
)

_PROD = replace(
    _DEV,
    stage="prod",
    partitions=64,
    stream=StreamSettings(shards=8, retention_hours=168),
    database=DatabaseSettings(min_capacity=2, max_capacity=32, readers=1, backup_days=35),
    state=StateStoreSettings(node_type="db.r7g.large", replicas=1),
    # Two tasks read every feed; the validator removes the twin's trades.
    ingestor=IngestorSettings(cpu=2048, memory=4096, tasks=2, flush_milliseconds=10, holders=2, max_groups=16),
    backfiller=TaskSettings(cpu=1024, memory=4096, tasks=2),
    protected=True,
    log_retention_days=90,
    availability_zones=3,
    alarm_iterator_age_seconds=10,
)

# The laptop: the same stacks with short waits, and code that runs in the project's own environment.
_LOCAL = replace(
    _DEV,
    stage="local",
    stream=StreamSettings(shards=1, retention_hours=24),
    max_record_age_seconds=72_000,
    consumers={
        **_aws_consumers(),
        "lake_writer": ConsumerSettings(batch_size=2000, window_seconds=4, fan_out=False),
        # A laptop may sleep, and what it then shows is not a market that has moved on.
        "broadcaster": ConsumerSettings(batch_size=200, window_seconds=0, fan_out=True),
    },
    bundle_dependencies=False,
    functions={
        **_functions(),
        "lake_committer": FunctionSettings(memory=1024, timeout_seconds=30),
        "dead_letters": FunctionSettings(memory=512, timeout_seconds=30),
    },
    # A message whose function was killed comes back after 30 s rather than minutes.
    visibility_factor=1,
    commit_visibility_seconds=30,
    dead_letter_window_seconds=0,
)

_STAGES = {settings.stage: settings for settings in (_DEV, _PROD, _LOCAL)}


def settings_of(stage: str) -> StageSettings:
    """Give the settings of a stage: ``dev``, ``prod`` or ``local``.

    Raises
    ------
    UnknownStage
        If there is no such stage.
    """
    try:
        return _STAGES[stage]
    except KeyError as error:
        raise UnknownStage(f"no stage {stage!r}; there are {', '.join(_STAGES)}") from error
