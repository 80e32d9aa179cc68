"""The dataset's query on a laptop: taken apart, and answered from candle files."""

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from local.sagemaker import dataset
from local.sagemaker.dataset import Dataset, UnknownQuery, write_dataset
from tests.unit.model.markets import BARS_A_DAY, END, market
from tickwire.model.plan import DatasetSpan, plan_run

PLAN = plan_run(
    "arn:execution",
    "2026-11-27T02:30:00Z",
    endpoint="tickwire-test",
    bucket="models",
    table='"lake"."trades"',
    span=DatasetSpan(train_days=3, holdout_days=2),
)
DAY = 86_400 * 10**9


def test_the_plans_query_is_taken_apart() -> None:
    parsed = Dataset.parse(PLAN.query)
    assert parsed.select.startswith("SELECT\n    venue,")
    assert parsed.partitioned
    assert PLAN.train.startswith(parsed.address)


@pytest.mark.parametrize("query", ["SELECT 1", "UNLOAD (SELECT 1) TO 'file:///etc' WITH (format = 'PARQUET')"])
def test_other_queries_are_refused(query: str) -> None:
    with pytest.raises(UnknownQuery):
        Dataset.parse(query)


def test_candles_of_long_ago_become_the_days_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[str, bytes] = {}
    monkeypatch.setattr(dataset, "write", written.__setitem__)
    # Six days and six hours, which begin and end in the middle of a day.
    bars = market(7, skill=0, seed=1, end=END - 100 * DAY + DAY // 4).slice(72)
    path = tmp_path / "BTCUSDT-15m.csv"
    csv.write_csv(bars.drop_columns(["venue", "symbol"]), path)
    write_dataset(Dataset.parse(PLAN.query), lake_database="lake", candles=[str(path)])
    tables = {address: pq.read_table(io.BytesIO(body)) for address, body in written.items()}
    assert sorted(tables) == [f"{PLAN.holdout}00000", f"{PLAN.train}00000"]
    train, holdout = tables[f"{PLAN.train}00000"], tables[f"{PLAN.holdout}00000"]
    assert (len(train), len(holdout)) == (3 * BARS_A_DAY, 2 * BARS_A_DAY)
    assert holdout["start"][-1].as_py() == END - DAY // BARS_A_DAY
    assert train["start"][0].as_py() == END - 5 * DAY
    # The last whole day of the file is the last of the holdout.
    assert holdout["close"].to_pylist()[-1] == pytest.approx(bars["close"][len(bars) - 25].as_py())
    assert set(holdout["venue"].to_pylist()) == {"binance"}
