"""Training on recorded bars: as much skill as is honest, and none where the labels are shuffled."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tickwire.model.bars import BarColumns
from tickwire.model.rollout import MAX_ACCURACY
from tickwire.model.rows import LabelledRows, labelled_rows
from tickwire.model.training import Hyperparameters, train

PRICES_AND_VOLUME = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def rows(realdata: Path) -> LabelledRows:
    """275 days of Binance's bars of BTC and ETH, to the end of September 2025."""
    instruments = []
    for coin in ("BTC", "ETH"):
        table = pq.read_table(realdata / "candles" / f"binance_{coin}USDT_15m_to_2025-09-30.parquet").to_pandas()
        traded = table[table["volume"].astype(float) > 0]
        floats = {name: traded[name].astype(float).to_numpy() for name in PRICES_AND_VOLUME}
        start = traded["open_time"].to_numpy().astype("datetime64[ms]").astype(np.int64) * 1_000_000
        instruments.append(
            BarColumns(
                "binance", f"{coin}-USDT", start=start, buy_volume=traded["taker_buy_base"].astype(float).to_numpy(),
                trades=traded["trades"].to_numpy(), **floats,
            )
        )  # fmt: skip
    return labelled_rows(instruments)


def test_real_bars_show_a_little_skill_and_not_so_much_that_it_must_be_a_leak(rows: LabelledRows) -> None:
    _, description = train(rows, Hyperparameters(version="test"))
    metrics = description.metrics
    assert len(rows) > 50_000
    assert 0.51 < metrics["accuracy"] < 0.54 < MAX_ACCURACY
    assert metrics["log_loss"] < metrics["base_rate_log_loss"]


def test_shuffled_labels_leave_none(rows: LabelledRows) -> None:
    label = np.random.default_rng(1).permutation(rows.label)
    _, description = train(LabelledRows(rows.start, rows.features, label), Hyperparameters(version="test"))
    assert abs(description.metrics["accuracy"] - 0.5) < 0.01
    assert description.metrics["log_loss"] > description.metrics["base_rate_log_loss"] - 1e-4
