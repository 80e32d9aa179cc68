"""Removes what lies under the table and no snapshot names, when it is certain that none ever will.

Three things leave such objects: a retry that was split otherwise, a compaction that was left out,
and snapshots that were forgotten (their manifests, and the small files that a compaction replaced).
An object goes only if

1. it is older than any announcement of it can be. A data file is announced right after it is put,
   in a queue that keeps messages for 14 days; a manifest is committed in the minute in which it is
   written; and
2. it was unnamed at an earlier look too, at least ``HOLD_SECONDS`` ago. Whoever began to read while
   a snapshot still named it has ended by now: Athena ends a query after half an hour.

The bucket keeps deleted versions for a month, so that even a mistake here could be undone.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyiceberg.manifest import ManifestEntryStatus

from tickwire.lake import TABLE

DATA_PREFIX = f"{TABLE}/data/"
METADATA_PREFIX = f"{TABLE}/metadata/"
LEDGER_KEY = "maintenance/unnamed.json"
"""What was unnamed at the last look: JSON object, key → time of the first look (s) that found it so."""

HOLD_SECONDS = 20 * 3_600  # of a nightly run's 24 hours
METADATA_AGE_SECONDS = 86_400
_KEYS_OF_A_CALL = 1_000


@dataclass(slots=True)
class Swept:
    """What a look found: objects deleted, and those that are unnamed and still wait."""

    deleted: int = 0
    waiting: int = 0


def sweep(
    open_table: Callable[[], Any],
    *,
    bucket: str,
    s3: Any,
    now: float,
    data_age_seconds: float,
    in_time: Callable[[], bool],
) -> Swept:
    """Look at all objects of the table once, and delete those that may go.

    Parameters
    ----------
    open_table : gives the ``pyiceberg.table.Table`` as it is when called
    now : time in seconds
    data_age_seconds : age of a data file from which it cannot be announced any more
    in_time : whether there is time for another thousand deletions
    """
    # Listed before the table is read: what is committed in between is then named.
    aged = dict(_aged(s3, bucket, now=now, data_age_seconds=data_age_seconds))
    named = named_keys(open_table())
    before = _read_ledger(s3, bucket)
    unnamed = {key: before.get(key, now) for key in aged if key not in named}
    due = [key for key, since in unnamed.items() if since <= now - HOLD_SECONDS]
    swept = Swept()
    for start in range(0, len(due), _KEYS_OF_A_CALL):
        if not in_time():
            break
        keys = due[start : start + _KEYS_OF_A_CALL]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        refused = {error["Key"] for error in answer.get("Errors", [])}
        for key in keys:
            if key not in refused:
                del unnamed[key]
                swept.deleted += 1
    swept.waiting = len(unnamed)
    s3.put_object(Bucket=bucket, Key=LEDGER_KEY, Body=json.dumps(unnamed), ContentType="application/json")
    return swept


def named_keys(table: Any) -> set[str]:
    """Give the keys of all objects that a table's metadata and its kept snapshots name."""
    paths = {table.metadata_location}
    paths.update(entry.metadata_file for entry in table.metadata.metadata_log)
    paths.update(file.statistics_path for file in table.metadata.statistics)
    paths.update(file.statistics_path for file in table.metadata.partition_statistics)
    read: set[str] = set()
    for snapshot in table.metadata.snapshots:
        paths.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in read:
                continue
            read.add(manifest.manifest_path)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                if entry.status != ManifestEntryStatus.DELETED:
                    paths.add(entry.data_file.file_path)
    return {path.removeprefix("s3://").partition("/")[2] for path in paths | read}


def _aged(s3: Any, bucket: str, *, now: float, data_age_seconds: float) -> Iterator[tuple[str, float]]:
    for prefix, age in ((DATA_PREFIX, data_age_seconds), (METADATA_PREFIX, METADATA_AGE_SECONDS)):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                modified = entry["LastModified"].timestamp()
                if modified <= now - age:
                    yield entry["Key"], modified


def _read_ledger(s3: Any, bucket: str) -> Mapping[str, float]:
    try:
        body = s3.get_object(Bucket=bucket, Key=LEDGER_KEY)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return {}
    ledger: dict[str, float] = json.loads(body)
    return ledger
