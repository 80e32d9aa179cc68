"""What a stream record says: one kind for all stages, with the sections that each stage fills.

trades-raw carries trades, quotes, heartbeats and notices as the ingestor saw them; trades-clean
carries good trades, quotes, what was quarantined, gaps and progress; market-events carries bars,
conflated trades and quotes, and the same proofs of completeness.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import msgspec

from tickwire.columns import QuoteBatch, TradeBatch


class RecordKind(StrEnum):
    """Which stream a record belongs to."""

    RAW = "raw"
    CLEAN = "clean"
    EVENTS = "events"


class Header(msgspec.Struct, frozen=True, array_like=True):
    """Where a record comes from.

    Attributes
    ----------
    partition : logical partition; a record never mixes two
    counter : dense per partition and stage (1, 2, 3 …) from the validator on; 0 on trades-raw
    source : what this record was made from: the upstream counter, or on trades-clean the
        Kinesis sequence number of the raw record; 0 on trades-raw
    created : ns UTC when the writing stage made it; deterministic stages copy their input's
    hops : (stage, ns UTC) pairs in the order passed, for latency only: repeats may differ here
    """

    kind: RecordKind
    partition: int
    counter: int = 0
    source: str = "0"
    created: int = 0
    hops: tuple[tuple[str, int], ...] = ()


class Heartbeat(msgspec.Struct, frozen=True, array_like=True):
    """A venue's word on the last trade id of a symbol (Coinbase), which shows a gap at the tail."""

    venue: str
    symbol: str
    last_trade_id: int
    exchange_time: int
    receive_time: int


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """Something about the feed that people should see: a rejected frame, drift, maintenance.

    ``kind`` is one of ``frame_rejected``, ``schema_drift``, ``venue_status``, ``connection``,
    ``checksum``, or of the bars that have to be recomputed from the stored trades: ``late_trade``
    (trades came after their bar was final), ``bars_withheld``; ``count`` says how often since
    the last notice of the same kind and text.
    """

    venue: str
    kind: str
    text: str
    count: int
    time: int


class Quarantined(msgspec.Struct, frozen=True, array_like=True):
    """A trade that broke a rule: kept whole, with the rule's name and a sentence.

    ``key`` is the same for the same row however often it is sent, so that dead letters are
    counted once. Numbers are decimal text, times ns UTC.
    """

    key: str
    venue: str
    symbol: str
    trade_id: int
    rule: str
    detail: str
    price: str
    size: str
    side: int
    exchange_time: int
    receive_time: int


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """Ids ``first`` to ``last`` (inclusive) that the venue must have sent and nobody here saw.

    ``cause`` is ``id_jump`` (a later id came) or ``heartbeat`` (the venue named a later id).
    """

    venue: str
    symbol: str
    first: int
    last: int
    cause: str
    noticed: int


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """The completeness of one symbol, in totals since its first trade here.

    ``last_id - first_id + 1 == accepted + missing + quarantined_ids`` always holds, where
    ``quarantined_ids`` counts ids that are known only from quarantined rows.
    ``missing_ranges`` lists up to 64 inclusive (first, last) pairs, oldest first.
    """

    venue: str
    symbol: str
    first_id: int
    last_id: int
    accepted: int
    duplicates: int
    quarantined: int
    quarantined_ids: int
    missing: int
    missing_ranges: tuple[tuple[int, int], ...]
    time: int


class Bar(msgspec.Struct, frozen=True, array_like=True):
    """One symbol's trades of one interval, exact.

    Prices are units of 10**-price_scale, volumes of 10**-size_scale, ``notional`` the exact
    sum of price x size in quote currency. ``revision`` grows with every amendment; ``final`` says
    that the stated lateness has passed. ``latest_receive`` is the newest receive time among its
    trades, for latency.
    """

    venue: str
    symbol: str
    interval: int
    """Seconds."""
    start: int
    """ns UTC, a multiple of the interval."""
    price_scale: int
    size_scale: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    buy_volume: int
    """Volume where the aggressor bought."""
    notional: Decimal
    trades: int
    first_id: int
    last_id: int
    revision: int
    final: bool
    latest_receive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A decoded stream record: header and sections, each empty where the stage has nothing."""

    header: Header
    trades: TradeBatch = field(default_factory=TradeBatch.empty)
    quotes: QuoteBatch = field(default_factory=QuoteBatch.empty)
    heartbeats: tuple[Heartbeat, ...] = ()
    notices: tuple[Notice, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    gaps: tuple[Gap, ...] = ()
    progress: tuple[Progress, ...] = ()
    bars: tuple[Bar, ...] = ()
