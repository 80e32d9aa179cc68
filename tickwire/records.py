"""What a stream record says: one kind for all stages, with the sections that each stage fills.

trades-raw carries trades, quotes, heartbeats and notices as the ingestor saw them, findings of the
backfiller, and bars that it computed again from the lake; trades-clean carries good trades, quotes,
what was quarantined, gaps, findings and progress; market-events carries bars, conflated trades and
quotes, the same proofs of completeness and what people look at of them, and what is concluded from
the market.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.conclusions import Anomaly, IndicatorValues, Outcome, Prediction, Sentiment, TradingSignal, Whale
from tickwire.trace import Trace


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
    trace : what follows this record through the stages, for one record in many; None for all others
    """

    kind: RecordKind
    partition: int
    counter: int = 0
    source: str = "0"
    created: int = 0
    hops: tuple[tuple[str, int], ...] = ()
    trace: Trace | None = None


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
    ``checksum``, ``backfill`` (ids that the venue's history does not give, and why); ``count`` says
    how often since the last notice of the same kind and text.
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

    ``cause`` is ``id_jump`` (a later id came), ``heartbeat`` (the venue named a later id) or
    ``reopened`` (the ids were accepted once, and are in no store). ``after_time`` and
    ``before_time`` are the exchange times, ns UTC, between which the ids must lie: of the newest
    trade before them, and of what showed the gap; 0 where nothing tells.
    """

    venue: str
    symbol: str
    first: int
    last: int
    cause: str
    noticed: int
    after_time: int = 0
    before_time: int = 0


class FindingKind(StrEnum):
    """What a look beyond the streams found out about ids."""

    ABSENT = "absent"
    """The venue itself does not have them."""
    UNREADABLE = "unreadable"
    """The venue has them in rows that cannot be read; the rows are dead letters."""
    REOPEN = "reopen"
    """They were accepted and are in no store: they are missing again."""


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """What the venue's history, or an audit, says of ids ``first`` to ``last`` (inclusive).

    ``evidence`` says in a sentence how that is known: the request, the reply and what it held.
    ``after_time``, ns UTC, is the exchange time of a trade before them where a reopening knows one: a
    venue whose history goes by time is asked from there.
    """

    venue: str
    symbol: str
    first: int
    last: int
    kind: FindingKind
    evidence: str
    time: int
    after_time: int = 0


Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Inclusive (first, last) pairs of trade ids, rising and disjoint."""


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """The completeness of one symbol: totals since its first trade here, and what this record changed.

    ``last_id - first_id + 1 == accepted + missing + quarantined_ids + absent`` always holds, where
    ``quarantined_ids`` counts ids that are known only from quarantined rows, and ``absent`` those
    that the venue itself does not have. ``missing_ranges`` lists up to 64 ranges, oldest first.

    The fields after ``time`` are the record's own: whoever takes in each record exactly once keeps
    exact sets by these assignments, in this order::

        missing     = missing + opened - accepted_ids - quarantined_now - absent_now
        absent      = absent - accepted_ids - quarantined_now + absent_now
        quarantined = quarantined + quarantined_now - accepted_ids

    Attributes
    ----------
    opened : ids that became missing, also those that were found again within the record
    accepted_ids : ids accepted
    backfilled_ids : those of them that came from the venue's history
    quarantined_now : ids that became known only from a quarantined row
    absent_now : ids confirmed absent
    hours : (start of the hour in ns UTC, trades accepted, lowest id, highest id) by exchange time
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
    missing_ranges: Ranges
    time: int
    absent: int = 0
    opened: Ranges = ()
    accepted_ids: Ranges = ()
    backfilled_ids: Ranges = ()
    quarantined_now: Ranges = ()
    absent_now: Ranges = ()
    hours: tuple[tuple[int, int, int, int], ...] = ()


class HourState(msgspec.Struct, frozen=True, array_like=True):
    """How complete one hour (by exchange time) of a symbol is.

    ``missing``, ``absent`` and ``quarantined`` are ids of gaps, spread over the hours of the gap in
    proportion to time where one spans several, since a missing trade's own time is not known.
    """

    start: int
    """ns UTC, a multiple of an hour."""
    trades: int
    missing: int
    absent: int
    quarantined: int


class GapState(msgspec.Struct, frozen=True, array_like=True):
    """One gap from its first notice on, and how it was filled.

    ``first`` to ``last`` are as noticed. ``remaining + live + history + absent + quarantined``
    is always their number: still missing, came on a stream after all, came from the venue's history,
    confirmed absent, known only from quarantine. ``closed`` is when nothing remained, else 0.
    """

    first: int
    last: int
    cause: str
    noticed: int
    after_time: int
    before_time: int
    remaining: int
    live: int
    history: int
    absent: int
    quarantined: int
    closed: int


class Continuity(msgspec.Struct, frozen=True, array_like=True):
    """The record of one symbol as people look at it: its last hours and last gaps.

    Values are absolute, so the newest ``Continuity`` of a symbol stands by itself: ``hours`` in
    rising order, at most :data:`MAX_HOURS`, and ``gaps`` by ``noticed``, at most :data:`MAX_GAPS`,
    of which those still open come first to stay.
    """

    venue: str
    symbol: str
    time: int
    hours: tuple[HourState, ...]
    gaps: tuple[GapState, ...]


MAX_HOURS = 48
MAX_GAPS = 50


class StaleBar(msgspec.Struct, frozen=True, array_like=True):
    """A bar that got ``trades`` more after it was final, or was never sent: recompute it from the lake."""

    venue: str
    symbol: str
    interval: int
    """Seconds."""
    start: int
    """ns UTC."""
    trades: int


LAKE_REVISION = 1 << 40
"""Revisions of bars that were recomputed from the lake start here, above those of any live bar; the
counter of the newest clean record in the lake is added, so that a later look always wins."""


class Bar(msgspec.Struct, frozen=True, array_like=True):
    """One symbol's trades of one interval, exact.

    Prices are units of 10**-price_scale, volumes of 10**-size_scale, ``notional`` the exact
    sum of price x size in quote currency. ``revision`` grows with every amendment; ``final`` says
    that the stated lateness has passed. ``latest_receive`` is the newest receive time among its live
    trades, for latency; 0 where none is live.
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
    findings: tuple[Finding, ...] = ()
    continuity: tuple[Continuity, ...] = ()
    stale_bars: tuple[StaleBar, ...] = ()
    indicators: tuple[IndicatorValues, ...] = ()
    whales: tuple[Whale, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    signals: tuple[TradingSignal, ...] = ()
    sentiment: tuple[Sentiment, ...] = ()
