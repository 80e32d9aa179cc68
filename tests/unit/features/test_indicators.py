"""Indicators against TA-Lib, pandas and numpy over long and hard series; tests/property has short random ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

import tickwire.features
from tests.unit.features.oracles import (
    BAR_COLUMNS,
    assert_indicators_equal,
    bands_by_numpy,
    bars_around,
    indicators_by_talib,
    walk,
)
from tickwire.errors import UnreadableState
from tickwire.features.indicators import Indicators

FIRST_BARS = dict(zip(Indicators.INDICATORS, (15, 34, 34, 20, 20, 15, 20, 31, 20), strict=True))


def _alone(bars: dict[str, np.ndarray]) -> np.ndarray:
    return Indicators(1).update(np.zeros(len(bars["close"]), np.int32), **bars)


def _together(count: int, each: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bars of many symbols, all of one time before all of the next; each symbol's price is of another size."""
    series = [walk(seed, each, start=10.0 ** (seed % 9 - 4)) for seed in range(count)]
    columns = {name: np.column_stack([bars[name] for bars in series]).ravel() for name in BAR_COLUMNS}
    return np.tile(np.arange(count, dtype=np.int32), each), columns


def _take(bars: dict[str, np.ndarray], rows) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(column[rows]) for name, column in bars.items()}


def _closes(kind: str) -> np.ndarray:
    random = np.random.default_rng(5)
    steps = random.normal(0, 1e-3, 10_000)
    if kind == "rests and steps":
        steps[random.random(10_000) < 0.98] = 0
    elif kind == "jumps":
        steps[::50] = np.where(np.arange(200) % 2, 1, -1) * np.log(10.0 ** random.integers(1, 6, 200).repeat(2)[:200])
    elif kind == "one spike":
        steps[5_000:5_002] = np.log(1e6), -np.log(1e6)
    elif kind == "grows":
        steps = np.full(10_000, 2e-3)
    elif kind == "small steps":
        steps *= 1e-5
    return {"tiny": 1e-9, "huge": 1e12}.get(kind, 100.0) * np.exp(np.cumsum(steps))


def test_ten_thousand_bars_are_those_of_talib():
    bars = walk(1, 10_000)
    assert_indicators_equal(_alone(bars), indicators_by_talib(bars), bars["close"])


@pytest.mark.parametrize("kind", ["rests and steps", "jumps", "one spike", "tiny", "huge", "grows", "small steps"])
def test_hard_series_are_those_of_talib(kind: str):
    bars = bars_around(_closes(kind), np.random.default_rng(6))
    expected = indicators_by_talib(bars)
    expected[:, 3], expected[:, 4] = bands_by_numpy(bars["close"])
    assert_indicators_equal(_alone(bars), expected, bars["close"])


def test_volumes_of_very_different_size_leave_nothing_behind():
    bars, random = walk(7, 5_000), np.random.default_rng(7)
    scale = 10.0 ** random.integers(-8, 9, 5_000)
    for name in ("volume", "buy_volume", "notional"):
        bars[name] = bars[name] * scale
    assert_indicators_equal(_alone(bars), indicators_by_talib(bars), bars["close"])


def test_a_window_forgets_what_has_left_it_to_the_last_bit():
    after = walk(12, 90)
    histories = [walk(seed, 600, start=start, step=1e-2) for seed, start in ((13, 100.0), (14, 97.0))]
    one, other = (
        _alone({name: np.concatenate((before[name], after[name])) for name in BAR_COLUMNS}) for before in histories
    )
    # From the second time on that the rings, of 20 bars and of 30 returns, have come round.
    windows = [Indicators.INDICATORS.index(name) for name in ("bollinger_upper", "vwap_20", "volatility_30")]
    np.testing.assert_array_equal(one[661:, windows], other[661:, windows])
    assert (one[:601, windows] != other[:601, windows]).all()


def test_a_market_at_rest():
    n = 10_000
    bars = dict.fromkeys(BAR_COLUMNS, np.full(n, 0.1)) | {"notional": np.full(n, 0.01), "buy_volume": np.zeros(n)}
    got = _alone(bars)
    assert_indicators_equal(got, indicators_by_talib(bars), bars["close"])
    np.testing.assert_array_equal(got[40:, [0, 5, 7, 8]], np.tile([0.0, 0, 0, -1], (n - 40, 1)))
    np.testing.assert_allclose(got[40:, 1:3], 0, atol=1e-16)
    np.testing.assert_allclose(got[40:, [3, 4, 6]], 0.1, rtol=1e-15)
    np.testing.assert_array_equal(got[40:, 3], got[40:, 4])


def test_a_market_that_only_rises():
    close = np.arange(1.0, 101.0)
    volume = np.full(100, 4.0)
    got = _alone(
        {"high": close, "low": close, "close": close, "volume": volume, "buy_volume": volume, "notional": close * 4}
    )
    names = Indicators.INDICATORS
    last = dict(zip(names, got[-1], strict=True))
    # Of 20 numbers in a row the variance is (20**2 - 1) / 12; an average over n started at its mean lags (n - 1) / 2.
    assert last["rsi_14"] == 100
    assert last["atr_14"] == pytest.approx(1, rel=1e-12)
    assert last["macd"] == pytest.approx(25 / 2 - 11 / 2, rel=1e-12)
    assert last["macd_signal"] == pytest.approx(7, rel=1e-12)
    assert last["bollinger_upper"] == pytest.approx(90.5 + 2 * 33.25**0.5, rel=1e-12)
    assert last["bollinger_lower"] == pytest.approx(90.5 - 2 * 33.25**0.5, rel=1e-12)
    assert last["vwap_20"] == 90.5
    assert last["imbalance_20"] == 1


