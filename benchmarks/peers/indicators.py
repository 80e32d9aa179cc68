"""TA-Lib, which computes a window anew for each bar, and talipp, which goes on bar by bar: a row is a bar."""

# mypy: disable-error-code="import-not-found,import-untyped"
# talipp is in the peers' environment alone.

from typing import Any

import numpy as np
import numpy.typing as npt
import talib
from talipp.indicators import ATR, BB, MACD, RSI
from talipp.ohlcv import OHLCV

from benchmarks.harness import Prepared

Float64 = npt.NDArray[np.float64]

WINDOW = 250
"""Bars that TA-Lib is given for each new one: enough that what lies before them changes nothing at 1e-6."""
_BANDS, _MOVING = 20, (12, 26, 9)
_TALIPP_COLUMNS = (0, 1, 2, 3, 4, 5)
"""It has the first six; its VWAP is since the beginning, and the other two it lacks."""


def prepare(library: str, bars: str) -> Prepared:
    """Give the benchmark over the file ``bars``: float64 (symbols, bars) of each column, and what is ``expected``."""
    data = dict(np.load(bars))
    expected = data.pop("expected")
    symbols, count = data["close"].shape
    if library == "talib":
        return Prepared(
            rows=symbols * (count - WINDOW + 1),
            run=lambda _: np.array([_talib(data, s) for s in range(symbols)]),
            check=lambda got: _compare(got, expected[:, WINDOW - 1 :]),
        )
    return Prepared(
        rows=symbols * count,
        run=lambda _: np.array([_talipp(data, s) for s in range(symbols)]),
        check=lambda got: _compare(got[:, WINDOW:], expected[:, WINDOW:, _TALIPP_COLUMNS]),
    )


def _compare(got: Float64, expected: Float64) -> None:
    # A moving average that began elsewhere has nearly forgotten it; MACD is a small difference of two large ones.
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def _talib(data: dict[str, Float64], symbol: int) -> list[list[float]]:
    rows = []
    high, low, close, volume, buys, notional = (
        data[name][symbol] for name in ("high", "low", "close", "volume", "buy_volume", "notional")
    )
    for end in range(WINDOW, len(close) + 1):
        window = slice(end - WINDOW, end)
        recent = close[window]
        macd, signal, _ = talib.MACD(recent, *_MOVING)
        upper, _, lower = talib.BBANDS(recent, _BANDS)
        last = slice(end - _BANDS, end)
        total = volume[last].sum()
        rows.append(
            [
                talib.RSI(recent)[-1],
                macd[-1],
                signal[-1],
                upper[-1],
                lower[-1],
                talib.ATR(high[window], low[window], recent)[-1],
                notional[last].sum() / total,
                np.diff(np.log(close[end - 31 : end])).std(ddof=1),
                (2 * buys[last].sum() - total) / total,
            ]
        )
    return rows


def _talipp(data: dict[str, Float64], symbol: int) -> list[list[float]]:
    rsi, macd, bands, atr = RSI(14), MACD(*_MOVING), BB(_BANDS, 2), ATR(14)
    rows = []
    columns = (data[name][symbol].tolist() for name in ("high", "low", "close", "volume"))
    for high, low, close, volume in zip(*columns, strict=True):
        for indicator in (rsi, macd, bands):
            indicator.add(close)
        atr.add(OHLCV(close, high, low, close, volume))
        moving, band = macd[-1], bands[-1]
        pair = (None, None) if moving is None else (moving.macd, moving.signal)
        edges = (None, None) if band is None else (band.ub, band.lb)
        rows.append([_number(value) for value in (rsi[-1], *pair, *edges, atr[-1])])
    return rows


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
