"""The calls to Athena, against the emulator's, which runs the text on DuckDB over the lake's files.

What this proves: that awswrangler is called as it wants to be, that the workgroup and the database
arrive, that results come back in their types, and that a failure is told. What it does not: that
Trino accepts a text (``test_named_queries.py`` keeps texts to what both engines have), nor that
Athena reads the Iceberg table. The emulator reads Parquet below a folder, so the table here is one.
"""

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import awswrangler as wr
import boto3
import pandas as pd
import pytest

from tickwire.analytics.athena import AthenaLake, export, run_named, training_dataset
from tickwire.analytics.named_queries import InvalidParameter

from .lakes import Lake, Market

pytestmark = pytest.mark.services("glue", "s3", "athena")

START, END = datetime(2024, 8, 8, tzinfo=UTC), datetime(2024, 8, 8, 3, tzinfo=UTC)
COLUMNS = {
    "venue": "string",
    "symbol": "string",
    "trade_id": "bigint",
    "price": "decimal(38,18)",
    "size": "decimal(38,18)",
    "side": "string",
    "exchange_time": "timestamp",
    "exchange_time_ns": "bigint",
    "receive_time_ns": "bigint",
}


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=11)


@pytest.fixture(autouse=True)
def results_where_they_are_said_to_be(aws: str, monkeypatch) -> None:
    """Move each result to the address that the emulator gives for it; it puts it below that."""

    def move(parsed: dict, **_: object) -> None:
        execution = parsed["QueryExecution"]
        if execution["Status"]["State"] != "SUCCEEDED":
            return
        bucket, _, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
        source = {"Bucket": bucket, "Key": f"{key}/{key.rpartition('/')[2]}"}
        session.client("s3").copy_object(Bucket=bucket, Key=key, CopySource=source)

    session = boto3.Session()
    session.events.register("after-call.athena.GetQueryExecution", move)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)


@pytest.fixture
def lake(aws: str, market: Market, monkeypatch) -> AthenaLake:
    name = f"lake-{uuid.uuid4().hex[:8]}"
    filled = Lake(name)
    market.store(filled)
    boto3.client("athena").create_work_group(
        Name=name,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://{name}/results/"},
        },
    )
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": f"{name}-files"})
    glue.create_table(
        DatabaseName=f"{name}-files",
        TableInput={
            "Name": "trades",
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {
                "Columns": [{"Name": column, "Type": kind} for column, kind in COLUMNS.items()],
                "Location": f"s3://{name}/trades/data/",
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
            },
        },
    )
    return AthenaLake(database=f"{name}-files", workgroup=name)


def test_a_named_query_comes_back_as_a_frame_with_exact_prices(lake, market):
    found = run_named("trades", {"symbols": ["ETH-USD"], "start": START, "end": END}, lake=lake)
    wanted = market.trades[market.trades.symbol == "ETH-USD"]
    assert found.trade_id.tolist() == wanted.trade_id.tolist()
    assert [Decimal(price) for price in found.price] == wanted.price.tolist()


def test_a_training_dataset_is_bars_in_floats_ordered_by_time(lake, market):
    bars = training_dataset(["BTC-USD"], START, END, lake=lake, seconds=900)
    trades = market.trades[market.trades.symbol == "BTC-USD"].sort_values("trade_id")
    start = pd.to_datetime(trades.exchange_time_ns // (900 * 10**9) * 900, unit="s", utc=True)
    grouped = trades.assign(start=start).groupby(["venue", "symbol", "start"])
    assert bars.start.tolist() == [key[2] for key, _ in grouped]
    assert bars.open.tolist() == [float(price) for price in grouped.price.first()]
    assert bars.volume.tolist() == pytest.approx([float(size) for size in grouped["size"].sum()])
    assert bars.trades.tolist() == grouped.size().tolist()
    kinds = bars.dtypes.astype(str).to_dict()
    assert {kinds[name] for name in ("open", "high", "low", "close", "volume", "buy_volume", "notional", "vwap")} == {
        "float64"
    }
    assert {kinds[name] for name in ("trades", "first_id", "last_id")} == {"int64"}
    assert str(bars.start.dt.tz) == "UTC"


def test_a_query_that_athena_refuses_is_an_error_with_its_words(lake):
    nowhere = AthenaLake(database="nowhere", workgroup=lake.workgroup)
    with pytest.raises(wr.exceptions.QueryFailed, match="trades"):
        run_named("vwap", lake=nowhere)


def test_a_value_that_does_not_fit_never_reaches_athena(lake):
    with pytest.raises(InvalidParameter):
        run_named("vwap", {"start": "'; DROP TABLE trades"}, lake=lake)


def test_an_export_is_an_unload_of_the_query_in_the_workgroup(lake, monkeypatch):
    """The emulator has no UNLOAD, so this says what Athena is asked."""
    asked = {}

    def remember(sql: str, **arguments: object) -> None:
        asked.update(arguments, sql=sql)

    monkeypatch.setattr(wr.athena, "unload", remember)
    export("trades", {"symbols": "BTC-USD", "start": START, "end": END}, path="s3://results/exports/btc/", lake=lake)
    assert asked["path"] == "s3://results/exports/btc/"
    assert (asked["database"], asked["workgroup"]) == (lake.database, lake.workgroup)
    assert "symbol IN ('BTC-USD')" in asked["sql"]
