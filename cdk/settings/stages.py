"""The stages and their defaults, as plain tables: what ``settings.toml`` may say, all of it.

``dev`` is the cheapest that works, ``prod`` loses no trade when a zone fails, ``local`` is the laptop.
"""

from collections.abc import Mapping
from typing import Any

LOCAL = "local"

# Only the way to the screen is worth a fan-out consumer; the lake and the database are content
# with the once-a-second poll that every shard offers for nothing.
_CONSUMERS = {
    "validator": {"batch_size": 200, "window_seconds": 0, "fan_out": True},
    "signals": {"batch_size": 200, "window_seconds": 0, "fan_out": True},
    # A screen is for now: what is five minutes old is in the database, and would only keep it late.
    "broadcaster": {"batch_size": 200, "window_seconds": 0, "fan_out": True, "max_record_age_seconds": 300},
    "store_writer": {"batch_size": 500, "window_seconds": 1, "fan_out": False},
    # It gives a record a minute, and waits for the slowest symbol anyway.
    "market": {"batch_size": 500, "window_seconds": 1, "fan_out": False},
    "lake_writer": {"batch_size": 5000, "window_seconds": 10, "fan_out": False},
}

_FUNCTIONS = {
    "validator": {"memory": 1769, "timeout_seconds": 60},
    "signals": {"memory": 1769, "timeout_seconds": 60},
    "market": {"memory": 1024, "timeout_seconds": 60},
    "lake_writer": {"memory": 1769, "timeout_seconds": 120},
    # A whole processor: a compaction reads and writes a day's manifests.
    "lake_committer": {"memory": 1769, "timeout_seconds": 60},
    # Four million trades are read and sorted at once, which takes 1.5 GB; 15 minutes are Lambda's most.
    "lake_maintenance": {"memory": 3008, "timeout_seconds": 900},
    "store_writer": {"memory": 1024, "timeout_seconds": 60},
    "dead_letters": {"memory": 512, "timeout_seconds": 60},
    "broadcaster": {"memory": 1024, "timeout_seconds": 60},
    "websocket": {"memory": 512, "timeout_seconds": 29},
    # API Gateway waits ten seconds for an authorizer and thirty for an answer.
    "authorizer": {"memory": 512, "timeout_seconds": 9},
    "rest_api": {"memory": 1024, "timeout_seconds": 20},
    "operator_api": {"memory": 1024, "timeout_seconds": 29},
    "migrations": {"memory": 512, "timeout_seconds": 300},
    # A dataset of a year is read whole, and an endpoint takes minutes to be made.
    "model_rollout": {"memory": 1769, "timeout_seconds": 120},
    "model_seed": {"memory": 512, "timeout_seconds": 900},
    # Every prediction of a day, and a model's archive; river takes seconds to start.
    "model_drift": {"memory": 1769, "timeout_seconds": 120},
    # Below the minute after which it comes again.
    "canary": {"memory": 256, "timeout_seconds": 50},
}

# Twice the shards: while a shard is split, those that it becomes are read beside it.
_RESERVED = {name: {**_FUNCTIONS[name], "reserved": 16} for name in _CONSUMERS}

_FEEDS = (
    {"feed": "binance", "symbols": ("BTC-USDT", "ETH-USDT", "SOL-USDT")},
    {"feed": "coinbase", "symbols": ("BTC-USD", "ETH-USD", "SOL-USD")},
    {"feed": "kraken", "symbols": ("BTC-USD", "ETH-USD", "SOL-USD")},
)

