"""Trades as the venues write them, by the simulated exchange's own encoders, and the recorded ones."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.market import PRICE_PLACES
from local.exchange.events import Execution, Fill
from local.exchange.market_spec import MarketSpec
from local.exchange.venues import binance, coinbase, coinbase_advanced, kraken, okx
from tickwire.columns import Side, TradeBatch

FEEDS = ("binance", "coinbase", "coinbase-advanced", "kraken", "okx")
_SIZE_UNIT = 10 ** (8 - PRICE_PLACES)


def _native(feed: str, symbol: str) -> str:
    separator = {"binance": "", "kraken": "/"}.get(feed, "-")
    return symbol.replace("-", separator)


def _binance(spec: MarketSpec, fill: Fill, side: Side, time: int, number: int) -> bytes:
    payload = binance.trade_payload(Execution(spec, time, side, (fill,)), fill)
    return b'{"stream":"%b@trade","data":%b}' % (spec.native.lower().encode(), payload)


def _aggregate(spec: MarketSpec, fill: Fill, side: Side, time: int, number: int) -> bytes:
    """Write the trade as the aggregate of itself, in the layout of ``<symbol>@aggTrade``."""
    frame = _binance(spec, fill, side, time, number)
    frame = frame.replace(b"@trade", b"@aggTrade", 1).replace(b'"e":"trade"', b'"e":"aggTrade"', 1)
    number_of = b"%d" % fill.trade_id
    ids = b'"f":%b,"l":%b,"T":' % (number_of, number_of)
    return frame.replace(b'"t":' + number_of, b'"a":' + number_of, 1).replace(b'"T":', ids, 1)


def _coinbase(spec: MarketSpec, fill: Fill, side: Side, time: int, number: int) -> bytes:
    return coinbase.match_body(spec, fill, side, time)


def _coinbase_advanced(spec: MarketSpec, fill: Fill, side: Side, time: int, number: int) -> bytes:
    trades = coinbase_advanced.trade_object(spec, fill, side, time)
    head, tail = coinbase_advanced.envelope("market_trades", time, f'{{"type":"update","trades":[{trades}]}}')
    return b"%b%d%b" % (head, number, tail)


def _kraken(spec: MarketSpec, fill: Fill, side: Side, time: int, number: int) -> bytes:
    return f'{{"channel":"trade","type":"update","data":[{kraken.trade_row(spec, fill, side, time)}]}}'.encode()


def _okx(spec: MarketSpec, fill: Fill, side: Side, time: int, number: int) -> bytes:
    return okx.trade_body(spec, fill, side, time)


_WRITERS: dict[str, Callable[[MarketSpec, Fill, Side, int, int], bytes]] = {
    "binance": _binance,
    "binance-aggregates": _aggregate,
    "coinbase": _coinbase,
    "coinbase-advanced": _coinbase_advanced,
    "kraken": _kraken,
    "okx": _okx,
}


def write_frames(batch: TradeBatch, feed: str) -> list[bytes]:
    """Give a frame for each trade, in the order of the rows."""
    write = _WRITERS[feed]
    specs = [
        MarketSpec(
            venue=one.venue,
            symbol=one.symbol,
            native=_native(feed.removesuffix("-aggregates"), one.symbol),
            price_places=2,
        )
        for one in batch.instruments
    ]
    sides = [Side.UNKNOWN, Side.BUY, Side.SELL]
    names = ("instrument", "trade_id", "price", "size", "side", "exchange_time")
    columns = [getattr(batch, name).tolist() for name in names]
    return [
        write(specs[index], Fill(trade_id, price // _SIZE_UNIT, size, 10**9 + 3 * number), sides[side], time, number)
        for number, (index, trade_id, price, size, side, time) in enumerate(zip(*columns, strict=True))
    ]


def captures_folder() -> Path | None:
    """Give the folder of recorded frames, which is not part of the project, or None where there is none.

    ``TICKWIRE_REALDATA`` names its parent, as for the tests.
    """
    folder = Path(os.environ.get("TICKWIRE_REALDATA", Path(__file__).parents[2] / "shared" / "realdata")) / "captures"
    return folder if folder.is_dir() else None


_CAPTURES = {
    "binance": ("binance_spot_btcusdt_20240808.gz", b"@trade"),
    "coinbase": ("coinbase_exchange_20260707.ndjson", b'"type":"match"'),
    "kraken": ("kraken_v2_20260707.ndjson", b'{"channel":"trade","type":"update"'),
}


def recorded_trades(feed: str) -> list[bytes]:
    """Give the frames of a feed's capture that hold trades, as received; empty where there is no capture."""
    folder = captures_folder()
    if folder is None or feed not in _CAPTURES:
        return []
    name, marker = _CAPTURES[feed]
    return [frame for frame in _lines(folder / name) if marker in frame[:120]]


def _lines(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    for line in (gzip.decompress(data) if path.suffix == ".gz" else data).split(b"\n"):
        # Some captures put the time of receipt before the frame.
        start = line.find(b"{")
        if start >= 0:
            yield line[start:].rstrip()
