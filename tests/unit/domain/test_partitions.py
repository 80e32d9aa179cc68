"""Partitions: stable, in range, spread evenly over shards."""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from tickwire.partitions import explicit_hash_key, partition_of


@given(st.text(max_size=12), st.text(max_size=12), st.integers(1, 4096))
def test_a_symbol_always_has_the_same_partition_in_range(venue, symbol, partitions):
    assert partition_of(venue, symbol, partitions) == crc32(f"{venue}:{symbol}".encode()) % partitions


@given(st.integers(1, 64), st.integers(1, 64))
def test_hash_keys_spread_partitions_over_equal_shards_to_within_one(shards, per_shard):
    partitions = shards * per_shard
    width = 2**128 // shards
    owners = [int(explicit_hash_key(p, partitions)) // width for p in range(partitions)]
    assert owners == sorted(owners)
    assert {owners.count(shard) for shard in range(shards)} == {per_shard}
