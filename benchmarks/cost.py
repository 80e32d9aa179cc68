"""What a stream costs an hour at a load, by its arithmetic: shards by bytes and by records, twins, headroom."""

from dataclasses import dataclass
from math import ceil

LOAD = 2_300_000
"""Trades a second."""
HEADROOM = 0.7
"""The share of a shard's limits that a steady load may take."""

# List prices in US dollars, us-east-1, as of 2025; a GB is taken as 10**9 bytes.
SHARD_HOUR = 0.015
MILLION_PUT_UNITS = 0.014
FAN_OUT_SHARD_HOUR = 0.015
FAN_OUT_GB = 0.013
ON_DEMAND_HOUR = 0.04
ON_DEMAND_GB_IN = 0.08
ON_DEMAND_FAN_OUT_GB = 0.05

_SHARD_BYTES, _SHARD_RECORDS = 1_000_000, 1_000
_PUT_UNIT = 25_000
_ON_DEMAND_UNIT = 1_024


@dataclass(frozen=True, slots=True)
class StreamCost:
    """One stream at a steady load.

    Attributes
    ----------
    megabytes, records : a second, twins included
    shards : provisioned
    provisioned, on_demand : US dollars an hour, one consumer by enhanced fan-out included
    """

    megabytes: float
    records: int
    shards: int
    provisioned: float
    on_demand: float


def stream_cost(bytes_a_trade: float, *, partitions: int, flush_seconds: float, twins: int, load: int) -> StreamCost:
    """Give what a stream costs to which each partition writes a record every ``flush_seconds``.

    Shards are ``max(bytes / 1 MB/s, records / 1,000/s) x twins / 0.7``. A record is paid in units of 25 kB
    where shards are provisioned, and of 1 KB on demand.
    """
    records = partitions / flush_seconds
    size = load * bytes_a_trade / records
    shards = ceil(max(records * size / _SHARD_BYTES, records / _SHARD_RECORDS) * twins / HEADROOM)
    written = records * twins
    gigabytes = written * size * 3_600 / 10**9
    units = written * ceil(size / _PUT_UNIT) * 3_600 / 10**6
    paid = written * ceil(size / _ON_DEMAND_UNIT) * _ON_DEMAND_UNIT * 3_600 / 10**9
    return StreamCost(
        megabytes=written * size / 10**6,
        records=round(written),
        shards=shards,
        provisioned=shards * (SHARD_HOUR + FAN_OUT_SHARD_HOUR) + units * MILLION_PUT_UNITS + gigabytes * FAN_OUT_GB,
        on_demand=ON_DEMAND_HOUR + paid * (ON_DEMAND_GB_IN + ON_DEMAND_FAN_OUT_GB),
    )
