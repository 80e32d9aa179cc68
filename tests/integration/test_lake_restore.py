"""The lake brought back from the versions of its objects, on the emulator."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from lambdas.lake_committer.committer import commit_batches
from lambdas.lake_committer.errors import LakeUnrecoverable
from lambdas.lake_committer.lake_table import LakeTable, glue_catalog
from lambdas.lake_committer.restore import main, newest_metadata, point_at, restore_objects
from lambdas.lake_writer.files import data_files
from lambdas.lake_writer.message import WrittenBatch, WrittenFile
from tickwire.columns import Side, TradeRows
from tickwire.lake import TABLE
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

pytestmark = pytest.mark.services("glue", "s3")

BTC = Instrument("binance", "BTC-USDT", 8, 8)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Lake:
    def __init__(self) -> None:
        name = f"lake-{uuid.uuid4().hex[:8]}"
        self.bucket, self.database = name, name.replace("-", "_")
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=name)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def commit(self, counter: int) -> str:
        """Commit the trade with the id ``counter``; gives the metadata file that says so."""
        rows = TradeRows()
        rows.append(BTC, trade_id=counter, price=1, size=1, side=Side.BUY, exchange_time=1, receive_time=1)
        record = Record(header=Header(RecordKind.CLEAN, 0, counter), trades=rows.batch())
        files = []
        for file in data_files([record]):
            self.s3.put_object(Bucket=self.bucket, Key=file.key, Body=file.body)
            files.append(WrittenFile(f"s3://{self.bucket}/{file.key}", file.rows))
        commit_batches([WrittenBatch(tuple(files), {0: (counter, counter)})], self.open, wait=lambda _: None)
        location: str = glue_catalog().load_table((self.database, TABLE)).metadata_location
        return location

    def open(self) -> LakeTable:
        return LakeTable.open(glue_catalog(), database=self.database, bucket=self.bucket)

    def object_keys(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{TABLE}/")
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def ids(self) -> list[int]:
        table = glue_catalog().load_table((self.database, TABLE))
        found: list[int] = sorted(table.scan(selected_fields=("trade_id",)).to_arrow()["trade_id"].to_pylist())
        return found


@pytest.fixture
def lake(aws: str) -> Lake:
    return Lake()


def overwrite(lake: Lake, key: str) -> None:
    lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=b"encrypted by somebody else")


def delete(lake: Lake, key: str) -> None:
    lake.s3.delete_object(Bucket=lake.bucket, Key=key)


def overwrite_and_delete(lake: Lake, key: str) -> None:
    overwrite(lake, key)
    delete(lake, key)


@pytest.mark.parametrize("destroy", [overwrite, delete, overwrite_and_delete])
def test_what_was_done_to_every_object_is_undone(lake: Lake, destroy: Callable[[Lake, str], None]):
    for counter in (1, 2, 3):
        location = lake.commit(counter)
    keys = lake.object_keys()
    for key in keys:
        destroy(lake, key)
    glue_catalog().drop_table((lake.database, TABLE))
    assert sorted(restore_objects(lake.s3, bucket=lake.bucket, since=LONG_AGO)) == keys
    assert newest_metadata(lake.s3, bucket=lake.bucket) == location
    assert point_at(glue_catalog(), location, database=lake.database).counters == {0: 3}
    assert lake.ids() == [1, 2, 3]
    lake.commit(4)
    assert lake.ids() == [1, 2, 3, 4]


def test_what_was_changed_before_the_disaster_is_left_as_it_is(lake: Lake):
    lake.commit(1)
    overwrite(lake, lake.object_keys()[0])
    assert restore_objects(lake.s3, bucket=lake.bucket, since=datetime.now(UTC) + timedelta(minutes=1)) == []


def test_a_metadata_file_whose_manifests_are_gone_is_passed_over(lake: Lake):
    """The newest file's snapshot lists a manifest of its own, which nothing but it needs."""
    older = lake.commit(1)
    kept = set(lake.object_keys())
    lake.commit(2)
    for key in set(lake.object_keys()) - kept:
        if key.endswith(".avro"):
            lake.s3.delete_object(Bucket=lake.bucket, Key=key)
    assert newest_metadata(lake.s3, bucket=lake.bucket) == older


