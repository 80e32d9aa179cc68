"""Training on recorded bars: as much skill as is honest, and none where the labels are shuffled."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tickwire.model.bars import BarColumns
from tickwire.model.candles import read_candles
from tickwire.model.rollout import MAX_ACCURACY
from tickwire.model.rows import labelled_rows
from tickwire.model.training import Hyperparameters, train

PARAMETERS = Hyperparameters(version="test", model="logistic")


@pytest.fixture(scope="module")
def bars(realdata: Path) -> list[BarColumns]:
    """275 days of Binance's bars of BTC and ETH, to the end of September 2025."""
    names = [f"binance_{coin}USDT_15m_to_2025-09-30.parquet" for coin in ("BTC", "ETH")]
    return read_candles([realdata / "candles" / name for name in names])


def test_real_bars_show_a_little_skill_and_not_so_much_that_it_must_be_a_leak(bars: list[BarColumns]) -> None:
    rows = labelled_rows(bars)
    metrics = train(rows, PARAMETERS, bars=bars).description.metrics
    assert len(rows) > 50_000
    assert 0.51 < metrics["accuracy"] < 0.54 < MAX_ACCURACY
    assert metrics["log_loss"] < metrics["base_rate_log_loss"]


def test_shuffled_labels_leave_none(bars: list[BarColumns]) -> None:
    rows = labelled_rows(bars)
    shuffled = replace(rows, label=np.random.default_rng(1).permutation(rows.label))
    metrics = train(shuffled, PARAMETERS, bars=bars).description.metrics
    assert abs(metrics["accuracy"] - 0.5) < 0.01
    assert metrics["log_loss"] > metrics["base_rate_log_loss"] - 1e-4
