"""The Iceberg table `trades` in the Glue catalogue, as the committer and queries see it."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.config import Config
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.table import Table
from pyiceberg.table.update.snapshot import ExpireSnapshots

from lambdas.lake_committer.errors import CountersLost, FileMismatch, LakeConflict, StaleReplacement
from lambdas.lake_committer.evolution import add_missing_columns
from lambdas.lake_committer.plan import CommitPlan, TrimmedFile
from lambdas.lake_writer.files import data_key, parquet_bytes
from lambdas.lake_writer.message import WrittenFile
from tickwire.lake import TABLE, by_exchange_day, iceberg_schema, partition_spec, within_days

COUNTERS_PROPERTY = "tickwire.counters"
"""Key in a snapshot's summary, and in the table's properties.

JSON object, partition → last counter whose rows the table holds. A snapshot's own word counts. The
table's is for when others' snapshots (a compaction by Athena or Glue) are all that an expiry left.
"""

_PROPERTIES = {
    "format-version": "2",
    # pyiceberg's own retry appends the same files on top of whatever came in between, be it the
    # same files from a twin of this invocation. After a conflict the counters must be read anew.
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "50",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
    # Athena's VACUUM deletes what no snapshot names at an age of five days, unless the table says more:
    # a file waits for its commit for up to 14 (lambdas/lake_maintenance/orphans.py).
    "vacuum_max_snapshot_age_seconds": "1382400",
}
# pyiceberg copies the whole metadata a dozen times a commit: 100 snapshots make it take twice as long.
SNAPSHOTS_KEPT = 20
_SNAPSHOTS_BEFORE_EXPIRY = 40


def glue_catalog() -> GlueCatalog:
    """Give the Glue catalogue of this account and region; ``AWS_ENDPOINT_URL`` is honoured."""
    # A call that the transport repeats after a lost answer would meet its own commit, look like a
    # conflict, and make pyiceberg delete manifests that the table uses.
    client = boto3.client("glue", config=Config(retries={"total_max_attempts": 1}))
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    properties = {"s3.endpoint": endpoint} if endpoint else {}
    return GlueCatalog("tickwire", client=client, **properties, **{"s3.region": client.meta.region_name})


class LakeTable:
    """The table at one snapshot. Open it again to see what others have committed since."""

    def __init__(self, table: Table, *, bucket: str) -> None:
        self._table = table
        self._bucket = bucket

    @classmethod
    def open(cls, catalog: GlueCatalog, *, database: str, bucket: str) -> "LakeTable":
        """Load the table's current state, creating database, table and columns where there are none.

        Raises
        ------
        SchemaMismatch
            If the table's columns contradict the code's.
        """
        identifier = (database, TABLE)
        try:
            table = catalog.load_table(identifier)
        except NoSuchTableError:
            catalog.create_namespace_if_not_exists(database)
            try:
                table = catalog.create_table(
                    identifier,
                    iceberg_schema(),
                    location=f"s3://{bucket}/{TABLE}",
                    partition_spec=partition_spec(),
                    properties=_PROPERTIES,
                )
            except TableAlreadyExistsError:
                table = catalog.load_table(identifier)
        if table.properties.get("commit.retry.num-retries") != "0":
            with table.transaction() as transaction:
                transaction.set_properties({"commit.retry.num-retries": "0"})
        add_missing_columns(table)
        return cls(table, bucket=bucket)

    @property
    def counters(self) -> dict[int, int]:
        """Partition → last counter whose rows this snapshot holds; empty for a new table.

        Another writer's snapshot (compaction) carries none, so ancestors are searched, and where
        these have been expired, the table's properties.

        Raises
        ------
        CountersLost
            If there are snapshots, but nothing that can be reached says.
        """
        snapshot = self._table.current_snapshot()
        if snapshot is None:
            return {}
        text = self._table.properties.get(COUNTERS_PROPERTY)
        while snapshot is not None:
            own = snapshot.summary[COUNTERS_PROPERTY] if snapshot.summary is not None else None
            if own is not None:
                text = own
                break
            parent = snapshot.parent_snapshot_id
            snapshot = self._table.snapshot_by_id(parent) if parent is not None else None
        if text is None:
            raise CountersLost(f"no snapshot of {self._table.name()} carries {COUNTERS_PROPERTY}")
        return {int(partition): counter for partition, counter in json.loads(text).items()}

    def commit(self, plan: CommitPlan) -> int:
        """Make a plan's files visible together with its counters, all or nothing.

        Returns
        -------
        The number of rows added.

        Raises
        ------
        LakeConflict
            If the table has changed since it was opened; nothing was added.
        FileMismatch
            If a file holds another number of rows than announced, or columns that the table has
            not; nothing was added.
        """
        files = [self._data_file(file) for file in plan.whole]
        for trimmed in plan.trimmed:
            files += [self._data_file(file) for file in self._without_repeats(trimmed)]
        with self._snapshot(plan.counters) as update, update.merge_append() as append:
            for file in files:
                append.append_data_file(file)
        return _rows(files)

    def replace(self, replaced: Collection[str], written: Sequence[WrittenFile]) -> int:
        """Put files in the place of those they were made of, all or nothing; rows and counters stay.

        Returns
        -------
        The number of rows that moved, 0 if this has been done before.

        Raises
        ------
        LakeConflict
            If the table has changed since it was opened; nothing was replaced.
        StaleReplacement
            If the table no longer holds each of the files, or not all of their rows; nothing was
            replaced.
        FileMismatch
            If the files do not hold as many rows as those that they stand for, or lie in several
            days; nothing was replaced.
        """
        new = [self._data_file(file) for file in written]
        days = {file.partition[0] for file in new}
        if len(days) != 1:
            raise FileMismatch(f"a compaction is of one day, and its files are of {len(days)}")
        (day,) = days
        there = {
            task.file.file_path: task for task in self._table.scan(row_filter=within_days(day, day + 1)).plan_files()
        }
        if all(file.path in there for file in written):
            return 0
        found = {path: there[path] for path in replaced if path in there}
        if missing := sorted(set(replaced) - set(found)):
            raise StaleReplacement(f"{len(missing)} files are no longer in the table, {missing[0]} first")
        if any(task.delete_files for task in found.values()):
            raise StaleReplacement("rows of the files have been deleted")
        old = [task.file for task in found.values()]
        if _rows(old) != _rows(new):
            raise FileMismatch(f"{_rows(new)} rows were to stand for {_rows(old)}")
        with self._snapshot(self.counters) as update, update.overwrite() as overwrite:
            for file in old:
                overwrite.delete_data_file(file)
            for file in new:
                overwrite.append_data_file(file)
        return _rows(new)

    @contextmanager
    def _snapshot(self, counters: Mapping[int, int]) -> Iterator[Any]:
        """Make a snapshot that says its counters, and commit it with what else each commit does."""
        text = json.dumps({str(partition): counters[partition] for partition in sorted(counters)})
        try:
            with self._table.transaction() as transaction:
                transaction.set_properties({COUNTERS_PROPERTY: text})
                yield transaction.update_snapshot(snapshot_properties={COUNTERS_PROPERTY: text})
                self._expire(transaction)
        except CommitFailedException as error:
            raise LakeConflict(str(error)) from error

    def _data_file(self, file: WrittenFile) -> Any:
        try:
            data_file = parquet_file_to_data_file(self._table.io, self._table.metadata, file.path)
        except (KeyError, ValueError) as error:
            # A newer writer's columns: the message waits for the committer that adds them.
            raise FileMismatch(f"{file.path} has columns that the table has not, or others: {error}") from error
        if data_file.record_count != file.rows:
            raise FileMismatch(f"{file.path} holds {data_file.record_count} rows, announced were {file.rows}")
        return data_file

    def _without_repeats(self, trimmed: TrimmedFile) -> list[WrittenFile]:
        """Write a file's rows that are not in the table yet as new files, none if all are."""
        with self._table.io.new_input(trimmed.file.path).open() as stream:
            rows = pq.read_table(stream)
        rows = rows.filter(_above(trimmed.floor))
        written = []
        if rows.num_rows:
            for day, part in by_exchange_day(rows):
                body = parquet_bytes(part)
                path = f"s3://{self._bucket}/{data_key(day, body)}"
                # The name is the content's digest, so what lies there already is the same.
                with self._table.io.new_output(path).create(overwrite=True) as stream:
                    stream.write(body)
                written.append(WrittenFile(path, part.num_rows))
        return written

    def _expire(self, transaction: Any) -> None:
        """Forget old snapshots now and then, or the metadata that each commit rewrites grows for ever.

        Those that a branch or a tag names stay; pyiceberg refuses them with an error.
        """
        metadata = self._table.metadata
        if len(metadata.snapshots) <= _SNAPSHOTS_BEFORE_EXPIRY:
            return
        named = {reference.snapshot_id for reference in metadata.refs.values()}
        oldest_first = sorted(metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
        expiry = ExpireSnapshots(transaction)
        expiry.by_ids([s.snapshot_id for s in oldest_first[:-SNAPSHOTS_KEPT] if s.snapshot_id not in named])
        expiry.commit()


def _rows(files: Iterable[Any]) -> int:
    return sum(file.record_count for file in files)


def _above(floor: Mapping[int, int]) -> pc.Expression:
    keep = pc.scalar(False)
    for partition, counter in floor.items():
        keep |= (pc.field("stream_partition") == partition) & (pc.field("stream_counter") > counter)
    return keep
