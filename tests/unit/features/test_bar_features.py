"""The sixteen features against pandas, by hand, and against the future."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tickwire.features import Float64
from tickwire.features.bar_features import FEATURES, LOOKBACK, bar_features
from tickwire.features.bar_grid import COLUMNS, BarGrid, on_grid

INTERVAL = 900 * 1_000_000_000
DAY = 86_400 * 1_000_000_000


def market(bars: int, *, seed: int) -> pd.DataFrame:
    """A random walk with all that a bar has."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.003 * random.standard_normal(bars)))
    opening = np.concatenate([[100.0], close[:-1]])
    volume = random.lognormal(2, 0.7, bars)
    return pd.DataFrame(
        {
            "start": 1_767_225_600_000_000_000 + INTERVAL * np.arange(bars),
            "open": opening,
            "high": np.maximum(opening, close) * np.exp(0.001 * random.uniform(0, 1, bars)),
            "low": np.minimum(opening, close) * np.exp(-0.001 * random.uniform(0, 1, bars)),
            "close": close,
            "volume": volume,
            "buy_volume": volume * random.uniform(0, 1, bars),
            "notional": volume * close * np.exp(0.0005 * random.standard_normal(bars)),
            "trades": random.integers(1, 500, bars).astype(float),
        }
    )


def features(frame: pd.DataFrame) -> Float64:
    """Compute the features of a frame's bars, a row each."""
    columns = {name: frame[name].to_numpy(np.float64) for name in COLUMNS}
    grid, place = on_grid(frame["start"].to_numpy(), columns, interval=INTERVAL)
    return bar_features(grid)[place]


def flat(bars: int = LOOKBACK, **changes: list[float]) -> pd.DataFrame:
    """Bars at 100 without a move, of which the last ones are as given."""
    frame = pd.DataFrame({"start": INTERVAL * np.arange(bars), **dict.fromkeys(COLUMNS, 100.0), "notional": 10_000.0})
    for name, values in changes.items():
        frame.loc[bars - len(values) :, name] = values
    return frame


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_they_are_those_of_pandas(seed: int) -> None:
    frame = market(300, seed=seed)
    close, step = frame["close"], np.log(frame["close"]).diff()
    sigma = np.sqrt((step**2).rolling(36).mean())
    change = close.diff()
    rises, falls = change.clip(lower=0).rolling(14).sum(), (-change).clip(lower=0).rolling(14).sum()
    vwap = frame["notional"].rolling(20).sum() / frame["volume"].rolling(20).sum()

    def exponential(span: int) -> pd.Series:
        return close.rolling(LOOKBACK).apply(lambda window: window.ewm(span=span, adjust=True).mean().iloc[-1])

    def standardised(name: str) -> pd.Series:
        logs = np.log(frame[name])
        return (logs - logs.rolling(LOOKBACK).mean()) / logs.rolling(LOOKBACK).std(ddof=0)

    angle = 2 * np.pi * ((frame["start"] + INTERVAL) % DAY) / DAY
    expected = pd.DataFrame(
        {
            **{f"return_{bars}": step.rolling(bars).sum() / (sigma * np.sqrt(bars)) for bars in (1, 4, 12, 36)},
            "range": np.log(frame["high"] / frame["low"]) / sigma,
            "close_in_range": (close - frame["low"]) / (frame["high"] - frame["low"]) - 0.5,
            "volatility_ratio": np.log(np.sqrt((step**2).rolling(8).mean()) / sigma),
            "rsi_14": (rises - falls) / (rises + falls),
            "macd": (exponential(12) - exponential(26)) / (close * sigma),
            "bollinger": (close - close.rolling(20).mean()) / (2 * close.rolling(20).std(ddof=0)),
            "vwap_distance": np.log(close / vwap) / (sigma * np.sqrt(20)),
            "volume_z": standardised("volume"),
            "trades_z": standardised("trades"),
            "imbalance": 2 * frame["buy_volume"] / frame["volume"] - 1,
            "day_sin": np.sin(angle),
            "day_cos": np.cos(angle),
        }
    )
    assert tuple(expected.columns) == FEATURES
    expected = expected.clip(-8, 8)
    expected.iloc[: LOOKBACK - 1] = np.nan
    np.testing.assert_allclose(features(frame), expected.to_numpy(), rtol=1e-8, atol=1e-9)


def test_worked_by_hand() -> None:
    # 36 returns of which 35 are 0 and the last is log 1.01, so sigma is a sixth of it.
    rows = features(
        flat(close=[101.0], high=[102.0], low=[100.0], volume=[200.0], buy_volume=[150.0], notional=[20_100])
    )
    row = dict(zip(FEATURES, rows[-1], strict=True))
    sigma = np.log(1.01) / 6
    vwap = (19 * 10_000 + 20_100) / (19 * 100 + 200)
    assert row["return_1"] == pytest.approx(6)
    assert row["return_4"] == pytest.approx(3)
    assert row["return_36"] == pytest.approx(1)
    assert row["range"] == pytest.approx(min(8, np.log(1.02) / sigma))
    assert row["close_in_range"] == 0
    assert row["volatility_ratio"] == pytest.approx(np.log(np.sqrt(36 / 8)))
    assert row["rsi_14"] == 1
    # The newest of 20 values that are otherwise equal lies sqrt(19) population deviations above their mean.
    assert row["bollinger"] == pytest.approx(np.sqrt(19) / 2)
    assert row["vwap_distance"] == pytest.approx(np.log(101 / vwap) / (sigma * np.sqrt(20)))
    assert row["volume_z"] == pytest.approx(6)
    assert row["trades_z"] == 0
    assert row["imbalance"] == 0.5