_DEV: Mapping[str, Any] = {
    "partitions": 16,
    "stream": {"shards": 2, "retention_hours": 168},
    "max_record_age_seconds": 561_600,  # six and a half of the seven days
    "max_age_seconds": 86_400,
    "feeds": _FEEDS,
    "database": {"min_capacity": 0.5, "max_capacity": 4, "readers": 0, "backup_days": 7},
    "state": {"node_type": "db.t4g.small", "replicas": 0},
    # An account has one recorder of AWS Config and one GuardDuty, which are production's.
    "governance": {"config": False, "threats": False, "audit_days": 30, "audit_lock": "none"},
    "ingestor": {
        "cpu": 1024,
        "memory": 2048,
        "tasks": 1,
        # One holder that AWS takes back hands its groups over before it goes.
        "on_demand": 0,
        "spot": 1,
        "flush_milliseconds": 20,
        "holders": 1,
        "max_tasks": 1,
        "symbols_a_group": 50,
        "max_groups": 16,
    },
    # An hour of the busiest symbol takes 300 MB while its bars are recomputed, the libraries as much.
    "backfiller": {"cpu": 512, "memory": 2048, "tasks": 1, "on_demand": 0, "spot": 1},
    # A serverless endpoint would be cheaper, and knows no second variant, no capture of data and no network.
    "model": {
        "instance_type": "ml.c7g.large",
        "instances": 1,
        "max_instances": 1,
        "training_instance_type": "ml.m5.large",
        "train_days": 90,
        "holdout_days": 20,
        "capture_percent": 100,
        "bake_minutes": 10,
        # Nobody may be asking the endpoint of a stage that is for trying things out.
        "min_invocations": 0,
        "hour": 2,
    },
    "protected": False,
    "access": {"threat_protection": False},
    "log_retention_days": 14,
    "availability_zones": 2,
    "bundle_dependencies": True,
    "visibility_factor": 6,  # as AWS advises for queues that feed functions
    "commit_visibility_seconds": 90,
    "dead_letter_window_seconds": 1,
    "alarm_iterator_age_seconds": 60,
    "alarm_missing_minutes": 30,
    "metrics_seconds": 60,
    "trace_every": 1000,
    "endpoint_zones": 1,
    "consumers": _CONSUMERS,
    "functions": _FUNCTIONS,
}

_PROD: Mapping[str, Any] = {
    **_DEV,
    "partitions": 64,
    "stream": {"shards": 8, "retention_hours": 168, "shard_metrics": True},
    "functions": {**_FUNCTIONS, **_RESERVED},
    "database": {"min_capacity": 2, "max_capacity": 32, "readers": 1, "backup_days": 35, "proxy": True},
    "state": {"node_type": "db.r7g.large", "replicas": 1},
    "governance": {"audit_days": 365, "audit_lock": "governance"},
    # Two tasks read every feed; the validator removes the twin's trades.
    "ingestor": {
        "cpu": 2048,
        "memory": 4096,
        "tasks": 2,
        # Both holders of a group on capacity that stays; what load brings may go again.
        "on_demand": 2,
        "spot": 3,
        "flush_milliseconds": 10,
        "holders": 2,
        "max_tasks": 6,
        # A symbol a connection: what one task cannot carry, another can take over.
        "symbols_a_group": 1,
        "max_groups": 16,
    },
    "backfiller": {"cpu": 1024, "memory": 4096, "tasks": 2, "on_demand": 1, "spot": 1},
    "model": {
        "instance_type": "ml.c7g.large",
        "instances": 2,
        "max_instances": 4,
        "training_instance_type": "ml.m5.xlarge",
        "train_days": 365,
        "holdout_days": 30,
        "capture_percent": 100,
        "bake_minutes": 30,
        "min_invocations": 20,
        "hour": 2,
    },
    "protected": True,
    "access": {"threat_protection": True},
    "log_retention_days": 90,
    "availability_zones": 3,
    "alarm_iterator_age_seconds": 10,
    "alarm_missing_minutes": 15,
    "trace_every": 10_000,
    "endpoint_zones": 3,
}

# The laptop: the same stacks with short waits, and code that runs in the project's own environment.
_LOCAL: Mapping[str, Any] = {
    **_DEV,
    "region": "us-east-1",
    "alarms": {"addresses": ("nobody@localhost.localdomain",)},
    "stream": {"shards": 1, "retention_hours": 24},
    "max_record_age_seconds": 72_000,
    "consumers": {
        **_CONSUMERS,
        "lake_writer": {"batch_size": 2000, "window_seconds": 4, "fan_out": False},
        # A laptop may sleep, and what it then shows is not a market that has moved on.
        "broadcaster": {"batch_size": 200, "window_seconds": 0, "fan_out": True},
    },
    "bundle_dependencies": False,
    "metrics_seconds": 0,
    "trace_every": 0,
    "functions": {
        **_FUNCTIONS,
        "lake_committer": {"memory": 1024, "timeout_seconds": 30},
        "dead_letters": {"memory": 512, "timeout_seconds": 30},
    },
    # A message whose function was killed comes back after 30 s rather than minutes.
    "visibility_factor": 1,
    "commit_visibility_seconds": 30,
    "dead_letter_window_seconds": 0,
}

STAGES: Mapping[str, Mapping[str, Any]] = {"dev": _DEV, "prod": _PROD, LOCAL: _LOCAL}
