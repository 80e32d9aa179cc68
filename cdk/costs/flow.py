"""How a load flows through a stage: records, invocations, bytes, and what the settings must be to carry it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache

from benchmarks.volumes import Share, Volumes, volumes_of
from cdk.costs.load import Load
from cdk.settings import StageSettings

# Assumed, since nothing has run on AWS. Seconds of a PutRecords call, and of an invocation beside its CPU time:
# calls to Valkey, Kinesis, DynamoDB, PostgreSQL or S3.
PUT_SECONDS = 0.015
CALL_SECONDS = {
    "validator": 0.025,
    "signals": 0.025,
    "market": 0.03,
    "broadcaster": 0.03,
    "store_writer": 0.06,
    "lake_writer": 0.2,
}
COMMIT_SECONDS = 2.0

HEADROOM = 0.7
"""The share of a shard's limits that a steady load may take."""
CPU_SHARE = 0.5
"""The share of a processor that a steady load may take of a function or a task."""
# Shard limits of the Kinesis developer guide.
_SHARD_BYTES, _SHARD_RECORDS = 10**6, 1_000
_PAYLOAD_BYTES = 4.5 * 10**6
"""Lambda's 6 MB an invocation, less what base64 adds."""
_POLL_SECONDS = 1.0
_NOTHING = Volumes(**{one.name: 0 for one in fields(Volumes)})


@dataclass(frozen=True, slots=True)
class Flow:
    """A load on a stage whose settings carry it.

    Attributes
    ----------
    settings : of the stage, with more partitions and shards where the load needs them
    partitions : those with symbols
    open_shards : of each stream
    share, volumes : of one of the partitions
    """

    settings: StageSettings
    load: Load
    partitions: int
    open_shards: int
    share: Share | None
    volumes: Volumes

    @property
    def shards(self) -> int:
        """Shards of each stream that have something to carry."""
        return min(self.open_shards, self.partitions)

    @property
    def partitions_a_shard(self) -> float:
        """Partitions that share a shard, on average."""
        return self.partitions / self.shards

    def invocations(self, consumer: str) -> float:
        """Give the invocations a second of a stream's function, over all shards.

        One shard has one invocation at a time. With records at a rate r, and an invocation that takes d, the
        next one begins with the first record that has come since: after d, or, with probability exp(-rd), once
        one comes. Without a fan-out, or with a window, records gather for that time.
        """
        settings, share = self.settings.consumers[consumer], self.partitions_a_shard
        rate = share * self._records(consumer)
        if not rate:
            return 0.0
        busy = self.seconds(consumer)
        wait = max(settings.window_seconds, 0 if settings.fan_out else _POLL_SECONDS)
        cycle = max(wait, busy)
        cycle += math.exp(-rate * cycle) / rate
        full = max(rate / settings.batch_size, share * self._bytes(consumer) / _PAYLOAD_BYTES)
        return self.shards * max(1 / cycle, full)

    def seconds(self, consumer: str) -> float:
        """Give how long one invocation takes: its calls, and the CPU time of what has come meanwhile."""
        cpu = self.partitions_a_shard * self._cpu(consumer)
        window = max(self.settings.consumers[consumer].window_seconds, 0)
        calls = CALL_SECONDS[consumer]
        return calls + cpu * window if window else calls / (1 - min(cpu, CPU_SHARE))

    def batches(self, consumer: str) -> float:
        """Give how many (invocation, partition) pairs there are a second: states loaded, stream records written."""
        invocations = self.invocations(consumer)
        if not invocations:
            return 0.0
        a_cycle = self._records(consumer) * self.shards / invocations
        return invocations * self.partitions_a_shard * (1 - math.exp(-a_cycle))

    def _records(self, consumer: str) -> float:
        """Envelopes a second of one partition, in the stream that a function reads."""
        return {
            "validator": self.volumes.raw_records,
            "signals": self.volumes.clean_records,
            "lake_writer": self.volumes.clean_records,
            "market": self.volumes.event_records,
            "store_writer": self.volumes.event_records,
            "broadcaster": self.volumes.event_records,
        }[consumer]

    def _bytes(self, consumer: str) -> float:
        return {
            "validator": self.volumes.raw_bytes,
            "signals": self.volumes.clean_bytes,
            "lake_writer": self.volumes.clean_bytes,
            "market": self.volumes.event_bytes,
            "store_writer": self.volumes.event_bytes,
            "broadcaster": self.volumes.event_bytes,
        }[consumer]

    def _cpu(self, consumer: str) -> float:
        return {
            "validator": self.volumes.validator_cpu,
            "signals": self.volumes.signals_cpu,
            "lake_writer": self.volumes.lake_cpu,
            "market": 0.0,
            "store_writer": 0.0,
            "broadcaster": self.volumes.broadcaster_cpu,
        }[consumer]