def test_a_market_that_stands_still_has_no_moves() -> None:
    row = dict(zip(FEATURES, features(flat())[-1], strict=True))
    assert {name for name, value in row.items() if abs(value) < 1e-12} == {
        *("return_1", "return_4", "return_12", "return_36", "range", "close_in_range", "volatility_ratio", "rsi_14"),
        *("macd", "bollinger", "vwap_distance", "volume_z", "trades_z"),
    }
    assert row["imbalance"] == 1  # all of it was bought


@pytest.mark.parametrize("changed_from", [100, 299])
def test_none_looks_ahead(changed_from: int) -> None:
    frame = market(300, seed=4)
    later = frame.copy()
    later.loc[changed_from:, list(COLUMNS)] *= 3.0
    later.loc[changed_from + 20 :, "volume"] = 0.0
    np.testing.assert_array_equal(features(frame)[:changed_from], features(later)[:changed_from])


def test_a_bar_knows_only_the_36_before_it() -> None:
    frame = market(200, seed=5)
    earlier = frame.copy()
    earlier.loc[: 199 - LOOKBACK, list(COLUMNS)] *= 7.0
    np.testing.assert_array_equal(features(frame)[-1], features(earlier)[-1])
    np.testing.assert_allclose(features(frame)[-1], features(frame.iloc[-LOOKBACK:])[-1], rtol=1e-9, atol=1e-9)


def test_the_price_level_and_the_coin_do_not_matter() -> None:
    frame = market(150, seed=6)
    other = frame.copy()
    other[["open", "high", "low", "close"]] *= 1e-6
    other[["volume", "buy_volume"]] *= 1e4
    other["notional"] *= 1e-2
    np.testing.assert_allclose(features(frame), features(other), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("column", "masked"), [("trades", {"trades_z"}), ("buy_volume", {"imbalance"}), ("notional", {"vwap_distance"})]
)
def test_what_a_source_lacks_is_masked_and_all_else_is_as_it_was(column: str, masked: set[str]) -> None:
    frame = market(120, seed=7)
    lacking = frame.assign(**{column: np.nan})
    rows, complete = features(lacking)[LOOKBACK - 1 :], features(frame)[LOOKBACK - 1 :]
    absent = {name for name, at in zip(FEATURES, np.isnan(rows).all(axis=0), strict=True) if at}
    assert absent == masked
    there = [name not in masked for name in FEATURES]
    np.testing.assert_array_equal(rows[:, there], complete[:, there])


@pytest.mark.parametrize(
    "without",
    [
        pytest.param(lambda frame: frame.drop(index=range(100, 103)).reset_index(drop=True), id="missing"),
        pytest.param(
            lambda frame: frame.assign(volume=frame["volume"].mask(frame.index.isin(range(100, 103)), 0)), id="halted"
        ),
    ],
)
def test_missing_bars_are_masked_and_not_filled(without: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    frame = without(market(200, seed=8))
    rows = pd.DataFrame(features(frame), columns=list(FEATURES), index=(frame["start"] - frame["start"][0]) // INTERVAL)
    assert rows.reindex(range(100, 103)).isna().all(axis=None)
    # The first bar after them has no return over one bar, and so is none to predict from; the next one has.
    assert rows.loc[103].isna().all()
    assert rows.loc[104, ["return_1", "rsi_14", "macd", "bollinger", "volume_z"]].notna().all()
    assert np.isnan(rows.loc[104, "return_4"])
    assert np.isfinite(rows.loc[107, "return_4"])


def test_after_a_long_outage_there_is_none_until_its_window_has_bars_again() -> None:
    frame = market(200, seed=9)
    frame = frame.drop(index=range(80, 140)).reset_index(drop=True)
    bars = (frame["start"] - frame["start"][0]) // INTERVAL
    usable = np.isfinite(features(frame)[:, 0])
    # 24 of 36 returns are needed, and the first bar after the outage has none.
    assert set(bars[~usable]) == {*range(36), *range(140, 164)}


def test_symbols_beside_each_other_are_what_each_is_alone() -> None:
    frames = [market(100, seed=seed) for seed in (10, 11, 12)]
    columns = {name: np.stack([frame[name].to_numpy(np.float64) for frame in frames]) for name in COLUMNS}
    together = bar_features(BarGrid(frames[0]["start"].to_numpy(), INTERVAL, **columns))
    for rows, frame in zip(together, frames, strict=True):
        np.testing.assert_array_equal(rows, features(frame))


def test_bars_must_be_in_order_and_on_one_grid() -> None:
    frame = market(50, seed=13)
    twice = pd.concat([frame, frame.iloc[-1:]])
    off = frame.assign(start=frame["start"].where(frame.index != 20, frame["start"] + 1))
    for wrong in (frame.iloc[::-1], twice, off):
        with pytest.raises(ValueError, match="on one grid"):
            features(wrong)


@pytest.mark.parametrize("bars", [0, 1, LOOKBACK - 1])
def test_too_few_bars_have_none(bars: int) -> None:
    rows = features(market(50, seed=14).iloc[:bars])
    assert rows.shape == (bars, len(FEATURES))
    assert np.isnan(rows).all()
