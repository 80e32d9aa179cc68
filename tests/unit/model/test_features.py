"""Features and labels against pandas, and against moves worked by hand."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.model.markets import INTERVAL, market
from tickwire.model.bars import BarColumns
from tickwire.model.features import LOOKBACK, SCHEMA, features_of, labels_of


def columns(**changes: list[float]) -> BarColumns:
    """Bars that follow each other, of which only what matters is given."""
    n = len(next(iter(changes.values())))
    flat = {name: np.full(n, 100.0) for name in ("open", "high", "low", "close", "volume")}
    given = {name: np.asarray(value, np.float64) for name, value in changes.items() if name != "start"}
    start = np.asarray(changes.get("start", np.arange(n)), np.int64) * INTERVAL
    return BarColumns(
        "kraken", "BTC-USD", start=start, trades=np.ones(n, np.int64),
        **{"buy_volume": np.full(n, 50.0), **flat, **given},
    )  # fmt: skip


def table_columns(days: int, seed: int) -> tuple[BarColumns, pd.DataFrame]:
    table = market(days, skill=0.0, seed=seed)
    frame = table.to_pandas()
    names = ("start", "open", "high", "low", "close", "volume", "buy_volume", "trades")
    return BarColumns("kraken", "BTC-USD", **{name: frame[name].to_numpy() for name in names}), frame


@pytest.mark.parametrize("seed", [1, 2])
def test_features_are_those_of_pandas(seed: int) -> None:
    bars, frame = table_columns(3, seed)
    step = np.log(frame["close"]).diff()
    deviation = np.sqrt((step**2).rolling(LOOKBACK - 1).mean())
    expected = pd.DataFrame(
        {
            **{
                f"return_{span}": (step.rolling(span).sum() / (deviation * np.sqrt(span))).clip(-8, 8)
                for span in (1, 4, 15)
            },
            "close_in_range": (frame["close"] - frame["low"]) / (frame["high"] - frame["low"]) - 0.5,
            "buy_share": frame["buy_volume"] / frame["volume"] - 0.5,
            "volume_ratio": np.log(frame["volume"] / frame["volume"].rolling(LOOKBACK).mean()).clip(-8, 8),
        }
    )
    assert tuple(expected.columns) == SCHEMA.names
    expected.iloc[: LOOKBACK - 1] = np.nan
    np.testing.assert_allclose(features_of(bars), expected.to_numpy(), rtol=1e-8, atol=1e-10)


def test_a_row_needs_the_fifteen_bars_before_it_without_a_gap() -> None:
    starts = [*range(20), *range(21, 40)]  # bar 20 is missing
    rows = features_of(columns(close=list(np.linspace(100, 110, 39)), start=starts))
    usable = np.isfinite(rows).all(axis=1)
    assert [starts[at] for at in np.flatnonzero(usable)] == [*range(15, 20), *range(36, 40)]


def test_a_market_that_stands_still_has_rows_of_no_move() -> None:
    rows = features_of(columns(close=[100.0] * 16))
    assert rows[15].tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_the_price_level_and_the_coin_do_not_matter() -> None:
    bars, frame = table_columns(2, 3)
    prices = {name: frame[name].to_numpy() * 1e-6 for name in ("open", "high", "low", "close")}
    volumes = {name: frame[name].to_numpy() * 1e4 for name in ("volume", "buy_volume")}
    other = BarColumns("okx", "PEPE-USDT", start=bars.start, trades=bars.trades, **prices, **volumes)
    np.testing.assert_allclose(features_of(bars), features_of(other), rtol=1e-6, atol=1e-9)


def test_a_row_knows_nothing_of_what_comes_after_its_bar() -> None:
    bars, frame = table_columns(2, 4)
    changed = frame.copy()
    changed.loc[100:, ["open", "high", "low", "close", "volume", "buy_volume"]] *= 3
    names = ("start", "open", "high", "low", "close", "volume", "buy_volume", "trades")
    later = BarColumns("kraken", "BTC-USD", **{name: changed[name].to_numpy() for name in names})
    np.testing.assert_array_equal(features_of(bars)[:100], features_of(later)[:100])


def test_labels_are_up_down_or_none() -> None:
    labels = labels_of(columns(close=[1, 2, 2, 1, 5, 4], start=[0, 1, 2, 3, 5, 6]))
    # Up; level, so none; down; the next bar is missing; down; the last one.
    np.testing.assert_array_equal(labels, [1, np.nan, 0, np.nan, 0, np.nan])


@pytest.mark.parametrize("n", [0, 1, 15])
def test_too_few_bars_have_no_row(n: int) -> None:
    bars = columns(close=[100.0] * n) if n else columns(close=[])
    assert features_of(bars).shape == (n, SCHEMA.width)
    assert not np.isfinite(features_of(bars)).any()
    assert labels_of(bars).shape == (n,)
