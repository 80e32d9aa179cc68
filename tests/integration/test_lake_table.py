"""The table in the emulator's Glue and S3, through pyiceberg."""

import os
import subprocess
import sys
import textwrap
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ReadTimeoutError
from pyiceberg.catalog.glue import GlueCatalog

from lambdas.lake_committer import lake_table
from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.errors import CountersLost, FileMismatch, LakeConflict
from lambdas.lake_committer.lake_table import COUNTERS_PROPERTY, LakeTable
from lambdas.lake_writer.message import WrittenBatch, WrittenFile, encode_message

from .lakes import Lake

pytestmark = pytest.mark.services("glue", "s3")


@pytest.fixture
def lake(aws: str) -> Lake:
    return Lake(f"lake-{uuid.uuid4().hex[:8]}")


def test_a_new_table_is_empty_and_a_commit_makes_rows_and_counters_appear_together(lake):
    assert lake.open().counters == {}
    result = lake.commit(lake.write((1, 1, 2), (2, 1, 1)))
    assert (result.rows, result.jump, result.conflicts) == (3, None, 0)
    assert lake.open().counters == {1: 2, 2: 1}
    assert lake.counters_in_rows() == [1, 2]


def test_several_messages_become_one_snapshot(lake):
    lake.commit(lake.write((1, 1, 2)), lake.write((1, 3, 3)), lake.write((1, 4, 6)))
    assert len(lake.table().metadata.snapshots) == 1
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]


def test_a_written_file_is_invisible_until_it_is_committed(lake):
    lake.commit(lake.write((1, 1, 1)))
    lake.write((1, 2, 5))
    assert lake.counters_in_rows() == [1]


def test_a_message_that_comes_again_changes_nothing(lake):
    batch = lake.write((1, 1, 3))
    lake.commit(batch)
    result = lake.commit(batch)
    assert (result.rows, result.plan.repeats) == (0, 1)
    assert len(lake.table().metadata.snapshots) == 1
    assert lake.counters_in_rows() == [1, 2, 3]


def test_an_overlapping_file_adds_only_its_new_rows_on_each_day(lake):
    lake.commit(lake.write((1, 1, 3), days=2))
    result = lake.commit(lake.write((1, 2, 5), (2, 1, 1), days=2))
    assert result.rows == 6
    assert lake.counters_in_rows() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert lake.counters_in_rows(2) == [1, 1]


def test_overlap_within_one_commit_is_trimmed_too(lake):
    lake.commit(lake.write((1, 1, 3)), lake.write((1, 1, 5)), lake.write((1, 2, 4)))
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5]


def test_what_precedes_a_jump_is_committed_and_the_rest_waits(lake):
    result = lake.commit(lake.write((1, 1, 2)), lake.write((1, 4, 5)), lake.write((1, 3, 3)))
    assert (result.plan.messages, lake.counters_in_rows()) == (1, [1, 2])
    assert result.jump is not None
    lake.commit(lake.write((1, 3, 3)), lake.write((1, 4, 5)))
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5]


def test_counters_without_trades_are_committed(lake):
    lake.commit(WrittenBatch((), {1: (1, 7)}))
    assert lake.open().counters == {1: 7}
    lake.commit(lake.write((1, 8, 8)))
    assert lake.counters_in_rows() == [8]


def test_a_twin_that_commits_first_leaves_nothing_to_do(lake):
    """pyiceberg by itself would append the file again on top of the twin's snapshot."""
    lake.commit(lake.write((1, 1, 1)))
    batch = lake.write((1, 2, 3))
    stale = lake.open()
    opened = iter([stale, None])
    twin = lake.commit(batch)
    assert twin.rows == 2
    result = commit_batches([batch], lambda: next(opened) or lake.open(), wait=lambda _: None)
    assert (result.rows, result.conflicts, result.plan.repeats) == (0, 1, 1)
    assert lake.counters_in_rows() == [1, 2, 3]


