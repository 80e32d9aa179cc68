"""The parts that the settings of a stage are made of; bounds are AWS' own where no reason is given."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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

    ``shards`` is the number of provisioned shards; 0 means on-demand capacity. ``shard_metrics`` has
    Kinesis tell of each shard what goes in, which shows a hot one, at the price of three metrics a shard.
    """

    shards: int = Field(ge=0)
    retention_hours: int = Field(ge=24, le=8760)
    shard_metrics: bool = False


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
    meanwhile, and RDS Proxy keeps it from pausing. ``proxy`` puts RDS Proxy before it for callers that
    come and go; it is paid for as if it were eight capacity units.
    """

    min_capacity: float = Field(ge=0.5, le=256)
    max_capacity: float = Field(ge=1, le=256)
    readers: int = Field(ge=0, le=15)
    backup_days: int = Field(ge=1, le=35)
    proxy: bool = False


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


class LakeSettings(Part):
    """The lake's bucket.

    ``replica_region`` names a second region that gets a copy of every object within a quarter of an hour,
    and of every backup; None keeps all in the stage's own.
    """

    replica_region: str | None = Field(default=None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")


class GovernanceSettings(Part):
    """What watches the account, each once: switch off what it has already.

    ``trail`` is CloudTrail, ``config`` the recorder and rules of AWS Config, ``threats`` GuardDuty,
    ``backups`` the plan of AWS Backup with its vault. ``audit_days`` is how long the bucket of audit
    records keeps an object from being deleted or overwritten, by ``audit_lock``: ``governance`` lets who
    may bypass it do so, ``compliance`` nobody, the account's root included; ``none`` holds nothing.
    ``budget`` is in dollars a month, for the whole account; None has none.
    """

    trail: bool = True
    config: bool = True
    threats: bool = True
    backups: bool = True
    audit_days: int = Field(ge=1, le=36_500)
    audit_lock: Literal["none", "governance", "compliance"] = "none"
    budget: int | None = Field(default=None, ge=1)


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


class DeliverySettings(Part):
    """How fast messages go out to clients.

    ``posts_per_second`` is the account's quota of requests to WebSocket APIs in the region, which all broadcasters
    share: one a shard of the events' stream, or for ``on_demand_shards`` where its capacity is on demand.
    """

    posts_per_second: int = Field(default=10_000, ge=1)
    on_demand_shards: int = Field(default=4, ge=1)


class ModelSettings(Part):
    """The model: where it is served and trained, from how much, and how carefully it is replaced.

    ``instance_type`` serves each of the two variants, from ``instances`` up to ``max_instances`` of them;
    whether they are Graviton follows from its name. A run learns from ``train_days`` of bars and is judged on
    the ``holdout_days`` after them. ``capture_percent`` of the requests and answers are kept. A challenger
    stays ``bake_minutes`` at each share of the traffic, and has to answer ``min_invocations`` there. ``hour``
    is when a run begins, UTC.
    """

    instance_type: str = Field(pattern=r"^ml\.[a-z]+\d[a-z-]*\.\w+$")
    instances: int = Field(ge=1)
    max_instances: int = Field(ge=1)
    training_instance_type: str = Field(pattern=r"^ml\.[a-z]+\d[a-z-]*\.\w+$")
    train_days: int = Field(ge=30, le=730)
    holdout_days: int = Field(ge=5, le=90)
    capture_percent: int = Field(ge=1, le=100)
    # An alarm needs three minutes to be raised.
    bake_minutes: int = Field(ge=5, le=60)
    min_invocations: int = Field(ge=0)
    hour: int = Field(ge=0, le=23)

    @model_validator(mode="after")
    def _refuse_what_sagemaker_refuses(self) -> Self:
        for instance_type in (self.instance_type, self.training_instance_type):
            if re.match(r"ml\.[a-z]+\d[a-z]*d", instance_type):
                raise ValueError(
                    f"{instance_type} has a local disk, which takes no key of ours: write one without the d"
                )
        if self.max_instances < self.instances:
            raise ValueError("max_instances must be at least instances")
        if self.instance_type.startswith("ml.t2.") and self.max_instances > self.instances:
            raise ValueError("SageMaker does not scale t2: write max_instances = instances, or another instance_type")
        return self

    @property
    def on_graviton(self) -> bool:
        """Whether the instances that serve are ARM; SageMaker trains on x86 alone."""
        return re.match(r"ml\.[a-z]+\d+g", self.instance_type) is not None
