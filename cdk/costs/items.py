"""The lines of a bill: quantities of a flow, times prices."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cdk.costs import prices as price
from cdk.costs.flow import COMMIT_SECONDS, CPU_SHARE, Flow
from cdk.costs.inventory import Inventory
from cdk.costs.replay import replay_units
from lambdas.broadcaster.pacing import Pacing

# Assumed. Lambda's two lines about an invocation and the line of metrics, with CloudWatch's 26 bytes each.
LOG_BYTES = 1_500
CUSTOM_METRICS = 120
# A trade over TLS, parsed and written, by docs/performance.md: 803 + 79 + 120 ns.
INGESTOR_SECONDS = 1e-6
# One upserted row in a batch, and what Aurora writes for it. One core upserts 107,000 to 176,000 rows a second
# with no network; a capacity unit is taken as a quarter of one, half idle.
ROWS_A_CAPACITY_UNIT = 15_000
ROW_IO = 0.25
ROW_BYTES = 300
FACTS_BYTES = 700
"""Of a symbol, what the market's function keeps: eleven minutes of some 60 bytes."""
SPOT = 0.3
"""Of the ordinary price."""
# The first request of a second, and one in twenty of those beyond: X-Ray's default.
_TRACED, _TRACED_SHARE = 1, 0.05
_STREAM_FUNCTIONS = ("validator", "signals", "market", "broadcaster", "store_writer", "lake_writer")
_PUT_UNIT = 25_000
_ON_DEMAND_UNIT = 1_024
_MESSAGE_UNIT = 32_000
_RETENTION_DAY = 24


@dataclass(frozen=True, slots=True)
class Item:
    """A line: what is paid for, how much of it a month, and US dollars a month."""

    service: str
    what: str
    quantity: float
    unit: str
    usd: float


class UnknownPrice(LookupError):
    """Something of a stage has no price in the table."""


def items(flow: Flow, inventory: Inventory) -> list[Item]:
    """Give all lines of a month.

    Raises
    ------
    UnknownPrice
        If the settings name a type of node or instance that the table of prices lacks.
    """
    return [
        *_streams(flow),
        *_functions(flow),
        *_tasks(flow),
        *_database(flow),
        *_state(flow),
        *_lake(flow),
        *_model(flow),
        *_screens(flow),
        *_network(flow, inventory),
        *_watching(flow),
        *_standing(inventory),
    ]


def _streams(flow: Flow) -> Iterator[Item]:
    """Kinesis, in either capacity mode."""
    volumes, settings = flow.volumes, flow.settings
    used = flow.partitions
    # Envelopes of a partition in one batch share a stream record.
    streams = (
        (volumes.raw_records * used, volumes.raw_bytes * used, ("validator",)),
        (flow.batches("validator"), volumes.clean_bytes * used, ("signals", "lake_writer")),
        (flow.batches("signals"), volumes.event_bytes * used, ("broadcaster", "market", "store_writer")),
    )
    month = price.SECONDS
    fans = [
        (consumer, size * month / price.GB)
        for _, size, consumers in streams
        for consumer in consumers
        if settings.consumers[consumer].fan_out
    ]
    kept = max(0, settings.stream.retention_hours - _RETENTION_DAY)
    if settings.stream.shards:
        hours = len(streams) * settings.stream.shards * price.HOURS
        units = sum(records * _units(size, records, _PUT_UNIT) for records, size, _ in streams) * month
        yield Item("Kinesis", "shards", hours, "shard-hours", hours * price.SHARD_HOUR)
        if kept:
            yield Item("Kinesis", "retention beyond a day", hours, "shard-hours", hours * price.RETENTION_SHARD_HOUR)
        yield Item("Kinesis", "records put", units, "units", units / price.MILLION * price.PUT_UNITS_MILLION)
        hours = len(fans) * settings.stream.shards * price.HOURS
        yield Item("Kinesis", "fan-out", hours, "shard-hours", hours * price.FAN_OUT_SHARD_HOUR)
        size = sum(gigabytes for _, gigabytes in fans)
        yield Item("Kinesis", "fan-out, data", size, "GB", size * price.FAN_OUT_GB)
        return
    hours = len(streams) * price.HOURS
    written = (
        sum(records * _units(size, records, _ON_DEMAND_UNIT) * _ON_DEMAND_UNIT for records, size, _ in streams)
        * month
        / price.GB
    )
    fanned = sum(gigabytes for _, gigabytes in fans)
    polled = sum(size * month / price.GB * len(consumers) for _, size, consumers in streams) - fanned
    yield Item("Kinesis", "streams", hours, "stream-hours", hours * price.ON_DEMAND_STREAM_HOUR)
    yield Item("Kinesis", "data in", written, "GB", written * price.ON_DEMAND_IN_GB)
    yield Item("Kinesis", "data out, polled", polled, "GB", polled * price.ON_DEMAND_OUT_GB)
    yield Item("Kinesis", "fan-out, data", fanned, "GB", fanned * price.ON_DEMAND_FAN_OUT_GB)
    stored = written * kept / price.HOURS
    yield Item("Kinesis", "retention beyond a day", stored, "GB-months", stored * price.ON_DEMAND_RETENTION_GB_MONTH)


