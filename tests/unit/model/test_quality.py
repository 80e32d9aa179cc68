"""The gate before training: what opens it, and what each fault is called."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.model.conftest import HOLDOUT_DAYS
from tests.unit.model.markets import market, split, written
from tickwire.model.bars import BarColumns, UnreadableDataset, read_bars
from tickwire.model.quality import judge_dataset

EXPECTED = ("kraken:BTC-USD",)


def faults(parts: dict[str, list[BarColumns]], **changes: list[BarColumns]) -> tuple[str, ...]:
    given = {**parts, **changes}
    return judge_dataset(given["train"], given["holdout"], expected=EXPECTED, holdout_days=HOLDOUT_DAYS).faults


def changed(bars: list[BarColumns], column: str, change: Callable[[Any], Any]) -> list[BarColumns]:
    values = getattr(bars[0], column).copy()
    values[100] = change(values[100])
    return [replace(bars[0], **{column: values})]


def test_whole_bars_open_it_and_are_told_by_instrument(parts: dict[str, list[BarColumns]]) -> None:
    quality = judge_dataset(parts["train"], parts["holdout"], expected=EXPECTED, holdout_days=HOLDOUT_DAYS)
    assert quality.faults == ()
    (found,) = quality.instruments
    assert (found.instrument, found.bars, found.coverage, found.impossible) == ("kraken:BTC-USD", 60 * 96, 1.0, 0)
    closes = np.concatenate([np.abs(np.diff(np.log(part[0].close))) for part in parts.values()])
    assert found.largest_move == pytest.approx(closes.max())


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("high", lambda value: value / 2),
        ("low", lambda value: value * 2),
        ("low", lambda value: -value),
        ("volume", lambda value: 0.0),
        ("volume", lambda value: np.nan),
        ("buy_volume", lambda value: value * 20),
        ("buy_volume", lambda value: -value),
        ("trades", lambda value: 0),
        ("high", lambda value: np.inf),
    ],
)
def test_a_bar_that_cannot_be_shuts_it(
    parts: dict[str, list[BarColumns]], column: str, change: Callable[[Any], Any]
) -> None:
    spoilt = changed(parts["train"], column, change)
    assert faults(parts, train=spoilt) == ("kraken:BTC-USD has 1 impossible bars",)


def test_a_missing_instrument_shuts_it(parts: dict[str, list[BarColumns]]) -> None:
    assert faults(parts, train=[]) == ("kraken:BTC-USD has no bar to learn from",)
    assert faults(parts, holdout=[]) == ("kraken:BTC-USD has no bar in the holdout",)


def test_a_holdout_with_gaps_shuts_it(parts: dict[str, list[BarColumns]]) -> None:
    (bars,) = parts["holdout"]
    half = [bars.between(0, int(bars.start[len(bars) // 2]))]
    assert faults(parts, holdout=half) == ("kraken:BTC-USD has bars in 50% of the holdout's intervals",)


def test_a_jump_between_neighbours_shuts_it(parts: dict[str, list[BarColumns]]) -> None:
    (bars,) = parts["train"]
    factor = np.where(np.arange(len(bars)) >= 100, 1.7, 1.0)
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    (fault,) = faults(parts, train=[replace(bars, **prices)])
    move = 1.7 * bars.close[100] / bars.close[99] - 1
    assert fault == f"kraken:BTC-USD jumps by {move:.0%} within a bar's time"


def test_an_instrument_that_nobody_expects_may_be_quiet(parts: dict[str, list[BarColumns]]) -> None:
    stray = [replace(parts["holdout"][0].between(0, int(parts["holdout"][0].start[10])), symbol="DOGE-USD")]
    assert faults(parts, holdout=[*parts["holdout"], *stray]) == ()


def test_instruments_are_told_apart_and_put_in_order(tmp_path: Path) -> None:
    tables = [market(1, skill=0, seed=1, symbol=symbol) for symbol in ("ETH-USD", "BTC-USD")]
    shuffled = pa.concat_tables(tables).take(np.random.default_rng(0).permutation(2 * 96))
    bars = read_bars(written(shuffled, tmp_path / "bars"))
    assert [(part.symbol, len(part)) for part in bars] == [("BTC-USD", 96), ("ETH-USD", 96)]
    for part, table in zip(bars, reversed(tables), strict=True):
        np.testing.assert_array_equal(part.start, table["start"].to_numpy())
        np.testing.assert_array_equal(part.close, table["close"].to_numpy())


def test_a_dataset_without_files_or_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDataset, match="holds no bars"):
        read_bars(tmp_path)
    table = split(market(1, skill=0, seed=1), holdout_days=0)["train"].drop_columns(["buy_volume"])
    with pytest.raises(UnreadableDataset, match="has no column buy_volume"):
        read_bars(written(table, tmp_path / "bars"))
