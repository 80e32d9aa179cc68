"""No peer's code: typed msgspec, Decimal prices and one object a trade, as good plain Python would be written."""

import datetime
from collections.abc import Callable
from decimal import Decimal

import msgspec

from benchmarks.harness import Prepared
from benchmarks.peers.frames import UNIT, Trade, assert_agree, load


class Tick(msgspec.Struct):
    """A normalised trade; time is ns UTC."""

    symbol: str
    trade_id: int
    side: str
    price: Decimal
    size: Decimal
    time: int


class _Binance(msgspec.Struct):
    s: str
    t: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class _BinanceMessage(msgspec.Struct):
    data: _Binance


class _Match(msgspec.Struct):
    trade_id: int
    side: str
    size: Decimal
    price: Decimal
    product_id: str
    time: datetime.datetime


class _Kraken(msgspec.Struct):
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    trade_id: int
    timestamp: datetime.datetime


class _KrakenMessage(msgspec.Struct):
    data: list[_Kraken]


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_binance = msgspec.json.Decoder(_BinanceMessage).decode
_match = msgspec.json.Decoder(_Match).decode
_kraken = msgspec.json.Decoder(_KrakenMessage).decode


def _nanoseconds(time: datetime.datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND * 1_000


def _read_binance(frame: bytes) -> list[Tick]:
    row = _binance(frame).data
    return [Tick(row.s, row.t, "sell" if row.m else "buy", row.p, row.q, row.T * 1_000_000)]


def _read_coinbase(frame: bytes) -> list[Tick]:
    row = _match(frame)
    side = "buy" if row.side == "sell" else "sell"
    return [Tick(row.product_id, row.trade_id, side, row.price, row.size, _nanoseconds(row.time))]


def _read_kraken(frame: bytes) -> list[Tick]:
    return [
        Tick(row.symbol, row.trade_id, row.side, row.price, row.qty, _nanoseconds(row.timestamp))
        for row in _kraken(frame).data
    ]


_READERS: dict[str, Callable[[bytes], list[Tick]]] = {
    "binance": _read_binance,
    "coinbase": _read_coinbase,
    "kraken": _read_kraken,
}


def prepare(feed: str, folder: str) -> Prepared:
    """Give the benchmark of one feed."""
    sample = load(folder)
    read = _READERS[feed]
    symbols = {symbol.replace("-", {"binance": "", "kraken": "/"}.get(feed, "-")): symbol for symbol in sample.symbols}

    def run(_: object) -> list[Tick]:
        ticks: list[Tick] = []
        for frame in sample.frames:
            ticks += read(frame)
        return ticks

    def trade(tick: Tick) -> Trade:
        return (
            symbols[tick.symbol],
            tick.trade_id,
            int(tick.price * UNIT),
            int(tick.size * UNIT),
            tick.side,
            tick.time,
        )

    return Prepared(
        rows=len(sample.frames), run=run, check=lambda ticks: assert_agree([trade(t) for t in ticks], sample)
    )
