"""What the committer is told: these files hold exactly these records, or stand for exactly those files."""

from typing import TypeAlias

import msgspec

CounterRange: TypeAlias = tuple[int, int]
"""First and last counter of a partition, inclusive; every one between is covered."""


class WrittenFile(msgspec.Struct, frozen=True):
    """A Parquet file of the lake: its ``s3://`` address and its number of rows."""

    path: str
    rows: int


class WrittenBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """One invocation's files.

    Attributes
    ----------
    files : one for each UTC day of exchange time, so nearly always one; none where the records
        held no trade
    partitions : logical partition → range of the records' counters that the files cover
    replaces : addresses of files of one day in the table, whose rows ``files`` hold again: a
        compaction. Then ``partitions`` is empty, so that a committer from before there were
        compactions takes the message for one that brings nothing new.
    """

    files: tuple[WrittenFile, ...]
    partitions: dict[int, CounterRange]
    replaces: tuple[str, ...] = ()


encode_message = msgspec.json.Encoder().encode
"""JSON bytes of a batch."""

decode_message = msgspec.json.Decoder(WrittenBatch).decode
"""Read a batch's JSON; raises ``msgspec.MsgspecError`` if it is none."""
