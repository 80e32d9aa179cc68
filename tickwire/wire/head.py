"""A record as MessagePack: all but the columns as it is, and those packed.

The head is an array: kind (its place in ``RecordKind``), partition, counter, source, when created (ns UTC), hops, then
trades, quotes, the sections, the trace and the conclusions; what is empty at its end is left out. Two things are told
in fewer bytes:

* source: decimal digits, which they nearly always are, as a number; one beyond int64 in parts of 64 bits, the
  lowest first
* hops: their times as ns after the record was created

A reader passes over what stands behind the fields that it knows. So what may be missed without harm, as the trace, can
be added at the end; whatever must not be missed is a new version of the envelope.
"""

import msgspec

from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.conclusions import Anomaly, IndicatorValues, Outcome, Prediction, Sentiment, TradingSignal, Whale
from tickwire.errors import DamagedRecord
from tickwire.records import (
    Bar,
    Continuity,
    Finding,
    Gap,
    Header,
    Heartbeat,
    Notice,
    Progress,
    Quarantined,
    Record,
    RecordKind,
    StaleBar,
)
from tickwire.trace import Trace
from tickwire.wire.rows import PackedRows, pack_rows, unpack_rows

_KINDS = tuple(RecordKind)
_SECTIONS = (
    "heartbeats",
    "notices",
    "progress",
    "quarantined",
    "gaps",
    "findings",
    "bars",
    "continuity",
    "stale_bars",
)
_CONCLUSIONS = ("indicators", "whales", "anomalies", "predictions", "outcomes", "signals", "sentiment")
_ALWAYS = 6
"""So many fields are written though they be empty."""
_MAX_DIGITS = 80
"""Longer than any sequence number of Kinesis (56 digits); reading a number takes time with the square of its length."""
_MAX_PARTS = 5
_NO_TRADES, _NO_QUOTES = TradeBatch.empty(), QuoteBatch.empty()
"""Of no rows nothing can be overwritten, so that all records share them."""
_LEAST, _MOST = -(2**63), 2**63 - 1


class _Head(msgspec.Struct, array_like=True):
    kind: int
    partition: int
    counter: int
    source: int | str | tuple[int, ...]
    created: int
    hops: tuple[tuple[str, int], ...]
    trades: PackedRows | None = None
    quotes: PackedRows | None = None
    heartbeats: tuple[Heartbeat, ...] = ()
    notices: tuple[Notice, ...] = ()
    progress: tuple[Progress, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    gaps: tuple[Gap, ...] = ()
    findings: tuple[Finding, ...] = ()
    bars: tuple[Bar, ...] = ()
    continuity: tuple[Continuity, ...] = ()
    stale_bars: tuple[StaleBar, ...] = ()
    trace: Trace | None = None
    indicators: tuple[IndicatorValues, ...] = ()
    whales: tuple[Whale, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    signals: tuple[TradingSignal, ...] = ()
    sentiment: tuple[Sentiment, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Head).decode


def encode_head(record: Record) -> bytes:
    """Give the bytes of a record."""
    header = record.header
    near = _near(header.created)
    fields = [
        _KINDS.index(header.kind),
        header.partition,
        header.counter,
        _from_source(header.source),
        header.created,
        [(stage, _wrapped(time - header.created)) for stage, time in header.hops],
        pack_rows(record.trades, near=near),
        pack_rows(record.quotes, near=near),
        *(getattr(record, name) for name in _SECTIONS),
        header.trace,
        *(getattr(record, name) for name in _CONCLUSIONS),
    ]
    while len(fields) > _ALWAYS and not fields[-1]:
        fields.pop()
    return _encode(fields)


def decode_head(data: bytes | memoryview) -> Record:
    """Read the bytes of a record.

    Raises
    ------
    DamagedRecord
        If they are not as :func:`encode_head` wrote them.
    """
    try:
        head = _decode(data)
    except (msgspec.MsgspecError, ValueError) as error:  # text that is no UTF-8 is a ValueError
        raise DamagedRecord(f"unreadable content: {error}") from error
    if not 0 <= head.kind < len(_KINDS):
        raise DamagedRecord(f"unreadable content: kind {head.kind}")
    near = _near(head.created)
    return Record(
        header=Header(
            _KINDS[head.kind],
            head.partition,
            head.counter,
            _to_source(head.source),
            head.created,
            tuple([(stage, _wrapped(head.created + time)) for stage, time in head.hops]),
            head.trace,
        ),
        trades=_NO_TRADES if head.trades is None else unpack_rows(TradeBatch, head.trades, near=near),
        quotes=_NO_QUOTES if head.quotes is None else unpack_rows(QuoteBatch, head.quotes, near=near),
        heartbeats=head.heartbeats,
        notices=head.notices,
        progress=head.progress,
        quarantined=head.quarantined,
        gaps=head.gaps,
        findings=head.findings,
        bars=head.bars,
        continuity=head.continuity,
        stale_bars=head.stale_bars,
        indicators=head.indicators,
        whales=head.whales,
        anomalies=head.anomalies,
        predictions=head.predictions,
        outcomes=head.outcomes,
        signals=head.signals,
        sentiment=head.sentiment,
    )


def _near(created: int) -> int:
    return created if _LEAST <= created <= _MOST else 0


def _wrapped(number: int) -> int:
    """Give the int64 that a number is, modulo 2**64."""
    return number if _LEAST <= number <= _MOST else (number - _LEAST) % 2**64 + _LEAST


def _from_source(source: str) -> int | str | tuple[int, ...]:
    if not (source.isascii() and source.isdigit()) or (source[0] == "0" and source != "0") or len(source) > _MAX_DIGITS:
        return source
    number = int(source)
    if number <= _MOST:
        return number
    parts = []
    while number:
        number, part = divmod(number, 2**64)
        parts.append(part)
    return tuple(parts)


def _to_source(source: int | str | tuple[int, ...]) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, int):
        return str(source)
    if len(source) > _MAX_PARTS:
        raise DamagedRecord(f"a source of {len(source)} parts")
    return str(sum(part << 64 * place for place, part in enumerate(source)))
