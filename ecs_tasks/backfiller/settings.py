"""The environment of the task, checked once at the start: a wrong value stops it with one sentence."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tickwire.venues.history import HISTORIES, new_history


class HistorySettings(BaseModel):
    """One venue's REST history, by the name of a feed of it.

    ``url`` is scheme, host and path prefix without a trailing slash; None means the venue's own address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: str
    url: str | None = None

    @field_validator("feed")
    @classmethod
    def _known(cls, feed: str) -> str:
        if feed not in HISTORIES:
            raise ValueError(f"no history {feed!r}; there are {', '.join(HISTORIES)}")
        return feed

    @field_validator("url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} does not start with http:// or https://")
        return url.rstrip("/") if url is not None else None


class BackfillerSettings(BaseSettings):
    """What the task reads from ``TICKWIRE_*``.

    Raises
    ------
    pydantic.ValidationError
        On construction, if a variable is missing or wrong; it names each one.
    """

    model_config = SettingsConfigDict(env_prefix="TICKWIRE_", frozen=True, extra="ignore")

    histories: Annotated[tuple[HistorySettings, ...], Field(min_length=1, max_length=256)]
    """Two feeds of one venue (both of Coinbase's) have one history, so the second is left out."""
    state_url: Annotated[str, Field(min_length=1)]
    """The Valkey that holds the validator's states."""
    minutes_url: str = ""
    """The same, by a user who may fill in minutes; empty for a task that fills in none."""
    raw_stream: Annotated[str, Field(min_length=1)]
    frames_dlq_url: Annotated[str, Field(min_length=1)]
    dead_letter_bucket: str = ""
    """S3 bucket for rows too large for a message; empty: they are cut short."""
    partitions: Annotated[int, Field(ge=1, le=4096)]
    coordination_table: str = ""
    """DynamoDB table of leases and budgets; empty for a task that shares neither with others."""
    address: Annotated[str, Field(min_length=1, max_length=100)] = "shared"
    """Name of the egress address, whose limits at the venues are shared by all who use it."""
    database_url: str = ""
    """PostgreSQL, whose table names the bars to recompute; empty for a task that repairs no bars."""
    database_iam: bool = False
    lake_bucket: str = ""
    lake_database: str = ""
    """Glue database of the lake's table."""
    scan_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5
    """How often the validator's states are read."""
    grace_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """How long ids may be missing before the history is asked for them."""
    settle_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long after Kinesis accepted trades the validator has to take them in, before they are fetched again."""
    retry_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Shortest backoff for ids that the history did not give."""
    max_retry_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Longest backoff."""
    second_look_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """How long after a page that lacks ids another one must lack them too, before they are absent; 0: one is enough."""
    tail_check_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """A symbol without a new trade for this long is looked up at the venue."""
    max_trades_per_second: Annotated[int, Field(ge=1, le=10_000_000)] = 20_000
    """Backfilled trades sent on, so that live ones keep their latency."""
    request_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    drain_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long SIGTERM waits for what was fetched to be accepted; ECS kills the task after 30 s."""
    metrics_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How often metrics are written to standard output for CloudWatch; 0: never."""
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"

    @property
    def repairs_bars(self) -> bool:
        """Whether the task recomputes bars from the lake too."""
        return bool(self.database_url)

    @model_validator(mode="after")
    def _lake_beside_database(self) -> "BackfillerSettings":
        named = (self.database_url, self.lake_bucket, self.lake_database)
        if any(named) and not all(named):
            raise ValueError("database_url, lake_bucket and lake_database go together: all of them, or none")
        return self

    @field_validator("histories")
    @classmethod
    def _one_url_a_venue(cls, histories: tuple[HistorySettings, ...]) -> tuple[HistorySettings, ...]:
        by_venue: dict[str, HistorySettings] = {}
        for entry in histories:
            first = by_venue.setdefault(new_history(entry.feed).venue, entry)
            if first.url != entry.url:
                raise ValueError(f"{first.feed} and {entry.feed} are one venue with two addresses")
        return tuple(by_venue.values())