def _functions(flow: Flow) -> Iterator[Item]:
    """Lambda: of each function, its time and its requests together."""
    runs = {name: (flow.invocations(name), flow.seconds(name)) for name in _STREAM_FUNCTIONS}
    runs["lake_committer"] = (_commits(flow), COMMIT_SECONDS)
    for name, (rate, seconds) in runs.items():
        invocations = rate * price.SECONDS
        gb_seconds = invocations * seconds * flow.settings.functions[name].memory / 1_024
        usd = gb_seconds * price.LAMBDA_GB_SECOND + invocations / price.MILLION * price.LAMBDA_MILLION
        yield Item("Lambda", name, invocations, "invocations", usd)


def _tasks(flow: Flow) -> Iterator[Item]:
    """Fargate: an ingestor service for each venue, and the backfiller."""
    ingestor, backfiller = flow.settings.ingestor, flow.settings.backfiller
    venues = len(flow.settings.groups())
    # One event loop, so one processor, a task.
    needed = ingestor.holders * math.ceil(flow.load.trades * INGESTOR_SECONDS / CPU_SHARE / venues)
    tasks = venues * max(ingestor.tasks, needed)
    for name, size, count, on_demand in (
        ("ingestors", ingestor, tasks, venues * ingestor.on_demand),
        ("backfiller", backfiller, backfiller.tasks, backfiller.on_demand),
    ):
        paid = _full_price_tasks(count, min(on_demand, count), size.spot)
        hourly = size.cpu / 1_024 * price.FARGATE_VCPU_HOUR + size.memory / 1_024 * price.FARGATE_GB_HOUR
        usd = price.HOURS * (paid * hourly + count * price.PUBLIC_ADDRESS_HOUR)
        yield Item("Fargate", name, count * price.HOURS, "task-hours", usd)


def _database(flow: Flow) -> Iterator[Item]:
    """Aurora: capacity for the rows upserted, never below the minimum."""
    settings = flow.settings.database
    rows = flow.volumes.rows * flow.partitions
    capacity = max(settings.min_capacity, rows / ROWS_A_CAPACITY_UNIT)
    hours = capacity * (1 + settings.readers) * price.HOURS
    yield Item("Aurora", "capacity", hours, "ACU-hours", hours * price.AURORA_ACU_HOUR)
    if settings.proxy:
        yield Item("Aurora", "RDS Proxy", price.HOURS, "hours", price.HOURS * price.PROXY_HOUR)
    calls = rows * ROW_IO * price.SECONDS
    yield Item("Aurora", "I/O", calls, "requests", calls / price.MILLION * price.AURORA_IO_MILLION)
    # Bars of a second and a minute stay; the other rows are few, or written over.
    bars = flow.load.symbols * (1 + 1 / 60) * price.SECONDS if flow.load.trades else 0
    size = bars * ROW_BYTES / price.GB
    yield Item("Aurora", "a month's bars, kept a month", size, "GB-months", size * price.AURORA_GB_MONTH)