def flow_of(settings: StageSettings, load: Load) -> Flow:
    """Give the flow of a load, with as many partitions and shards as it needs, and never fewer than the settings say.

    A partition lies in one shard, and its records are worked on one batch after the other. So there must be so
    many partitions that one of them fits a shard and a processor, and so many shards that no shard has too many.
    """
    given = settings.stream.shards or settings.delivery.on_demand_shards
    used = min(settings.partitions, load.symbols)
    if not load.trades:
        return Flow(settings, load, used, given, None, _NOTHING)
    *_, (partitions, share) = divisions(settings, load)
    volumes = measured(share)
    used = min(partitions, load.symbols)
    shards = max(given, math.ceil(used / max(1, math.floor(_partitions_that_fit(volumes)))))
    return Flow(_grown(settings, partitions, shards), load, used, shards, share, volumes)


def _grown(settings: StageSettings, partitions: int, shards: int) -> StageSettings:
    """Give settings with more partitions and shards; a function that reads a stream runs once a shard."""
    stream = settings.stream.model_dump() | {"shards": shards if settings.stream.shards else 0}
    functions = {name: one.model_dump() for name, one in settings.functions.items()}
    for name in settings.consumers:
        if functions[name]["reserved"] is not None:
            functions[name]["reserved"] = max(functions[name]["reserved"], shards)
    return settings.changed(partitions=partitions, stream=stream, functions=functions)


measured = cache(volumes_of)


def divisions(settings: StageSettings, load: Load) -> Iterator[tuple[int, Share]]:
    """Give numbers of partitions, and what one has to do, until one fits; only then is the last one settled.

    A partition of one symbol is the smallest that there is: a load that does not fit even so is not carried.
    """
    partitions = settings.partitions
    while load.trades:
        share = _share(settings, load, partitions)
        yield partitions, share
        if share.symbols == 1 or _partitions_that_fit(measured(share)) >= 1:
            break
        partitions *= 2


def record_seconds(settings: StageSettings) -> float:
    """Give the time between two records of a partition: the flush interval, or as many as a call takes."""
    flush = settings.ingestor.flush_milliseconds / 1_000
    return flush * math.ceil(round(PUT_SECONDS / flush, 6))


def _share(settings: StageSettings, load: Load, partitions: int) -> Share:
    used = min(partitions, load.symbols)
    return Share(
        trades=max(1, round(load.trades / used)),
        symbols=max(1, round(load.symbols / used)),
        seconds=record_seconds(settings),
        twins=settings.ingestor.holders,
    )


def _partitions_that_fit(volumes: Volumes) -> float:
    """Give how many partitions a shard of each stream can carry, and a processor of each function keep up with."""
    bytes_a_second = max(volumes.raw_bytes, volumes.clean_bytes, volumes.event_bytes)
    cpu = max(volumes.validator_cpu, volumes.signals_cpu, volumes.broadcaster_cpu)
    return min(
        HEADROOM * _SHARD_BYTES / bytes_a_second,
        HEADROOM * _SHARD_RECORDS / volumes.raw_records,
        CPU_SHARE / cpu,
    )