def test_of_two_metadata_files_of_one_number_the_one_that_holds_more_is_taken(lake: Lake):
    """As a commit leaves them that lost the race: by hand, the file of one more commit under the same number."""
    lake.commit(1)
    second = lake.commit(2)
    third = lake.commit(3)
    prefix, _, name = third.rpartition("/")
    rival = f"{prefix}/{second.rpartition('/')[2].partition('-')[0]}-{name.partition('-')[2]}"
    source = third.removeprefix(f"s3://{lake.bucket}/")
    lake.s3.copy_object(
        Bucket=lake.bucket,
        Key=rival.removeprefix(f"s3://{lake.bucket}/"),
        CopySource={"Bucket": lake.bucket, "Key": source},
    )
    lake.s3.delete_object(Bucket=lake.bucket, Key=source)
    assert newest_metadata(lake.s3, bucket=lake.bucket) == rival


def test_a_lake_without_metadata_cannot_be_pointed_at(lake: Lake, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(LakeUnrecoverable, match="no metadata file"):
        newest_metadata(lake.s3, bucket=lake.bucket)
    assert main([lake.bucket, lake.database, "--pointer"]) == 1
    assert "no metadata file" in capsys.readouterr().err


def test_the_command_restores_objects_and_pointer(lake: Lake, capsys: pytest.CaptureFixture[str]):
    location = lake.commit(1)
    for key in lake.object_keys():
        delete(lake, key)
    assert main([lake.bucket, lake.database, "--since", "2020-01-01T00:00:00Z", "--pointer"]) == 0
    assert capsys.readouterr().out.endswith(f"the table is that of {location}, with counters {{0: 1}}\n")
    assert lake.ids() == [1]


def test_the_command_goes_back_to_a_metadata_file_that_is_named(lake: Lake):
    earlier = lake.commit(1)
    lake.commit(2)
    assert main([lake.bucket, lake.database, "--metadata", earlier]) == 0
    assert lake.ids() == [1]


@pytest.fixture
def copied(lake: Lake) -> Callable[[], Lake]:
    """Give another region's lake, with what lies in the first one's bucket and another catalogue."""

    def copy() -> Lake:
        other = Lake()
        for key in lake.object_keys():
            other.s3.copy_object(Bucket=other.bucket, Key=key, CopySource={"Bucket": lake.bucket, "Key": key})
        return other

    return copy


def empty_bucket(lake: Lake) -> None:
    for key in lake.object_keys():
        delete(lake, key)


def test_a_copy_in_another_region_becomes_a_table_that_goes_on_counting(
    lake: Lake, copied: Callable[[], Lake], capsys: pytest.CaptureFixture[str]
):
    for counter in (1, 2, 3):
        lake.commit(counter)
    other = copied()
    empty_bucket(lake)
    assert main([other.bucket, other.database, "--copy-of", lake.bucket]) == 0
    assert "with counters {0: 3}" in capsys.readouterr().out
    assert other.ids() == [1, 2, 3]
    other.commit(3)  # a replay
    other.commit(4)
    assert other.ids() == [1, 2, 3, 4]


def test_what_was_not_copied_yet_is_left_to_the_replay(lake: Lake, copied: Callable[[], Lake]):
    """The newest metadata file came before the data file that it names."""
    lake.commit(1)
    before = set(lake.object_keys())
    lake.commit(2)
    late = [key for key in lake.object_keys() if key.endswith(".parquet") and key not in before]
    other = copied()
    for key in late:
        other.s3.delete_object(Bucket=other.bucket, Key=key)
    assert main([other.bucket, other.database, "--copy-of", lake.bucket]) == 0
    assert other.ids() == [1]
    other.commit(2)
    assert other.ids() == [1, 2]


def test_a_table_that_has_rows_is_not_filled_a_second_time(
    lake: Lake, copied: Callable[[], Lake], capsys: pytest.CaptureFixture[str]
):
    lake.commit(1)
    other = copied()
    assert main([other.bucket, other.database, "--copy-of", lake.bucket]) == 0
    assert main([other.bucket, other.database, "--copy-of", lake.bucket]) == 1
    assert "has rows already" in capsys.readouterr().err
    assert other.ids() == [1]


def test_a_bucket_that_holds_no_copy_is_refused(lake: Lake, capsys: pytest.CaptureFixture[str]):
    assert main([Lake().bucket, "nowhere", "--copy-of", lake.bucket]) == 1
    assert "lies whole" in capsys.readouterr().err