def _state(flow: Flow) -> Iterator[Item]:
    """MemoryDB: every batch of a partition writes its state."""
    settings = flow.settings.state
    hours = (1 + settings.replicas) * price.HOURS
    usd = hours * _hourly(price.MEMORYDB_NODE_HOUR, settings.node_type)
    yield Item("MemoryDB", "nodes", hours, "node-hours", usd)
    written = state_bytes(flow) * price.SECONDS / price.GB
    paid = max(0, written - price.MEMORYDB_FREE_GB)
    yield Item("MemoryDB", "data written", written, "GB", paid * price.MEMORYDB_WRITTEN_GB)
    # A function lies in the zone of the primary by chance.
    zones = len(flow.settings.zones) or flow.settings.availability_zones
    crossing = written * (1 - 1 / zones)
    yield Item("Data transfer", "state, between zones", crossing, "GB", crossing * price.CROSS_ZONE_GB)


def state_bytes(flow: Flow) -> float:
    """Give the bytes of state written a second."""
    volumes = flow.volumes
    facts = 0.0 if flow.share is None else FACTS_BYTES * flow.share.symbols
    return (
        flow.batches("validator") * volumes.validator_state
        + flow.batches("signals") * volumes.signals_state
        + flow.batches("market") * facts
    )


def _lake(flow: Flow) -> Iterator[Item]:
    """S3: a file for each batch, some objects of metadata for each commit; Glue once a commit."""
    files = flow.invocations("lake_writer") * price.SECONDS
    commits = _commits(flow) * price.SECONDS
    puts, gets = files + 5 * commits, 2 * files + 6 * commits
    usd = puts / 1_000 * price.S3_PUT_THOUSAND + gets / 1_000 * price.S3_GET_THOUSAND
    yield Item("S3", "requests", puts + gets, "requests", usd)
    size = flow.load.trades * flow.volumes.lake_bytes * price.SECONDS / price.GB
    yield Item("S3", "a month's trades, kept a month", size, "GB-months", size * price.S3_GB_MONTH)
    regions = 1 if flow.settings.lake.replica_region is None else 2
    if regions == 2:
        usd = size * (price.REPLICATION_GB + price.S3_GB_MONTH)
        yield Item("S3", "the same trades, in a second region", size, "GB-months", usd)
    if flow.settings.governance.backups:
        copied = regions * size
        yield Item("Backup", "the same trades, copied", copied, "GB-months", copied * price.BACKUP_GB_MONTH)
    if flow.settings.governance.trail:
        events = puts + gets
        usd = events / price.MILLION * price.DATA_EVENTS_MILLION
        yield Item("CloudTrail", "calls for objects of the lake", events, "events", usd)
    calls = 3 * commits
    yield Item("Glue", "catalogue", calls, "requests", calls / price.MILLION * price.CATALOGUE_MILLION)


def _commits(flow: Flow) -> float:
    """Give commits a second: ten files at most in each, and one after the other."""
    files = flow.invocations("lake_writer")
    return max(files / 10, min(files, 1 / COMMIT_SECONDS))


def _model(flow: Flow) -> Iterator[Item]:
    """SageMaker: two variants, each with its instances, and an hour of training a night."""
    settings = flow.settings.model
    hours = 2 * settings.instances * price.HOURS
    usd = hours * _hourly(price.SAGEMAKER_HOUR, settings.instance_type)
    yield Item("SageMaker", "endpoint", hours, "instance-hours", usd)
    nights = price.HOURS / 24
    usd = nights * _hourly(price.SAGEMAKER_HOUR, settings.training_instance_type)
    yield Item("SageMaker", "nightly training", nights, "instance-hours", usd)


