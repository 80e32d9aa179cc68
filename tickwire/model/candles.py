"""Candle files of others as bars to learn from: Binance's klines, and what common tools save of them.

A file holds the candles of one instrument, which its name tells: ``binance_BTCUSDT_15m.parquet``,
``BTCUSDT-1m-2023-04.csv``, ``ETH_USDT-15m.feather``. Columns are found by name, and where there are no names by
Binance's order (Binance Spot API, "Kline/Candlestick data"): open time, open, high, low, close, volume, close time,
quote volume, number of trades, taker buy base volume. Number of trades, quote volume and taker buy volume may be
missing. Open times are s, ms, µs or ns since 1970, by their size.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.errors import UnknownSymbol
from tickwire.features import Float64
from tickwire.features.bar_grid import COLUMNS
from tickwire.model.bars import BarColumns
from tickwire.model.candle_files import Columns, UnreadableCandles, read_columns
from tickwire.model.features import INTERVAL_SECONDS
from tickwire.symbols import canonical_symbol, instrument
from tickwire.venues.binance.symbols import instrument_of
from tickwire.venues.frames import UnreadableFrame
from tickwire.venues.registry import FEEDS

_SECOND = 1_000_000_000
_INTERVAL = INTERVAL_SECONDS * _SECOND
_DEFAULT_VENUE = "binance"
_PRICES = ("open", "high", "low", "close")
# Seconds since 1970 have ten digits from 2001 to 2286.
_UNITS = ((10**11, 1_000_000_000), (10**14, 1_000_000), (10**17, 1_000), (2**63, 1))


def read_candles(paths: Sequence[Path], *, symbol: str | None = None) -> list[BarColumns]:
    """Read candle files (parquet, feather, csv, json) as bars of 15 minutes, by venue and symbol.

    Shorter candles are put together; at both ends of a file only whole bars are kept. Files of one instrument are
    joined, and of a bar that is in several the first is taken.

    Parameters
    ----------
    symbol : ``BTC-USDT``, of all the files; their names tell it unless given

    Raises
    ------
    UnreadableCandles
        If a file cannot be read, its symbol is not known, its columns are missing or hold what cannot be, or its
        candles do not make bars of 15 minutes.
    """
    if not paths:
        raise UnreadableCandles("no candle files")
    parts: dict[tuple[str, str], list[BarColumns]] = {}
    for path in paths:
        key = (_venue(path), symbol if symbol is not None else symbol_of(path))
        parts.setdefault(key, []).append(_bars(_read(path, *key), path))
    return [_joined(parts[key]) for key in sorted(parts)]


def symbol_of(path: Path) -> str:
    """Give the symbol that a candle file's name tells, as ``BTC-USDT``.

    Raises
    ------
    UnreadableCandles
        If it tells none.
    """
    words = path.name.partition(".")[0]
    pair = re.search(r"(?<![A-Z0-9])([A-Z0-9]{2,10})[-_/]([A-Z]{3,5})(?![A-Za-z0-9])", words)
    if pair is not None:
        return canonical_symbol(f"{pair[1]}-{pair[2]}")
    for word in re.findall(r"[A-Z0-9]{5,20}", words):
        try:
            return instrument_of(_DEFAULT_VENUE, word).symbol
        except UnreadableFrame:
            continue
    raise UnreadableCandles(f"{path.name}: its name tells no symbol such as BTCUSDT; give one with --symbol BTC-USDT")


def _venue(path: Path) -> str:
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((word for word in words if word in FEEDS), _DEFAULT_VENUE)


def _read(path: Path, venue: str, symbol: str) -> BarColumns:
    """Read one file's candles at the interval they have."""
    try:
        instrument(venue, symbol)
    except UnknownSymbol as error:
        raise UnreadableCandles(f"{path.name}: {error}") from error
    columns = read_columns(path)
    start = _nanoseconds(columns, path)
    order = np.argsort(start, kind="stable")
    start = start[order]
    floats = {name: column[order] for name, column in columns.floats.items()}
    impossible = np.flatnonzero(~_possible(floats))
    if len(impossible):
        row = int(impossible[0])
        values = ", ".join(f"{name} {column[row]:g}" for name, column in floats.items())
        raise UnreadableCandles(f"{path.name} line {columns.first_line + order[row]}: no candle has {values}")
    lacking = np.full(len(start), np.nan)
    return BarColumns(venue, symbol, start, **{name: floats.get(name, lacking) for name in COLUMNS})


