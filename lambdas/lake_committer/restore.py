"""``python -m lambdas.lake_committer.restore``: bring the lake back once objects, or its pointer in Glue, are lost.

Nothing below the table is ever overwritten with other content: data files are named by the digest of
their bytes, metadata and manifests by UUIDs. So the first version of an object is the right one,
whatever was done to it later, and a version is put on top again rather than what lies above it
removed: that needs no right to delete, and what was done stays to be looked at.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import StaticTable

from lambdas.lake_committer.errors import LakeUnrecoverable
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_committer.moved_lake import metadata_by_version, rebuild
from tickwire.lake import TABLE


@dataclass(frozen=True, slots=True)
class Versions:
    """What S3 holds of one key: its first version, and the newest entry, which may be a delete marker."""

    key: str
    first: str
    newest: str
    changed: datetime


def restore_objects(s3: Any, *, bucket: str, since: datetime) -> list[str]:
    """Put the first version of each object of the table on top that was deleted or overwritten since a moment.

    Returns
    -------
    The keys that were restored.
    """
    restored = []
    for found in _versions(s3, bucket):
        if found.newest != found.first and found.changed >= since:
            source = {"Bucket": bucket, "Key": found.key, "VersionId": found.first}
            s3.copy_object(Bucket=bucket, Key=found.key, CopySource=source)
            restored.append(found.key)
    return restored


def newest_metadata(s3: Any, *, bucket: str) -> str:
    """Give the address of the newest metadata file whose snapshot can be read.

    Two of one number are left where a commit lost the race to another; the one that holds more is taken.

    Raises
    ------
    LakeUnrecoverable
        If there is none.
    """
    for addresses in metadata_by_version(s3, bucket=bucket):
        readable = {address: held for address in addresses if (held := _held(address)) is not None}
        if readable:
            return max(readable, key=lambda address: readable[address])
    raise LakeUnrecoverable(f"no metadata file in {bucket} has a snapshot that can be read")


def point_at(catalog: GlueCatalog, location: str, *, database: str) -> LakeTable:
    """Make the catalogue's table that of a metadata file, in place of the one that it has, if any.

    Nobody may commit meanwhile: the committer's event source has to be disabled.
    """
    catalog.create_namespace_if_not_exists(database)
    with contextlib.suppress(NoSuchTableError):
        catalog.drop_table((database, TABLE))
    table = catalog.register_table((database, TABLE), location)
    return LakeTable(table, bucket="")


def main(arguments: list[str] | None = None) -> int:
    """Restore objects and pointer; 0 if the table can be read after it."""
    parser = argparse.ArgumentParser(
        prog="python -m lambdas.lake_committer.restore",
        description="Bring the lake back. Disable the event source of the lake's committer first.",
    )
    parser.add_argument("bucket", help="the lake's bucket (output LakeBucket)")
    parser.add_argument("database", help="its Glue database (output LakeDatabase)")
    parser.add_argument("--since", type=_moment, metavar="T", help="put back what changed from this time on (RFC 3339)")
    parser.add_argument("--metadata", metavar="S3_ADDRESS", help="point at this metadata file, not at the newest")
    parser.add_argument("--pointer", action="store_true", help="point Glue at the newest metadata file")
    parser.add_argument("--copy-of", metavar="BUCKET", help="the bucket is a copy of that one: make a new table of it")
    options = parser.parse_args(arguments)
    import boto3

    s3 = boto3.client("s3")
    try:
        if options.since is not None:
            print(f"restored {len(restore_objects(s3, bucket=options.bucket, since=options.since))} objects")
        if options.pointer or options.metadata is not None:
            location = options.metadata or newest_metadata(s3, bucket=options.bucket)
            table = point_at(glue_catalog(), location, database=options.database)
            print(f"the table is that of {location}, with counters {table.counters}")
        if options.copy_of is not None:
            table = rebuild(
                glue_catalog(), s3, database=options.database, bucket=options.bucket, original=options.copy_of
            )
            print(f"a new table holds what was copied of {options.copy_of}, with counters {table.counters}")
    except LakeUnrecoverable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _versions(s3: Any, bucket: str) -> Iterator[Versions]:
    """Give what S3 holds of each key; it lists a key's versions one after the other, newest first."""
    seen: dict[str, list[dict[str, Any]]] = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{TABLE}/"):
        for entry in page.get("Versions", ()):
            seen.setdefault(entry["Key"], []).append(entry)
        for entry in page.get("DeleteMarkers", ()):
            seen.setdefault(entry["Key"], []).append({**entry, "Deleted": True})
    for key, entries in seen.items():
        newest = next(entry for entry in entries if entry["IsLatest"])
        # Markers and versions come in lists of their own, and within each the order is S3's: newest first.
        first = next((entry for entry in reversed(entries) if "Deleted" not in entry), None)
        if first is not None:
            yield Versions(key, first["VersionId"], newest["VersionId"], newest["LastModified"])


def _held(location: str) -> int | None:
    """Give how many records a metadata file's snapshot holds, by its counters; None if it cannot be read whole."""
    try:
        table = StaticTable.from_metadata(location, properties=glue_catalog().properties)
        snapshot = table.current_snapshot()
        if snapshot is None:
            return 0
        for manifest in snapshot.manifests(table.io):
            manifest.fetch_manifest_entry(table.io)
        return sum(LakeTable(table, bucket="").counters.values())
    except (OSError, ValueError):
        return None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2026-11-21T00:00:00Z") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