def test_a_conflict_on_the_first_snapshot_is_seen(lake):
    first = lake.open()
    batch = lake.write((1, 1, 1))
    lake.commit(batch)
    opened = iter([first, None])
    assert commit_batches([batch], lambda: next(opened) or lake.open(), wait=lambda _: None).conflicts == 1
    assert lake.counters_in_rows() == [1]


def test_a_table_that_keeps_changing_is_given_up_with_nothing_added(lake):
    lake.commit(lake.write((1, 1, 1)))
    batch = lake.write((1, 2, 2))
    stale = lake.open
    others = iter(range(1, 100))

    def open_and_be_overtaken() -> LakeTable:
        table = stale()
        counter = next(others)
        lake.commit(WrittenBatch((), {9: (counter, counter)}))
        return table

    with pytest.raises(LakeConflict):
        commit_batches([batch], open_and_be_overtaken, wait=lambda _: None)
    assert lake.counters_in_rows() == [1]
    lake.commit(batch)
    assert lake.counters_in_rows() == [1, 2]


def test_an_answer_of_glue_that_is_lost_leaves_a_sound_table_and_the_retry_nothing_to_do(lake, monkeypatch):
    """The commit has come through, and its function does not know."""
    lake.commit(lake.write((1, 1, 1)))
    batch = lake.write((1, 2, 3))
    update = GlueCatalog._update_glue_table

    def update_and_lose_the_answer(catalog: GlueCatalog, **arguments: object) -> None:
        update(catalog, **arguments)
        raise ReadTimeoutError(endpoint_url="glue")

    monkeypatch.setattr(GlueCatalog, "_update_glue_table", update_and_lose_the_answer)
    with pytest.raises(ReadTimeoutError):
        lake.commit(batch)
    monkeypatch.undo()
    assert lake.counters_in_rows() == [1, 2, 3]
    assert lake.commit(batch).rows == 0
    assert lake.counters_in_rows() == [1, 2, 3]


def test_glue_calls_are_never_repeated_by_the_transport(lake):
    """A repeated update would meet its own commit, and pyiceberg would delete manifests in use."""
    assert lake.catalog.glue.meta.config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_committer_killed_around_its_commit_and_the_retry_add_every_row_once(lake, moment):
    lake.commit(lake.write((1, 1, 1)))
    batch = lake.write((1, 2, 4))
    script = textwrap.dedent(
        """
        import sys, time
        from pyiceberg.catalog.glue import GlueCatalog
        from lambdas.lake_committer.committer import commit_batches
        from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
        from lambdas.lake_writer.message import decode_message

        moment, bucket, database, message = sys.argv[1:]
        update = GlueCatalog._update_glue_table

        def hang(catalog, **arguments):
            if moment == "after":
                update(catalog, **arguments)
            print("committing", flush=True)
            time.sleep(600)

        GlueCatalog._update_glue_table = hang
        catalog = glue_catalog()
        commit_batches([decode_message(message)], lambda: LakeTable.open(catalog, database=database, bucket=bucket))
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, moment, lake.bucket, lake.database, encode_message(batch).decode()],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        assert process.stdout.readline() == "committing\n"
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
    assert lake.counters_in_rows() == ([1] if moment == "before" else [1, 2, 3, 4])
    lake.commit(batch)
    assert lake.counters_in_rows() == [1, 2, 3, 4]


def test_the_retries_of_pyiceberg_are_switched_off_on_a_table_that_has_them(lake):
    lake.commit(lake.write((1, 1, 1)))
    with lake.table().transaction() as transaction:
        transaction.set_properties({"commit.retry.num-retries": "4"})
    lake.open()
    assert lake.table().properties["commit.retry.num-retries"] == "0"


def test_counters_are_found_behind_a_snapshot_of_another_writer(lake):
    lake.commit(lake.write((1, 1, 4)))
    with lake.table().transaction() as transaction, transaction.update_snapshot().fast_append():
        pass
    assert COUNTERS_PROPERTY not in lake.table().current_snapshot().summary.additional_properties
    assert lake.open().counters == {1: 4}


def test_counters_outlive_an_expiry_that_leaves_only_another_writers_snapshot(lake):
    """As Athena's OPTIMIZE and then its VACUUM leave a table after a week without trades."""
    lake.commit(lake.write((1, 1, 4)))
    batch = lake.write((1, 3, 6))
    with lake.table().transaction() as transaction, transaction.update_snapshot().fast_append():
        pass
    lake.table().maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(days=1)).commit()
    assert len(lake.table().metadata.snapshots) == 1
    assert lake.open().counters == {1: 4}
    lake.commit(batch)
    assert lake.counters_in_rows() == [1, 2, 3, 4, 5, 6]


