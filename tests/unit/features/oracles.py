"""What features must be: order flow by its definition, indicators by TA-Lib and by exact sums over whole windows."""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, fsum, sqrt

import numpy as np
import talib

from tickwire.columns import TradeBatch
from tickwire.symbols import Instrument

BAR_COLUMNS = ("high", "low", "close", "volume", "buy_volume", "notional")


def order_flow_by_definition(batch: TradeBatch, *, last: int = 0) -> np.ndarray:
    """Sum over all trades of the batch's one symbol anew after each of them, or after the ``last`` ones."""
    (row,) = set(batch.instrument.tolist())
    units, instrument = batch.price.tolist(), batch.instruments[row]
    prices = [price / 10**instrument.price_scale for price in units]
    sizes = [size / 10**instrument.size_scale for size in batch.size.tolist()]
    signed = [size * {1: 1, 2: -1}.get(side, 0) for size, side in zip(sizes, batch.side.tolist(), strict=True)]
    squares = [0.0] + [((now - before) / before) ** 2 for before, now in pairwise(units)]
    clock = np.maximum.accumulate(batch.exchange_time).tolist()
    rows = []
    for k in range(len(batch))[-last:]:
        ages = [(clock[k] - clock[i]) / 1e9 for i in range(k + 1)]
        fast, slow = [exp(-age) for age in ages], [exp(-age / 30) for age in ages]
        volume = _dot(slow, sizes)
        means = _dot(fast, prices) / fsum(fast), _dot(slow, prices) / fsum(slow)
        vwap = fsum(w * p * q for w, p, q in zip(slow, prices, sizes, strict=False)) / volume
        rows.append((*means, vwap, _dot(slow, signed) / volume, sqrt(_dot(slow, squares)), means[0] / means[1] - 1))
    return np.array(rows)


def _dot(weights: Sequence[float], values: Sequence[float]) -> float:
    return fsum(w * v for w, v in zip(weights, values, strict=False))


def indicators_by_talib(bars: dict[str, np.ndarray]) -> np.ndarray:
    """Compute the whole history of one symbol at once."""
    close, volume = bars["close"], bars["volume"]
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    total = _windows(volume, 20, fsum)
    total[total == 0] = np.nan
    log_returns = np.log(close[1:] / close[:-1])
    columns = (
        talib.RSI(close, 14),
        macd,
        signal,
        upper,
        lower,
        talib.ATR(bars["high"], bars["low"], close, 14),
        _windows(bars["notional"], 20, fsum) / total,
        np.append(np.nan, _windows(log_returns, 30, lambda window: np.std(window, ddof=1))),
        (2 * _windows(bars["buy_volume"], 20, fsum) - total) / total,
    )
    return np.column_stack(columns)


def bands_by_numpy(close: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower Bollinger bands, each window on its own."""
    mean, deviation = _windows(close, 20, lambda window: fsum(window) / 20), _windows(close, 20, np.std)
    return mean + 2 * deviation, mean - 2 * deviation


def _windows(values: np.ndarray, length: int, function) -> np.ndarray:
    out = np.full(len(values), np.nan)
    for end in range(length, len(values) + 1):
        out[end - 1] = function(values[end - length : end])
    return out


def walk(seed: int, bars: int, *, start: float = 100.0, step: float = 1e-3) -> dict[str, np.ndarray]:
    """Bars of a random walk, as columns."""
    random = np.random.default_rng(seed)
    return bars_around(start * np.exp(np.cumsum(random.normal(0, step, bars))), random)


def bars_around(close: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Bars with these closes, and volumes from 10**-8 to some hundreds."""
    n = len(close)
    volume = random.exponential(10, n) + 1e-8
    return {
        "high": close * (1 + random.random(n) * 1e-3),
        "low": close * (1 - random.random(n) * 1e-3),
        "close": close,
        "volume": volume,
        "buy_volume": volume * random.random(n),
        "notional": volume * close * (1 + random.normal(0, 1e-4, n)),
    }


def assert_indicators_equal(got: np.ndarray, expected: np.ndarray, close: np.ndarray) -> None:
    """Hold them against each other to 1e-9: of themselves or, of what is a difference of prices, of the prices."""
    assert got.shape == expected.shape
    prices = np.concatenate([np.full(19, close[0]), close])
    price = np.lib.stride_tricks.sliding_window_view(prices, 20).max(axis=1)
    # rsi, macd, its signal, both bands, atr, vwap, volatility, imbalance
    absolute = np.array([1e-9, 0, 0, 0, 0, 0, 0, 1e-14, 1e-9])
    absolute = absolute + np.outer(price, [0, 1e-12, 1e-12, 1e-9, 1e-9, 0, 0, 0, 0])
    for column in range(9):
        mine, theirs = got[:, column], expected[:, column]
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(theirs), err_msg=f"NaN of {column}")
        wrong = np.abs(mine - theirs) > np.abs(theirs) * 1e-9 + absolute[:, column]
        assert not wrong.any(), (column, np.flatnonzero(wrong)[:3], mine[wrong][:3], theirs[wrong][:3])


def trades(instruments: tuple[Instrument, ...], instrument, price, size, side, time, *, trade_id=None) -> TradeBatch:
    """A batch of these columns; the rest does not matter to features."""
    n = len(price)
    return TradeBatch(
        instruments,
        np.array(instrument, np.int32),
        np.arange(1, n + 1, dtype=np.int64) if trade_id is None else trade_id,
        np.array(price, np.int64),
        np.array(size, np.int64),
        np.array(side, np.int8),
        np.array(time, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int8),
    )
