"""Writes for the peers what they are given: the frames and the trades in them, and bars with Tickwire's indicators."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frames import write_frames
from benchmarks.market import simulate
from benchmarks.peers import frames as peers
from benchmarks.replay_server import write_file
from tickwire.columns import Side
from tickwire.features.indicators import Indicators

_SIDES = {Side.BUY: "buy", Side.SELL: "sell"}


def feed_sample(folder: Path, *, feed: str, trades: int, symbols: int) -> dict[str, Any]:
    """Write frames and trades of a feed; gives the arguments of the peers that read it."""
    batch = simulate(trades, symbols, feed=feed.removesuffix("-aggregates"))
    names = [one.symbol for one in batch.instruments]
    columns = ("instrument", "trade_id", "price", "size", "side", "exchange_time")
    rows = zip(*(getattr(batch, name).tolist() for name in columns), strict=True)
    expected = [(names[row], *numbers, _SIDES[Side(side)], time) for row, *numbers, side, time in rows]
    peers.save(folder, write_frames(batch, feed), expected)
    return {"feed": feed, "folder": str(folder)}


def socket_sample(folder: Path, *, trades: int, symbols: int) -> dict[str, Any]:
    """Write frames for a server; gives the arguments of the clients that receive them."""
    frames = write_frames(simulate(trades, symbols), "binance")
    path = folder / "frames"
    write_file(path, frames)
    return {"frames": str(path), "count": trades, "payload_bytes": sum(map(len, frames))}


def bar_sample(folder: Path, *, bars: int, symbols: int, seed: int = 3) -> dict[str, Any]:
    """Write bars of each symbol and Tickwire's indicators after each; gives the arguments of the peers."""
    random = np.random.default_rng(seed)
    shape = (symbols, bars)
    close = 100.0 * np.exp(np.cumsum(random.normal(0, 0.001, shape), axis=1))
    volume = random.uniform(1.0, 50.0, shape)
    columns = {
        "high": close * (1 + random.uniform(0, 0.002, shape)),
        "low": close * (1 - random.uniform(0, 0.002, shape)),
        "close": close,
        "volume": volume,
        "buy_volume": volume * random.uniform(0, 1, shape),
        "notional": volume * close * random.uniform(0.999, 1.001, shape),
    }
    table = Indicators(symbols)
    symbol = np.arange(symbols, dtype=np.int32)
    expected = np.stack(
        [table.update(symbol, **{name: column[:, k].copy() for name, column in columns.items()}) for k in range(bars)],
        axis=1,
    )
    path = folder / "bars.npz"
    np.savez(path, **{"expected": expected, **columns})  # type: ignore[arg-type]  # numpy types the names it has
    return {"bars": str(path)}