def _screens(flow: Flow) -> Iterator[Item]:
    """DynamoDB's last values, and the messages to the clients."""
    load, volumes = flow.load, flow.volumes
    units = volumes.write_units * flow.partitions * price.SECONDS
    usd = units / price.MILLION * price.DYNAMODB_WRITE_MILLION
    yield Item("DynamoDB", "last values for snapshots", units, "write units", usd)
    units = replay_units(flow) * price.SECONDS
    usd = units / price.MILLION * price.DYNAMODB_WRITE_MILLION
    yield Item("DynamoDB", "log of what clients may miss", units, "write units", usd)
    # Each ingestor renews each group and itself every five seconds; the broadcaster looks for newcomers twice a
    # second in each of its processes.
    groups = math.ceil(load.symbols / flow.settings.ingestor.symbols_a_group)
    writes = flow.settings.ingestor.holders * (groups + 1) / 5 * price.SECONDS
    reads = (2 * writes) + 2 * flow.shards * price.SECONDS
    usd = (writes * price.DYNAMODB_WRITE_MILLION + reads * price.DYNAMODB_READ_MILLION) / price.MILLION
    yield Item("DynamoDB", "leases and subscribers", writes + reads, "units", usd)
    if not (load.clients and flow.share):
        return
    # By shard: whoever listens to something in it, once an invocation, but no more often than the pace is.
    listeners = load.clients * min(flow.shards, load.client_symbols) / flow.shards
    pace = 1 / Pacing(flow.settings.posts_per_second()).interval(math.ceil(listeners))
    posts = listeners * flow.shards * min(flow.invocations("broadcaster") / flow.shards, pace)
    size = load.clients * load.client_symbols / flow.share.symbols * volumes.screen_bytes
    messages = max(posts, size / _MESSAGE_UNIT) * price.SECONDS
    usd = messages / price.MILLION * price.WEBSOCKET_MILLION
    yield Item("API Gateway", "messages to clients", messages, "messages", usd)
    minutes = load.clients * price.HOURS * 60
    usd = minutes / price.MILLION * price.CONNECTION_MINUTES_MILLION
    yield Item("API Gateway", "connections", minutes, "minutes", usd)
    sent = size * price.SECONDS / price.GB
    yield Item("Data transfer", "out to clients", sent, "GB", sent * price.OUT_GB)


def _network(flow: Flow, inventory: Inventory) -> Iterator[Item]:
    """Interface endpoints; there is no NAT."""
    hours = inventory.endpoint_zones * price.HOURS
    yield Item("VPC endpoints", "endpoints", hours, "zone-hours", hours * price.ENDPOINT_ZONE_HOUR)
    size = (flow.volumes.clean_bytes + flow.volumes.event_bytes) * flow.partitions * price.SECONDS / price.GB
    yield Item("VPC endpoints", "records of validator and signals", size, "GB", size * price.ENDPOINT_GB)


def _watching(flow: Flow) -> Iterator[Item]:
    """CloudWatch and X-Ray; the keys' calls."""
    rates = [flow.invocations(name) for name in _STREAM_FUNCTIONS] + [_commits(flow)]
    size = sum(rates) * LOG_BYTES * price.SECONDS / price.GB
    yield Item("CloudWatch", "logs of the functions", size, "GB", size * price.LOGS_GB)
    metrics = CUSTOM_METRICS + (3 * 3 * flow.open_shards if flow.settings.stream.shard_metrics else 0)
    yield Item("CloudWatch", "metrics", metrics, "metrics", metrics * price.METRIC_MONTH)
    traces = sum(min(rate, _TRACED) + max(0, rate - _TRACED) * _TRACED_SHARE for rate in rates) * price.SECONDS
    yield Item("X-Ray", "traces", traces, "traces", traces / price.MILLION * price.TRACES_MILLION)
    # A data key for five minutes, for each shard and each of its two or three users.
    calls = 3 * 3 * flow.open_shards * 12 * price.HOURS
    yield Item("KMS", "calls for the streams", calls, "calls", calls / 1_000 * price.KMS_CALLS_THOUSAND)


def _standing(inventory: Inventory) -> Iterator[Item]:
    """What costs by being there."""
    for kind, count in inventory.standing.items():
        _, service, resource = kind.split("::")
        yield Item(service, f"{resource}, standing", count, "resources", count * price.STANDING[kind])


def _hourly(table: Mapping[str, float], kind: str) -> float:
    if kind not in table:
        raise UnknownPrice(f"{kind} has no price yet: write it into cdk/costs/prices.py")
    return table[kind]


def _units(size: float, records: float, unit: int) -> int:
    """Give the units that a record of average size is paid as."""
    return math.ceil(size / records / unit) if records else 0


def _full_price_tasks(count: int, on_demand: int, spot: int) -> float:
    """Give the tasks at the full price that cost as much as these, of which some are on Spot."""
    beyond = count - on_demand
    on_spot = beyond * spot / (1 + spot) if on_demand else (beyond if spot else 0)
    return count - on_spot * (1 - SPOT)
