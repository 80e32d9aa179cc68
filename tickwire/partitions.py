"""Which logical partition a symbol lives in, and where that partition lies in a stream.

State is kept per logical partition, so the number of shards can change without moving state.

What is about the market as a whole has a partition of its own, the first one beyond those of the symbols. No symbol
lies in it, and only market-events carries it.
"""

from zlib import crc32

_HASH_SPACE = 2**128


def partition_of(venue: str, symbol: str, partitions: int) -> int:
    """Give the logical partition, 0 to ``partitions - 1``, of a (venue, symbol)."""
    return crc32(f"{venue}:{symbol}".encode()) % partitions


def explicit_hash_key(partition: int, partitions: int) -> str:
    """Give the Kinesis ``ExplicitHashKey`` of a partition: the middle of its slice of 2**128.

    Slices, not a hash, so that ``partitions`` spread evenly over any number of shards. The partition of the market as
    a whole, ``partitions``, shares the slice of the first one: it has a record a minute.
    """
    return str((2 * (partition % partitions) + 1) * _HASH_SPACE // (2 * partitions))
