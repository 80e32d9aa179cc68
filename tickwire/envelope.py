"""The bytes of a stream record: magic, version, CRC-32, header, pcodec columns.

Layout, integers little-endian::

    0   4  magic  b"TKWR"
    4   1  version of the envelope, 1
    5   1  reserved, 0
    6   2  reserved, 0
    8   4  length of the whole envelope
    12  4  CRC-32 (IEEE) of everything from byte 16 on
    16  4  length of the head
    20     head: MessagePack of everything but the columns, and the length of each column
    ...    columns, one after the other, each a standalone pcodec file; empty batches have none

Its length makes an envelope self-delimiting, so a stream record may hold several, back to back: a
stage that caught up puts many in one go, without giving up their order (see :func:`split`).

Trades and quotes are sorted by instrument before they are packed (stable, so arrival order within
an instrument stays), because neighbours of one symbol are what pcodec's deltas live on.
"""

import struct
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from pcodec import ChunkConfig, standalone

from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.errors import DamagedRecord, UnknownRecordVersion
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
    StaleBar,
)
from tickwire.symbols import Instrument

MAGIC = b"TKWR"
VERSION = 1
MAX_RECORD_BYTES = 1024 * 1024
"""Kinesis' default limit of one record, data and partition key together."""

_FIXED = struct.Struct("<4sBBHIII")
_CHECKED_FROM = 16
_CONFIG = ChunkConfig(compression_level=4)
_MAX_ROWS = 2_000_000


class _Head(msgspec.Struct, array_like=True):
    header: Header
    trade_instruments: tuple[tuple[str, str, int, int], ...]
    trade_rows: int
    trade_columns: tuple[int, ...]
    quote_instruments: tuple[tuple[str, str, int, int], ...]
    quote_rows: int
    quote_columns: tuple[int, ...]
    heartbeats: tuple[Heartbeat, ...]
    notices: tuple[Notice, ...]
    quarantined: tuple[Quarantined, ...]
    gaps: tuple[Gap, ...]
    progress: tuple[Progress, ...]
    bars: tuple[Bar, ...]
    findings: tuple[Finding, ...] = ()
    continuity: tuple[Continuity, ...] = ()
    stale_bars: tuple[StaleBar, ...] = ()


_encode_head = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(_Head).decode


def encode(record: Record) -> bytes:
    """Give the bytes of a record. The same record always gives the same bytes."""
    trade_blocks = _pack(record.trades)
    quote_blocks = _pack(record.quotes)
    head = _encode_head(
        _Head(
            record.header,
            record.trades.instruments if trade_blocks else (),
            len(record.trades),
            tuple(map(len, trade_blocks)),
            record.quotes.instruments if quote_blocks else (),
            len(record.quotes),
            tuple(map(len, quote_blocks)),
            record.heartbeats,
            record.notices,
            record.quarantined,
            record.gaps,
            record.progress,
            record.bars,
            record.findings,
            record.continuity,
            record.stale_bars,
        )
    )
    body = b"".join((struct.pack("<I", len(head)), head, *trade_blocks, *quote_blocks))
    return struct.pack("<4sBBHII", MAGIC, VERSION, 0, 0, _CHECKED_FROM + len(body), crc32(body)) + body


def decode(data: bytes) -> Record:
    """Read the bytes of a record.

    Raises
    ------
    UnknownRecordVersion
        If the envelope's version is not this code's.
    DamagedRecord
        If anything else about the bytes is not as :func:`encode` wrote it.
    """
    if len(data) < _FIXED.size:
        raise DamagedRecord(f"{len(data)} bytes are too few for a record")
    magic, version, *reserved, length, checksum, head_length = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise DamagedRecord(f"starts with {magic!r}, not {MAGIC!r}")
    if version != VERSION:
        raise UnknownRecordVersion(f"record version {version}; this code reads version {VERSION}")
    if any(reserved):
        raise DamagedRecord(f"reserved bytes are {reserved}, not 0")
    if length != len(data):
        raise DamagedRecord(f"{len(data)} bytes of an envelope of {length}")
    if crc32(memoryview(data)[_CHECKED_FROM:]) != checksum:
        raise DamagedRecord("checksum does not match")
    try:
        head = _decode_head(memoryview(data)[_FIXED.size : _FIXED.size + head_length])
        offset = _FIXED.size + head_length
        if offset + sum(head.trade_columns) + sum(head.quote_columns) != len(data):
            raise DamagedRecord("length does not match its head")
        trades = _unpack(TradeBatch, data, offset, head.trade_columns, head.trade_instruments, head.trade_rows)
        offset += sum(head.trade_columns)
        quotes = _unpack(QuoteBatch, data, offset, head.quote_columns, head.quote_instruments, head.quote_rows)
    except (msgspec.MsgspecError, ValueError, TypeError, RuntimeError) as error:
        if isinstance(error, DamagedRecord):
            raise
        raise DamagedRecord(f"unreadable content: {error}") from error
    return Record(
        header=head.header,
        trades=trades,
        quotes=quotes,
        heartbeats=head.heartbeats,
        notices=head.notices,
        quarantined=head.quarantined,
        gaps=head.gaps,
        progress=head.progress,
        bars=head.bars,
        findings=head.findings,
        continuity=head.continuity,
        stale_bars=head.stale_bars,
    )


def split(data: bytes) -> list[bytes]:
    """Cut a stream record into its envelopes, one or more, without decoding them.

    Raises
    ------
    DamagedRecord
        If the lengths that the envelopes state do not add up to the record.
    """
    parts = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _FIXED.size:
            raise DamagedRecord(f"{len(data) - offset} bytes are too few for an envelope")
        magic, _, _, _, length, *_ = _FIXED.unpack_from(data, offset)
        if magic != MAGIC or not _FIXED.size <= length <= len(data) - offset:
            raise DamagedRecord(f"no whole envelope at byte {offset}")
        parts.append(data[offset : offset + length])
        offset += length
    return parts


def _pack(batch: TradeBatch | QuoteBatch) -> list[bytes]:
    if not len(batch):
        return []
    order = np.argsort(batch.instrument, kind="stable")
    return [
        standalone.simple_compress(np.ascontiguousarray(getattr(batch, name)[order], _wire_dtype(dtype)), _CONFIG)
        for name, dtype in batch.COLUMNS.items()
    ]


def _unpack(
    cls: type[Any],
    data: bytes,
    offset: int,
    lengths: tuple[int, ...],
    instruments: tuple[tuple[str, str, int, int], ...],
    rows: int,
) -> Any:
    if not rows:
        return cls.empty()
    if len(lengths) != len(cls.COLUMNS) or not 0 < rows <= _MAX_ROWS:
        raise DamagedRecord(f"{len(lengths)} columns of {rows} rows")
    columns = []
    for length, dtype in zip(lengths, cls.COLUMNS.values(), strict=True):
        column = standalone.simple_decompress(data[offset : offset + length])
        if column is None or len(column) != rows or column.dtype != _wire_dtype(dtype):
            raise DamagedRecord("a column has the wrong length or type")
        columns.append(column.astype(dtype, copy=False))
        offset += length
    if columns[0].min() < 0 or columns[0].max() >= len(instruments):
        raise DamagedRecord("a row names an instrument that the record does not list")
    return cls(tuple(Instrument(*i) for i in instruments), *columns)


def _wire_dtype(dtype: type[Any]) -> type[Any]:
    # pcodec packs 16 bits and wider.
    return np.int16 if dtype is np.int8 else dtype
