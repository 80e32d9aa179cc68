"""The environment of the task, checked once at the start: a wrong value stops it with one sentence."""

import hashlib
import re
from collections import Counter
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tickwire.venues.registry import FEEDS

_CANONICAL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,10}", re.ASCII)


class FeedSettings(BaseModel):
    """One connection: a feed and the group of symbols that it carries.

    ``symbols`` are canonical (``BTC-USDT``). ``url`` is scheme, host and path prefix without a
    trailing slash; None means the venue's own address. ``group`` names the entry among the tasks
    that share the table; None makes a name of the feed and the symbols, in whatever order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: str
    symbols: Annotated[tuple[str, ...], Field(min_length=1, max_length=1024)]
    url: str | None = None
    group: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] | None = None

    @property
    def name(self) -> str:
        """The group's name, the same in every task that is given these symbols of this feed."""
        if self.group is not None:
            return self.group
        digest = hashlib.sha256(" ".join(sorted(self.symbols)).encode()).hexdigest()
        return f"{self.feed}-{digest[:12]}"

    @property
    def label(self) -> str:
        """What notices call the connection: the group's given name, or the feed's."""
        return self.group or self.feed

    @field_validator("feed")
    @classmethod
    def _known(cls, feed: str) -> str:
        if feed not in FEEDS:
            raise ValueError(f"no feed {feed!r}; there are {', '.join(FEEDS)}")
        return feed

    @field_validator("symbols")
    @classmethod
    def _canonical(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in symbols:
            if _CANONICAL.fullmatch(symbol) is None:
                raise ValueError(f"{symbol!r} is not a canonical symbol such as BTC-USDT")
        if len(set(symbols)) != len(symbols):
            raise ValueError("a symbol is named twice")
        return symbols

    @field_validator("url")
    @classmethod
    def _websocket(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("ws://", "wss://")):
            raise ValueError(f"{url!r} does not start with ws:// or wss://")
        return url.rstrip("/") if url is not None else None


class IngestorSettings(BaseSettings):
    """What the task reads from ``TICKWIRE_*``.

    Raises
    ------
    pydantic.ValidationError
        On construction, if a variable is missing or wrong; it names each one.
    """

    model_config = SettingsConfigDict(env_prefix="TICKWIRE_", frozen=True, extra="ignore")

    feeds: Annotated[tuple[FeedSettings, ...], Field(min_length=1, max_length=256)]
    raw_stream: Annotated[str, Field(min_length=1)]
    frames_dlq_url: Annotated[str, Field(min_length=1)]
    partitions: Annotated[int, Field(ge=1, le=4096)]
    dead_letter_bucket: str = ""
    """Takes rejected frames too large for a message, which are else cut short."""
    flush_milliseconds: Annotated[float, Field(ge=1, le=1000)] = 20.0
    """How long a row waits for company before its record is sent."""
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    max_pending_trades: Annotated[int, Field(ge=1000)] = 500_000
    """Trades held in memory and not yet accepted by Kinesis at which the sockets stop being read."""
    max_pending_frame_bytes: Annotated[int, Field(ge=1024 * 1024)] = 64 * 1024 * 1024
    """Rejected frames held and not yet accepted by SQS at which their connection stops being read."""
    quotes_per_second: Annotated[float, Field(gt=0, le=1000)] = 10.0
    """Quotes of one symbol are conflated to at most this rate, the latest one winning."""
    put_concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    """PutRecords calls under way at once."""
    drain_seconds: Annotated[float, Field(gt=0)] = 25.0
    """How long SIGTERM waits for what is held to be accepted; ECS kills a task after 30 s unless told otherwise."""
    coordination_table: Annotated[str, Field(min_length=1)] | None = None
    """DynamoDB table by which tasks share the feeds as groups; without it this task holds them all."""
    holders: Annotated[int, Field(ge=1, le=2)] = 1
    """How many tasks hold each group at once; the second one's trades are removed as duplicates."""
    max_groups: Annotated[int, Field(ge=1)] | None = None
    """Groups that this task holds at most."""
    fleet: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "ingestor"
    """Names the tasks that share these feeds: they alone count in one another's fair share."""
    address: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,100}$")] = "shared"
    """Names the egress address, behind which all tasks share the venues' limits."""
    lease_seconds: Annotated[float, Field(ge=1, le=300)] = 15.0
    """A group whose holder is silent for so long may be taken by another task."""
    metrics_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How often metrics are written to standard output for CloudWatch; 0: never."""
    trace_every: Annotated[int, Field(ge=0)] = 0
    """One record of trades in so many is followed through the stages by X-Ray; 0: none."""
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"

    @model_validator(mode="after")
    def _groups_differ(self) -> Self:
        twice = [name for name, count in Counter(entry.name for entry in self.feeds).items() if count > 1]
        if self.coordination_table is not None and twice:
            raise ValueError(f"the group {twice[0]!r} is named twice; TICKWIRE_HOLDERS=2 has groups held by two tasks")
        return self