def _nanoseconds(columns: Columns, path: Path) -> Int64:
    time = columns.time
    if not len(time):
        raise UnreadableCandles(f"{path.name} holds no candle")
    if time.min() <= 0:
        raise UnreadableCandles(f"{path.name} line {columns.first_line + time.argmin()}: no time {time.min()}")
    first, last = (next(factor for bound, factor in _UNITS if moment < bound) for moment in (time.min(), time.max()))
    if first != last:
        raise UnreadableCandles(f"{path.name}: its times, {time.min()} to {time.max()}, are of no one unit")
    nanoseconds: Int64 = time * first
    return nanoseconds


def _possible(floats: dict[str, Float64]) -> npt.NDArray[np.bool_]:
    """Say of each candle whether it can be one: bool (n,)."""
    prices = np.stack([floats[name] for name in _PRICES])
    with np.errstate(invalid="ignore"):
        possible = np.isfinite(prices).all(axis=0) & (prices > 0).all(axis=0)
        possible &= (floats["low"] <= prices).all(axis=0) & (prices <= floats["high"]).all(axis=0)
        possible &= np.isfinite(floats["volume"])
        for name in floats.keys() - set(_PRICES):
            possible &= ~(floats[name] < 0) & ~np.isinf(floats[name])
    there: npt.NDArray[np.bool_] = possible
    return there


def _bars(candles: BarColumns, path: Path) -> BarColumns:
    """Put one file's candles together to bars of 15 minutes."""
    start, first = np.unique(candles.start, return_index=True)
    columns = {name: column[first] for name, column in candles.columns.items()}
    step = int(np.diff(start).min()) if len(start) > 1 else _INTERVAL
    if _INTERVAL % step:
        minutes = INTERVAL_SECONDS // 60
        raise UnreadableCandles(f"{path.name}: candles {step / _SECOND:g} s apart make no bars of {minutes} minutes")
    if np.any(start % step):
        raise UnreadableCandles(f"{path.name}: candles of {step / _SECOND:g} s that begin between multiples of it")
    if step < _INTERVAL:
        start, columns = _resampled(start, columns, step)
    return BarColumns(candles.venue, candles.symbol, start, **columns)


def _joined(parts: Sequence[BarColumns]) -> BarColumns:
    start, first = np.unique(np.concatenate([part.start for part in parts]), return_index=True)
    columns = {name: np.concatenate([part.columns[name] for part in parts])[first] for name in COLUMNS}
    return BarColumns(parts[0].venue, parts[0].symbol, start, **columns)


def _resampled(start: Int64, columns: dict[str, Float64], step: int) -> tuple[Int64, dict[str, Float64]]:
    """Put candles of ``step`` ns together to bars.

    What is cut off at the ends is left out. In between a bar is of what there is: some venues have no candle where
    nobody traded.
    """
    whole = (start >= -(-start[0] // _INTERVAL) * _INTERVAL) & (start < (start[-1] + step) // _INTERVAL * _INTERVAL)
    start, columns = start[whole], {name: column[whole] for name, column in columns.items()}
    if not len(start):
        return start, columns
    bars, first = np.unique(start - start % _INTERVAL, return_index=True)
    last = np.append(first[1:], len(start)) - 1
    sums = {name: np.add.reduceat(columns[name], first) for name in COLUMNS if name not in _PRICES}
    return bars, {
        "open": columns["open"][first],
        "high": np.maximum.reduceat(columns["high"], first),
        "low": np.minimum.reduceat(columns["low"], first),
        "close": columns["close"][last],
        **sums,
    }
