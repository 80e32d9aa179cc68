"""The bytes of a stream record: magic, version, length, CRC-32, and a head that holds its columns.

Layout, integers little-endian::

    0   4  magic  b"TKWR"
    4   1  version of the envelope, 2
    5   3  reserved, 0
    8   4  length of the whole envelope
    12  4  CRC-32 (IEEE) of everything from byte 16 on
    16     MessagePack, see ``tickwire/wire/head.py``

Its length makes an envelope self-delimiting, so a stream record may hold several, back to back: a
stage that caught up puts many in one go, without giving up their order (see :func:`split`).

The trace of a sampled record came later than the version and did not change it: its field stands behind all others, a
record without it is the same bytes as before, and a reader passes over fields at the end that it does not know. Code
from before the trace refuses them, though, and would send such a record to the dead letters: so its writer, the
ingestor, is deployed after all readers (``cdk/app_factory.py``), and back before them, or with sampling off.

Trades and quotes are sorted by instrument as they are packed (stable, so arrival order within
an instrument stays), because neighbours of one symbol are what small differences live on.
"""

import struct
from zlib import crc32

from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Record
from tickwire.wire.head import decode_head, encode_head

MAGIC = b"TKWR"
VERSION = 2
MAX_RECORD_BYTES = 1024 * 1024
"""Kinesis' default limit of one record, data and partition key together."""

_FIXED = struct.Struct("<4sB3sII")
_CHECKED_FROM = _FIXED.size


def encode(record: Record) -> bytes:
    """Give the bytes of a record. The same record always gives the same bytes.

    Raises
    ------
    ValueError
        If a batch has more rows than a record may hold, or rows of an instrument that it does not list.
    """
    body = encode_head(record)
    return _FIXED.pack(MAGIC, VERSION, bytes(3), _CHECKED_FROM + len(body), crc32(body)) + body


def decode(data: bytes) -> Record:
    """Read the bytes of a record. Its batches' columns are contiguous, writable and sorted by instrument.

    Raises
    ------
    UnknownRecordVersion
        If the envelope's version is not this code's.
    DamagedRecord
        If anything else about the bytes is not as :func:`encode` wrote it.
    """
    if len(data) < _FIXED.size:
        raise DamagedRecord(f"{len(data)} bytes are too few for a record")
    magic, version, reserved, length, checksum = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise DamagedRecord(f"starts with {magic!r}, not {MAGIC!r}")
    if version != VERSION:
        raise UnknownRecordVersion(f"record version {version}; this code reads version {VERSION}")
    if any(reserved):
        raise DamagedRecord(f"reserved bytes are {reserved!r}, not 0")
    if length != len(data):
        raise DamagedRecord(f"{len(data)} bytes of an envelope of {length}")
    body = memoryview(data)[_CHECKED_FROM:]
    if crc32(body) != checksum:
        raise DamagedRecord("checksum does not match")
    return decode_head(body)


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
        magic, _, _, length, _ = _FIXED.unpack_from(data, offset)
        if magic != MAGIC or not _FIXED.size < length <= len(data) - offset:
            raise DamagedRecord(f"no whole envelope at byte {offset}")
        parts.append(data[offset : offset + length])
        offset += length
    return parts
