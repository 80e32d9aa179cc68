"""The lake made anew of a copy of its bucket, as after the loss of a region.

Iceberg's metadata name every file with the address that it had, bucket and all, so a copy cannot be used
as it lies. Its data files can: a new table takes them in as they are, with the counters that the old one had.
"""

from collections.abc import Iterator
from typing import Any

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.table import StaticTable

from lambdas.lake_committer.errors import LakeUnrecoverable
from lambdas.lake_committer.lake_table import LakeTable
from lambdas.lake_committer.plan import CommitPlan
from lambdas.lake_writer.message import WrittenFile
from tickwire.lake import TABLE

_METADATA = f"{TABLE}/metadata/"
_SUFFIX = ".metadata.json"
_FROM, _TO = "tickwire.moved-from", "tickwire.moved-to"


class MovedFiles(PyArrowFileIO):
    """Reads what has an address in the bucket that was from the bucket that is."""

    def new_input(self, location: str) -> PyArrowFile:
        """Open the file where it lies now."""
        was, now = (f"s3://{self.properties[name]}/" for name in (_FROM, _TO))
        return super().new_input(now + location.removeprefix(was) if location.startswith(was) else location)


def metadata_by_version(s3: Any, *, bucket: str) -> Iterator[list[str]]:
    """Give the addresses of a bucket's metadata files, those of the highest number first.

    Two have one number where a commit lost the race to another.
    """
    found: dict[int, list[str]] = {}
    for key in _keys(s3, bucket, _METADATA):
        number, _, rest = key.removeprefix(_METADATA).partition("-")
        if number.isdigit() and rest.endswith(_SUFFIX):
            found.setdefault(int(number), []).append(f"s3://{bucket}/{key}")
    for version in sorted(found, reverse=True):
        yield found[version]


def rebuild(catalog: GlueCatalog, s3: Any, *, database: str, bucket: str, original: str) -> LakeTable:
    """Make a table in ``bucket`` of the newest snapshot of ``original`` whose every file was copied there.

    What was not copied yet is not in it: the counters say so, and a replay of ``trades-clean`` brings it.

    Raises
    ------
    LakeUnrecoverable
        If no snapshot is there whole, or the table has rows already.
    """
    there = {f"s3://{bucket}/{key}" for key in _keys(s3, bucket, f"{TABLE}/")}
    for address in (address for addresses in metadata_by_version(s3, bucket=bucket) for address in addresses):
        found = _snapshot(catalog, address, bucket=bucket, original=original)
        if found is None:
            continue
        files, counters = found
        if all(file.path in there for file in files):
            table = LakeTable.open(catalog, database=database, bucket=bucket)
            if table.counters:
                raise LakeUnrecoverable(f"the table of {database} has rows already")
            table.commit(CommitPlan(counters=counters, whole=files, messages=1))
            return LakeTable.open(catalog, database=database, bucket=bucket)
    raise LakeUnrecoverable(f"no snapshot of {original} lies whole in {bucket}")


def _snapshot(
    catalog: GlueCatalog, address: str, *, bucket: str, original: str
) -> tuple[list[WrittenFile], dict[int, int]] | None:
    """Give the files of a metadata file's snapshot, by their new addresses, and its counters."""
    properties = {
        **catalog.properties,
        "py-io-impl": f"{MovedFiles.__module__}.{MovedFiles.__name__}",
        _FROM: original,
        _TO: bucket,
    }
    try:
        table = StaticTable.from_metadata(address, properties=properties)
        if table.current_snapshot() is None:
            return None
        files = [task.file for task in table.scan().plan_files()]
        counters = LakeTable(table, bucket=bucket).counters
    except (OSError, ValueError):
        return None
    was = f"s3://{original}/"
    return [
        WrittenFile(f"s3://{bucket}/{file.file_path.removeprefix(was)}", file.record_count) for file in files
    ], counters


def _keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            yield item["Key"]
