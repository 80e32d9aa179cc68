"""What one raw stream costs by the format of its records: bytes are what shards are counted by."""

from dataclasses import dataclass
from math import ceil

from cdk.costs import prices as price
from cdk.costs.flow import HEADROOM

_SHARD_BYTES, _SHARD_RECORDS = 1_000_000, 1_000
_PUT_UNIT = 25_000


@dataclass(frozen=True, slots=True)
class StreamCost:
    """One stream at a steady load.

    Attributes
    ----------
    megabytes, records : a second, twins included
    shards : provisioned
    usd : a month, seven days of retention and one consumer by fan-out included
    """

    megabytes: float
    records: int
    shards: int
    usd: float


def stream_cost(bytes_a_trade: float, *, partitions: int, flush_seconds: float, twins: int, load: int) -> StreamCost:
    """Give what a stream costs to which each partition writes a record every ``flush_seconds``.

    Shards are ``max(bytes / 1 MB/s, records / 1,000/s) x twins / 0.7``.
    """
    records = partitions / flush_seconds
    size = load * bytes_a_trade / records
    shards = ceil(max(records * size / _SHARD_BYTES, records / _SHARD_RECORDS) * twins / HEADROOM)
    written = records * twins
    hourly = price.SHARD_HOUR + price.RETENTION_SHARD_HOUR + price.FAN_OUT_SHARD_HOUR
    units = written * ceil(size / _PUT_UNIT) * price.SECONDS / price.MILLION
    gigabytes = written * size * price.SECONDS / price.GB
    return StreamCost(
        megabytes=written * size / 10**6,
        records=round(written),
        shards=shards,
        usd=shards * hourly * price.HOURS + units * price.PUT_UNITS_MILLION + gigabytes * price.FAN_OUT_GB,
    )
