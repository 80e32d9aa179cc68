"""A run's names, and its query on real rows of the lake."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from tickwire.lake import SCHEMA
from tickwire.model.plan import DatasetSpan, RunPlan, ScorePlan, bars_query, plan_run, plan_score

EXECUTION = "arn:aws:states:eu-west-1:000000000000:execution:tickwire-dev-nightly-training:1"
SPAN = DatasetSpan(train_days=3, holdout_days=2)
TABLE = '"tickwire_dev"."trades"'


def plan(execution: str = EXECUTION, started: str = "2026-11-27T02:30:00.123Z") -> RunPlan:
    return plan_run(execution, started, endpoint="tickwire-prod", bucket="models", table=TABLE, span=SPAN)


def test_a_run_is_named_for_its_start_and_two_executions_never_share_a_name() -> None:
    first, second = plan(), plan(EXECUTION + "2")
    assert re.fullmatch(r"20261127-023000-[0-9a-f]{8}", first.run)
    assert first.run != second.run
    assert first == plan()


def test_names_are_such_as_sagemaker_takes() -> None:
    for name in (plan().job, plan().challenge, plan().promotion):
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name), name


def test_the_query_covers_whole_days_up_to_the_run_and_writes_where_the_jobs_read() -> None:
    query = plan().query
    assert "exchange_time >= CAST('2026-11-22 00:00:00 UTC' AS TIMESTAMP WITH TIME ZONE)" in query
    assert "exchange_time < CAST('2026-11-27 00:00:00 UTC' AS TIMESTAMP WITH TIME ZONE)" in query
    assert f"< {int(datetime(2026, 11, 25, tzinfo=UTC).timestamp()) * 10**9} THEN 'train'" in query
    assert f"TO 's3://models/datasets/{plan().run}/'" in query
    assert plan().train == f"s3://models/datasets/{plan().run}/part=train/"
    assert "--" not in query


@pytest.mark.parametrize("started", ["2026-11-27T00:00:00Z", "2026-11-27T23:59:59Z", "2026-11-27T01:00:00+00:00"])
def test_the_holdout_moves_by_the_day(started: str) -> None:
    assert plan(started=started).query.count("2026-11-27 00:00:00 UTC") == 1


def scored(now: str = "2026-11-27T05:42:10.5Z") -> ScorePlan:
    return plan_score(plan(), now, bucket="models", table=TABLE, holdout_days=SPAN.holdout_days)


def test_a_comparison_asks_for_the_bars_from_the_holdout_to_the_last_whole_hour() -> None:
    query = scored().query
    assert "2026-11-27 05:00:00 UTC" in query
    first = datetime(2026, 11, 27, 5, tzinfo=UTC) - timedelta(days=SPAN.holdout_days + 2)
    assert f"{first:%Y-%m-%d %H:%M:%S} UTC" in query
    assert f"TO 's3://models/datasets/{plan().run}-s054210/'" in query
    assert scored().bars == f"s3://models/datasets/{plan().run}-s054210/part=holdout/"
    assert f"s3://models/{scored().report}" == f"{scored().output}score.json"


def test_two_comparisons_of_a_run_share_no_name_and_sagemaker_takes_both() -> None:
    first, second = scored(), scored("2026-11-27T06:42:10.5Z")
    assert len({first.job, second.job, plan().job}) == 3
    assert not {first.bars, first.output} & {second.bars, second.output}
    assert re.fullmatch("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", first.job)


def trades() -> pa.Table:
    """Trades of two days around the holdout's start, two of them at the very midnight, and one outside."""
    rows = [
        # id, price, size, side, time
        (10, "100.5", "1", "buy", "2026-11-24T23:44:59.999999"),
        (11, "101", "2", "sell", "2026-11-24T23:45:00"),
        (13, "99", "3", "buy", "2026-11-24T23:50:00"),
        (12, "104", "1.5", "sell", "2026-11-24T23:50:00"),
        (14, "103", "1", "buy", "2026-11-25T00:00:00"),
        (15, "102", "0.25", "sell", "2026-11-25T00:00:00"),
        (16, "1", "1", "buy", "2026-11-27T00:00:00"),
        (9, "1", "1", "buy", "2026-11-21T23:59:59.999999"),
    ]
    times = [datetime.fromisoformat(row[4]).replace(tzinfo=UTC) for row in rows]
    nanoseconds = [(time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000 for time in times]
    n = len(rows)
    return pa.table(
        {
            "venue": ["kraken"] * n,
            "symbol": ["BTC-USD"] * n,
            "trade_id": [row[0] for row in rows],
            "price": [Decimal(row[1]) for row in rows],
            "size": [Decimal(row[2]) for row in rows],
            "side": [row[3] for row in rows],
            "exchange_time": times,
            "exchange_time_ns": nanoseconds,
            "receive_time_ns": nanoseconds,
            "flags": [0] * n,
            "stream_partition": [0] * n,
            "stream_counter": list(range(n)),
        },
        schema=SCHEMA,
    )


def test_the_query_makes_bars_as_worked_by_hand() -> None:
    query = bars_query("lake", end=datetime(2026, 11, 27, tzinfo=UTC), span=SPAN)
    connection = duckdb.connect()
    connection.register("lake", trades())
    found = connection.execute(f"SELECT * FROM ({query}) ORDER BY start").fetchall()
    start = int(datetime(2026, 11, 24, 23, 30, tzinfo=UTC).timestamp()) * 10**9
    quarter = 900 * 10**9
    # venue, symbol, start, open, high, low, close, volume, buy_volume, notional, trades, part: open and close by id.
    assert found == [
        ("kraken", "BTC-USD", start, 100.5, 100.5, 100.5, 100.5, 1.0, 1.0, 100.5, 1, "train"),
        ("kraken", "BTC-USD", start + quarter, 101.0, 104.0, 99.0, 99.0, 6.5, 3.0, 655.0, 3, "train"),
        ("kraken", "BTC-USD", start + 2 * quarter, 103.0, 103.0, 102.0, 102.0, 1.25, 1.0, 128.5, 2, "holdout"),
    ]


def test_the_querys_columns_are_what_training_reads(tmp_path: Path) -> None:
    from tests.unit.model.markets import written
    from tickwire.model.bars import read_bars

    query = bars_query("lake", end=datetime(2026, 11, 27, tzinfo=UTC), span=SPAN)
    connection = duckdb.connect()
    connection.register("lake", trades())
    table = connection.sql(f"SELECT * EXCLUDE (part) FROM ({query})").to_arrow_table()
    (bars,) = read_bars(written(table, tmp_path / "bars"))
    np.testing.assert_array_equal(bars.close, [100.5, 99.0, 102.0])