@pytest.mark.parametrize(("name", "first"), FIRST_BARS.items())
def test_nothing_is_said_before_there_are_enough_bars(name: str, first: int):
    column = _alone(walk(8, 60))[:, Indicators.INDICATORS.index(name)]
    assert np.isnan(column[: first - 1]).all()
    assert np.isfinite(column[first - 1 :]).all()


def test_windows_without_volume_have_no_vwap_and_no_imbalance():
    bars = walk(9, 100)
    for name in ("volume", "buy_volume", "notional"):
        bars[name][30:60] = 0
    got = _alone(bars)
    assert_indicators_equal(got, indicators_by_talib(bars), bars["close"])
    np.testing.assert_array_equal(
        np.isnan(got[20:, [6, 8]]).all(1), (np.arange(20, 100) >= 49) & (np.arange(20, 100) < 60)
    )


def test_rolling_windows_are_those_of_pandas():
    bars = walk(10, 10_000)
    frame, got = pd.DataFrame(bars), _alone(bars)
    sums = frame.rolling(20).sum()
    np.testing.assert_allclose(got[:, 6], sums["notional"] / sums["volume"], rtol=1e-9)
    np.testing.assert_allclose(got[:, 7], np.log(frame["close"]).diff().rolling(30).std(), rtol=1e-9)
    imbalance = 2 * sums["buy_volume"] / sums["volume"] - 1
    np.testing.assert_allclose(got[:, 8], imbalance, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_real_candles_are_those_of_talib(realdata: Path, coin: str):
    table = pyarrow.parquet.read_table(realdata / "candles" / f"binance_{coin}USDT_15m_to_2025-09-30.parquet")
    names = ("high", "low", "close", "volume", "taker_buy_base", "quote_volume")
    bars = {mine: table[theirs].to_numpy().copy() for mine, theirs in zip(BAR_COLUMNS, names, strict=True)}
    assert len(bars["close"]) > 20_000
    assert_indicators_equal(_alone(bars), indicators_by_talib(bars), bars["close"])


def test_thousands_of_symbols_come_out_as_each_alone():
    symbol, bars = _together(2_000, 60)
    got = Indicators(2_000).update(symbol, **bars)
    for one in range(0, 2_000, 9):
        np.testing.assert_array_equal(got[symbol == one], _alone(_take(bars, symbol == one)))


def test_how_symbols_alternate_does_not_matter():
    symbol, bars = _together(30, 80)
    order = np.argsort(symbol, kind="stable")
    got = Indicators(30).update(symbol, **bars)
    np.testing.assert_array_equal(Indicators(30).update(symbol[order], **_take(bars, order)), got[order])


def test_saved_and_loaded_in_the_middle_nothing_changes():
    symbol, bars = _together(40, 90)
    for cut in (0, 1, 40 * 13, 40 * 33 + 7, 40 * 61):
        table = Indicators(40)
        table.update(symbol[:cut], **_take(bars, slice(cut)))
        loaded = Indicators.load(table.dump())
        assert loaded.dump() == table.dump()
        rest = _take(bars, slice(cut, None))
        np.testing.assert_array_equal(loaded.update(symbol[cut:], **rest), table.update(symbol[cut:], **rest))
        assert loaded.dump() == table.dump()


def test_room_for_more_symbols_changes_nothing_of_the_old_ones():
    symbol, bars = _together(3, 50)
    small, large = Indicators(3), Indicators(5)
    for table in (small, large):
        table.update(symbol, **bars)
    small.reserve(5)
    small.reserve(2)
    assert len(small) == 5
    assert small.dump() == large.dump()


def test_damaged_state_is_refused():
    data = Indicators(2).dump()
    for damaged in (b"", b"\x00" + data[1:], data[:-1], data[:-8]):
        with pytest.raises(UnreadableState):
            Indicators.load(damaged)


def test_what_does_not_fit_is_refused_and_nothing_taken_in():
    symbol, bars = _together(2, 30)
    table = Indicators(2)
    table.update(symbol, **bars)
    before = table.dump()
    for wrong in (np.full(60, 2, np.int32), np.full(60, -1, np.int32)):
        with pytest.raises(IndexError):
            table.update(wrong, **bars)
    with pytest.raises(ValueError, match="rows"):
        table.update(symbol, **bars | {"volume": np.ones(59)})
    with pytest.raises(ValueError, match="result"):
        table.update(symbol, **bars, out=np.empty((60, 8)))
    with pytest.raises(TypeError):
        table.update(symbol.astype(np.int64), **bars)
    with pytest.raises(TypeError):
        table.update(symbol, **bars | {"close": np.ones(120)[::2]})
    assert table.dump() == before


def test_results_can_go_into_an_array_of_the_caller():
    symbol, bars = _together(2, 50)
    out = np.empty((100, 9))
    assert Indicators(2).update(symbol, **bars, out=out) is out
    np.testing.assert_array_equal(out, Indicators(2).update(symbol, **bars))
    assert Indicators(2).update(symbol[:0], **_take(bars, slice(0))).shape == (0, 9)


def test_every_name_is_explained_with_its_first_bar():
    for name, first in FIRST_BARS.items():
        (row,) = [line for line in (tickwire.features.__doc__ or "").splitlines() if line.startswith(f"| ``{name}`` |")]
        assert f"| {first} |" in row
