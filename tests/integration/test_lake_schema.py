"""A column is added to a table that is in use: files, writers, committers and readers of both ages."""

import json
import os
import uuid
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import BufferReader
from pyiceberg.io.pyarrow import pyarrow_to_schema

from lambdas.lake_committer import evolution, lake_table
from lambdas.lake_committer.errors import FileMismatch, SchemaMismatch
from lambdas.lake_committer.invocation import Received, commit_received
from lambdas.lake_maintenance.compaction import compact
from lambdas.lake_writer.files import data_key, parquet_bytes
from lambdas.lake_writer.message import WrittenBatch, WrittenFile, decode_message
from tickwire.cli.main import main
from tickwire.lake import SCHEMA

from .lakes import DAY_NUMBER, Lake

pytestmark = pytest.mark.services("glue", "s3", "sqs")


def column(field_id: int, name: str, kind: pa.DataType, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"PARQUET:field_id": str(field_id)})


LIQUIDATION = column(13, "liquidation", pa.bool_())


@pytest.fixture
def lake(aws: str) -> Lake:
    return Lake(f"lake-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch):
    """Have the committer be of code whose schema has these further columns, or none, or another one at all."""

    def run(*columns: pa.Field, schema: pa.Schema = SCHEMA) -> None:
        for module in (evolution, lake_table):
            monkeypatch.setattr(module, "iceberg_schema", lambda: pyarrow_to_schema(pa.schema([*schema, *columns])))

    return run


def newer(lake: Lake, counter: int, *, liquidation: bool) -> WrittenBatch:
    """Write a record's file as a writer that knows the new column does."""
    batch = lake.write((1, counter, counter))
    key = batch.files[0].path.partition(f"{lake.bucket}/")[2]
    rows = pq.read_table(BufferReader(lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()))
    rows = rows.append_column(LIQUIDATION, pa.array([liquidation] * rows.num_rows))
    body = parquet_bytes(rows)
    key = data_key(DAY_NUMBER, body)
    lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=body)
    return WrittenBatch((WrittenFile(f"s3://{lake.bucket}/{key}", rows.num_rows),), batch.partitions)


def liquidations(lake: Lake) -> dict[int, bool | None]:
    rows = lake.table().scan().to_arrow().to_pylist()
    return {row["stream_counter"]: row["liquidation"] for row in rows}


def test_a_column_of_the_code_is_added_to_a_table_that_is_there_and_old_rows_have_none(lake, deploy):
    lake.commit(lake.write((1, 1, 2)))
    deploy(LIQUIDATION)
    lake.commit(newer(lake, 3, liquidation=True))
    assert liquidations(lake) == {1: None, 2: None, 3: True}
    assert lake.table().schema().find_field("liquidation").field_id == 13
    assert lake.open().counters == {1: 3}


def test_the_column_is_in_the_catalogue_that_athena_reads(lake, deploy):
    lake.commit(lake.write((1, 1, 1)))
    deploy(LIQUIDATION)
    lake.open()
    table = boto3.client("glue").get_table(DatabaseName=lake.database, Name="trades")["Table"]
    assert table["StorageDescriptor"]["Columns"][-1]["Name"] == "liquidation"
    assert table["StorageDescriptor"]["Columns"][-1]["Type"] == "boolean"


def test_a_writer_that_is_older_than_the_committer_goes_on(lake, deploy):
    deploy(LIQUIDATION)
    lake.open()
    lake.commit(lake.write((1, 1, 2)))
    assert liquidations(lake) == {1: None, 2: None}


def test_a_writer_that_is_newer_than_the_committer_waits_for_it_and_nothing_is_lost(lake, deploy):
    lake.commit(lake.write((1, 1, 1)))
    batch = newer(lake, 2, liquidation=True)
    with pytest.raises(FileMismatch, match="liquidation"):
        lake.commit(batch)
    assert lake.open().counters == {1: 1}
    deploy(LIQUIDATION)
    lake.commit(batch)
    assert liquidations(lake) == {1: None, 2: True}


def test_a_committer_that_was_deployed_back_leaves_the_column_and_goes_on(lake, deploy):
    deploy(LIQUIDATION)
    lake.commit(newer(lake, 1, liquidation=True))
    deploy()
    lake.commit(lake.write((1, 2, 2)), newer(lake, 3, liquidation=False))
    assert liquidations(lake) == {1: True, 2: None, 3: False}


def test_files_of_both_ages_are_compacted_into_one_by_code_of_either(lake, deploy):
    deploy(LIQUIDATION)
    for counter in range(1, 6):
        lake.commit(
            newer(lake, counter, liquidation=counter == 3) if counter % 2 else lake.write((1, counter, counter))
        )
    expected = liquidations(lake)
    assert expected == {1: False, 2: None, 3: True, 4: None, 5: False}
    deploy()
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=f"{lake.bucket}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    compact(
        lake.table(),
        open_from=DAY_NUMBER + 1,
        bucket=lake.bucket,
        queue_url=queue,
        s3=lake.s3,
        sqs=sqs,
        in_time=lambda: True,
    )
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    outcome = commit_received([Received(decode_message(message["Body"]), 1)], lake.open, in_time=lambda: True)
    assert (outcome.rows_compacted, len(list(lake.table().scan().plan_files()))) == (5, 1)
    assert liquidations(lake) == expected


def test_duckdb_reads_files_of_both_ages(lake, deploy, aws, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.delenv("TICKWIRE_DATABASE_URL", raising=False)
    lake.commit(lake.write((1, 1, 1)))
    deploy(LIQUIDATION)
    lake.commit(newer(lake, 2, liquidation=True))
    (tmp_path / "run.json").write_text(
        json.dumps(
            {"pid": os.getpid(), "endpoint_url": aws, "lake_bucket": lake.bucket, "lake_database": lake.database}
        )
    )
    sql = "SELECT stream_counter, coalesce(liquidation, false) AS liquidation FROM trades ORDER BY 1"
    assert main(["query", sql, "--folder", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"stream_counter": 1, "liquidation": False},
        {"stream_counter": 2, "liquidation": True},
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([column(13, "liquidation", pa.bool_(), nullable=False)], "must not be null"),
        ([column(14, "liquidation", pa.bool_())], "has the id 14, the table would give it 13"),
    ],
)
def test_a_column_that_would_break_old_files_is_refused_before_anything_is_committed(lake, deploy, columns, message):
    lake.commit(lake.write((1, 1, 1)))
    deploy(*columns)
    with pytest.raises(SchemaMismatch, match=message):
        lake.open()
    deploy()
    assert lake.open().counters == {1: 1}


def test_a_column_whose_type_was_changed_is_refused(lake, deploy):
    lake.commit(lake.write((1, 1, 1)))
    flags = column(10, "flags", pa.int64(), nullable=False)
    deploy(schema=SCHEMA.set(SCHEMA.get_field_index("flags"), flags))
    with pytest.raises(SchemaMismatch, match="column flags"):
        lake.open()