def test_a_snapshots_own_counters_count_more_than_the_tables(lake):
    """An operator has gone back to an older snapshot: what is not in it must be missed, not taken for there."""
    lake.commit(lake.write((1, 1, 2)))
    older = lake.table().current_snapshot().snapshot_id
    lake.commit(lake.write((1, 3, 4)))
    lake.table().manage_snapshots().rollback_to_snapshot(older).commit()
    assert lake.open().counters == {1: 2}
    assert lake.commit(lake.write((1, 5, 6))).jump is not None


def test_a_table_that_lost_its_counters_is_not_taken_for_a_new_one(lake):
    lake.open()
    with lake.table().transaction() as transaction, transaction.update_snapshot().fast_append():
        pass
    with pytest.raises(CountersLost):
        _ = lake.open().counters


def test_a_file_with_other_rows_than_announced_is_not_committed(lake):
    batch = lake.write((1, 1, 2))
    wrong = WrittenBatch((WrittenFile(batch.files[0].path, 99),), batch.partitions)
    with pytest.raises(FileMismatch, match="holds 2 rows, announced were 99"):
        lake.commit(wrong)
    assert lake.open().counters == {}


def test_old_snapshots_and_metadata_are_forgotten_and_no_row_with_them(lake, monkeypatch):
    monkeypatch.setattr(lake_table, "SNAPSHOTS_KEPT", 3)
    monkeypatch.setattr(lake_table, "_SNAPSHOTS_BEFORE_EXPIRY", 5)
    for counter in range(1, 13):
        lake.commit(lake.write((1, counter, counter)))
    assert len(lake.table().metadata.snapshots) <= 6
    assert lake.counters_in_rows() == list(range(1, 13))
    assert lake.open().counters == {1: 12}


def test_a_snapshot_that_somebody_named_is_not_forgotten(lake, monkeypatch):
    monkeypatch.setattr(lake_table, "SNAPSHOTS_KEPT", 2)
    monkeypatch.setattr(lake_table, "_SNAPSHOTS_BEFORE_EXPIRY", 3)
    lake.commit(lake.write((1, 1, 1)))
    first = lake.table().current_snapshot().snapshot_id
    lake.table().manage_snapshots().create_tag(first, "audited").commit()
    for counter in range(2, 8):
        lake.commit(lake.write((1, counter, counter)))
    kept = [snapshot.snapshot_id for snapshot in lake.table().metadata.snapshots]
    assert first in kept
    assert len(kept) <= 4
    assert lake.table().scan(snapshot_id=first).to_arrow().num_rows == 1


def test_data_files_carry_bounds_so_that_a_query_reads_few_of_them(lake):
    for counter in range(1, 4):
        lake.commit(lake.write((1, counter, counter), days=2))
    scan = lake.table().scan(row_filter="exchange_time >= '2024-08-09T00:00:00+00:00' and trade_id = 1002")
    assert len(list(scan.plan_files())) == 1


def test_the_endpoint_of_the_environment_is_used(lake):
    assert lake.catalog.glue.meta.endpoint_url == os.environ["AWS_ENDPOINT_URL"]
    assert lake.catalog.properties["s3.endpoint"] == os.environ["AWS_ENDPOINT_URL"]
