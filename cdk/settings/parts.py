"""The parts that the settings of a stage are made of; bounds are AWS' own where no reason is given."""

from typing import Annotated

from pydantic import Field

from cdk.settings.part import Part

EmailAddress = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class AlarmSettings(Part):
    """Who hears of alarms.

    ``addresses`` get every alarm by e-mail. ``pages`` get only those that mean that clients or data
    suffer now; empty sends those to ``addresses``. ``runbooks_url`` is what a link to a runbook
    begins with.
    """

    addresses: tuple[EmailAddress, ...] = Field(min_length=1)
    pages: tuple[EmailAddress, ...] = ()
    runbooks_url: str = "docs/runbooks"


class StreamSettings(Part):
    """One Kinesis stream.

    ``shards`` is the number of provisioned shards; 0 means on-demand capacity.
    """

    shards: int = Field(ge=0)
    retention_hours: int = Field(ge=24, le=8760)


class ConsumerSettings(Part):
    """How one function reads its stream.

    ``batch_size`` is in records, ``window_seconds`` the longest wait to fill a batch. With
    ``fan_out`` the records are pushed (about 70 ms); without it each shard is polled once a second.
    ``max_record_age_seconds`` is the age at which a record is given up; None takes the stage's.
    """

    batch_size: int = Field(ge=1, le=10_000)
    window_seconds: int = Field(ge=0, le=300)
    fan_out: bool
    max_record_age_seconds: int | None = Field(default=None, ge=60, le=604_800)


class FunctionSettings(Part):
    """The size of one function: ``memory`` in MiB (1,769 is one virtual CPU), ``timeout_seconds``.

    ``reserved`` sets aside that many concurrent executions, which no other function of the account can
    take, and is the most that this one may use. None shares what the account has: a new account has
    ten, of which none can be set aside.
    """

    memory: int = Field(ge=128, le=10_240)
    timeout_seconds: int = Field(ge=1, le=900)
    reserved: int | None = Field(default=None, ge=1)


class FeedSettings(Part):
    """One WebSocket connection of the ingestor: a feed of the registry and canonical symbols."""

    feed: str
    symbols: tuple[str, ...] = Field(min_length=1)


class DatabaseSettings(Part):
    """Aurora PostgreSQL Serverless v2: its bounds in Aurora capacity units (2 GiB each) and readers.

    The minimum stays above 0: a cluster that pauses takes many seconds to wake, the writers wait
    meanwhile, and RDS Proxy keeps it from pausing.
    """

    min_capacity: float = Field(ge=0.5, le=256)
    max_capacity: float = Field(ge=1, le=256)
    readers: int = Field(ge=0, le=15)
    backup_days: int = Field(ge=1, le=35)


class StateStoreSettings(Part):
    """MemoryDB for Valkey: the node type and how many replicas stand by."""

    node_type: str = Field(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$")
    replicas: int = Field(ge=0, le=5)


class AnalyticsSettings(Part):
    """What asks the lake, and what keeps it.

    ``scan_gigabytes`` is the most that one query of Athena may read, ``results_days`` how long its results
    are kept. ``orphan_days`` is the age from which a file that no snapshot names may be removed: above the
    14 days for which its announcement can wait in the committer's queue.
    ``bigquery_identity`` is the number of the identity that a BigQuery connection to AWS shows; with it,
    that connection may read the lake.
    """

    scan_gigabytes: int = Field(default=100, ge=1, le=7_000)
    results_days: int = Field(default=30, ge=1, le=3_650)
    orphan_days: int = Field(default=16, ge=15, le=365)
    bigquery_identity: str | None = Field(default=None, pattern=r"^\d{6,30}$")


class TaskSettings(Part):
    """A Fargate service: ``cpu`` of a task in units of 1/1024, its ``memory`` in MiB, how many tasks at once.

    The first ``on_demand`` tasks are on ordinary capacity; of those beyond, ``spot`` are on Fargate Spot,
    which AWS takes back with two minutes' notice, for each one that is not. With ``on_demand`` 0, all
    are on Spot; with ``spot`` 0, none.
    """

    cpu: int
    memory: int
    tasks: int = Field(ge=1)
    on_demand: int = Field(ge=0, le=100_000)
    spot: int = Field(ge=0, le=1_000)


class IngestorSettings(TaskSettings):
    """The ingestors, a service for each venue, of ``tasks`` to ``max_tasks`` tasks.

    A feed's symbols are cut into groups of at most ``symbols_a_group``, each a connection. A group is
    held by ``holders`` tasks at once, and a task holds ``max_groups`` at most.
    """

    flush_milliseconds: int = Field(ge=1)
    holders: int
    max_tasks: int = Field(ge=1)
    symbols_a_group: int = Field(ge=1, le=1_024)
    max_groups: int = Field(ge=1)


class AccessSettings(Part):
    """How clients get in.

    ``domain`` is a host name of ours for the page and both APIs, in the public hosted zone ``zone_id`` of
    Route 53; without it they have CloudFront's. ``login_prefix`` begins the address of the login pages, where no other
    account has taken it; without it, it is made of the stage and the account.
    ``threat_protection`` has Cognito refuse stolen passwords and odd logins, for a price a user. ``rate_limit`` is how
    many requests one address may send in five minutes.
    """

    domain: str | None = Field(default=None, pattern=r"^([a-z0-9-]+\.)+[a-z]{2,}$")
    zone_id: str | None = Field(default=None, pattern=r"^Z[A-Z0-9]+$")
    login_prefix: str | None = Field(default=None, pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
    threat_protection: bool = False
    rate_limit: int = Field(default=2_000, ge=10, le=2_000_000_000)
