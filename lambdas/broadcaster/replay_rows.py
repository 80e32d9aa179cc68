"""The rows of the replay log: what was said of every key by consecutive records of a partition. Pure, and light.

A block of records is one row, or several where it is large. Rows are ``log`` (``p3``, a partition), ``counter`` (of
the block's last record; of its further parts that plus 0.001, 0.002 …), ``first`` (of its first record), ``parts``,
``data`` (zlib over JSON) and ``expires`` (TTL, s UTC). At ``counter`` 0 is the partition's checkpoint.

A batch that comes again, cut elsewhere, is so written beside what was written of it, or over a block that ends where
it does; nothing that was posted leaves the log by that.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from lambdas.broadcaster.conflation import Said
from lambdas.broadcaster.heads import Heads, Span
from lambdas.broadcaster.value import Key

KEEP_SECONDS = 900
"""What a client missed can be had for so long."""

CHECKPOINT_LIFE = 7 * 86_400
CHECKPOINT_AT = 0

MAX_PART_BYTES = 380_000
"""Of JSON, which zlib makes no larger than DynamoDB's 400 KB a row."""

_SLACK_SECONDS = 60
_LEVEL = 1
_MAX_INFLATED = 64 * 1024 * 1024


class Update(msgspec.Struct, array_like=True, frozen=True):
    """What a block says of a key: the numbers that it got, and the values."""

    topic: str
    symbol: str
    first: int
    last: int
    values: Sequence[tuple[int, int, tuple[int | str, ...], msgspec.Raw]]

    @property
    def key(self) -> Key:
        """The topic and symbol."""
        return (self.topic, self.symbol)

    @property
    def span(self) -> Span:
        """The numbers."""
        return Span(self.first, self.last)

    def said(self) -> Iterator[Said]:
        """Give the values."""
        return (Said(*value) for value in self.values)


class Part(msgspec.Struct, array_like=True, frozen=True):
    """What a row holds; ``floor`` and ``base`` are those of :class:`lambdas.broadcaster.heads.Heads`."""

    floor: int
    base: int
    updates: Sequence[Update]


class Checkpoint(msgspec.Struct, array_like=True, frozen=True):
    """The numbers after the record ``last``, and from which record on not all is among the last values."""

    last: int
    not_stored_from: int
    heads: Heads


class Block(NamedTuple):
    """Consecutive records of a partition, as they go into the log."""

    source: int
    first: int
    last: int
    floor: int
    base: int
    updates: Sequence[Update]


class Row(NamedTuple):
    """A row of the log as it is read: one part of a block."""

    first: int
    last: int
    parts: int
    part: Part


_encode = msgspec.json.Encoder().encode
_part = msgspec.json.Decoder(Part).decode
_checkpoint = msgspec.json.Decoder(Checkpoint).decode


def log_name(source: int) -> str:
    """Give the partition key of a source's log."""
    return f"p{source}"


def rows_of(block: Block, *, now: float) -> list[dict[str, Any]]:
    """Give a block's rows as DynamoDB takes them (``now``: s UTC)."""
    parts = list(_parts(block))
    expires = int(now) + KEEP_SECONDS + _SLACK_SECONDS
    return [
        {
            "log": {"S": log_name(block.source)},
            "counter": {"N": str(block.last + Decimal(number) / 1000)},
            "first": {"N": str(block.first)},
            "parts": {"N": str(len(parts))},
            "data": {"B": zlib.compress(part, _LEVEL)},
            "expires": {"N": str(expires)},
        }
        for number, part in enumerate(parts)
    ]


def read_row(item: Mapping[str, Any]) -> Row:
    """Read a row of a block.

    Raises
    ------
    msgspec.DecodeError
        If it is not one of this layout.
    """
    return Row(
        first=int(item["first"]["N"]),
        last=int(Decimal(item["counter"]["N"])),
        parts=int(item["parts"]["N"]),
        part=_part(_unpacked(item["data"]["B"])),
    )


def checkpoint_row(source: int, checkpoint: Checkpoint, *, now: float) -> dict[str, Any]:
    """Give a checkpoint as DynamoDB takes it (``now``: s UTC)."""
    return {
        "log": {"S": log_name(source)},
        "counter": {"N": str(CHECKPOINT_AT)},
        "data": {"B": zlib.compress(_encode(checkpoint), _LEVEL)},
        "expires": {"N": str(int(now) + CHECKPOINT_LIFE)},
    }


def read_checkpoint(item: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    msgspec.DecodeError
        If it is not one of this layout.
    """
    return _checkpoint(_unpacked(item["data"]["B"]))


def _parts(block: Block) -> Iterator[bytes]:
    """Give JSON of :class:`Part`, each as large as a row may be."""
    head = b"[%d,%d,[" % (block.floor, block.base)
    updates: list[bytes] = []
    size = 0
    for update in map(_encode, block.updates):
        if updates and size + len(update) + 1 > MAX_PART_BYTES:
            yield head + b",".join(updates) + b"]]"
            updates, size = [], 0
        updates.append(update)
        size += len(update) + 1
    yield head + b",".join(updates) + b"]]"


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(bytes(data), _MAX_INFLATED)


def whole_blocks(rows: Iterable[Row]) -> list[tuple[int, int, list[Part]]]:
    """Give the blocks that all parts are there of, as (first counter, last counter, parts), by their first."""
    parts: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        parts.setdefault((row.first, row.last), []).append(row)
    return [
        (first, last, [row.part for row in some])
        for (first, last), some in sorted(parts.items())
        if len(some) == some[0].parts
    ]
