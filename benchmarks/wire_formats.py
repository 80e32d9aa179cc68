"""The same trades in formats that others use on the wire: Arrow's, and a line of JSON a trade."""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from benchmarks.harness import Prepared
from benchmarks.market import cut, narrowed, simulate, sorted_trades
from tickwire.columns import TradeBatch


class _Line(msgspec.Struct):
    venue: str
    symbol: str
    trade_id: int
    price: int
    size: int
    side: int
    exchange_time: int
    receive_time: int


_lines_of = msgspec.json.Decoder(_Line).decode_lines
_encoder = msgspec.json.Encoder()


def _to_arrow(batch: TradeBatch) -> Any:
    schema = [name for name in TradeBatch.COLUMNS if name != "flags"]
    rows = pa.record_batch([pa.array(getattr(batch, name)) for name in schema], names=schema)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with pa.ipc.new_stream(sink, rows.schema, options=options) as out:
        out.write_batch(rows)
    return sink.getvalue()


def _from_arrow(data: Any) -> dict[str, Any]:
    rows = pa.ipc.open_stream(data).read_next_batch()
    return {name: rows.column(k).to_numpy() for k, name in enumerate(rows.schema.names)}


def _to_lines(batch: TradeBatch) -> bytes:
    names = ("instrument", "trade_id", "price", "size", "side", "exchange_time", "receive_time")
    columns = [getattr(batch, name).tolist() for name in names]
    table = [(one.venue, one.symbol) for one in batch.instruments]
    return _encoder.encode_lines([_Line(*table[index], *row) for index, *row in zip(*columns, strict=True)])


def _from_lines(data: bytes) -> dict[str, Any]:
    lines = _lines_of(data)
    return {"trade_id": np.array([line.trade_id for line in lines]), "price": np.array([line.price for line in lines])}


_FORMATS = {"arrow": (_to_arrow, _from_arrow), "lines": (_to_lines, _from_lines)}


def encode_as(layout: str, batch: int, symbols: int, trades: int) -> Prepared:
    """Trades to bytes; ``layout`` is ``arrow`` (IPC stream, zstd) or ``lines`` (JSON)."""
    write, read = _FORMATS[layout]
    batches = [narrowed(sorted_trades(one)) for one in cut(simulate(trades, symbols), batch)]

    def check(got: list[Any]) -> None:
        for one, data in zip(batches, got, strict=True):
            back = read(data)
            assert np.array_equal(back["trade_id"], one.trade_id)
            assert np.array_equal(back["price"], one.price)

    pa.set_cpu_count(1)
    size = sum(len(write(one)) for one in batches)
    return Prepared(
        rows=trades, run=lambda _: [write(one) for one in batches], check=check, facts={"bytes_a_trade": size / trades}
    )


def decode_as(layout: str, batch: int, symbols: int, trades: int) -> Prepared:
    """The bytes to trades, as columns."""
    write, read = _FORMATS[layout]
    batches = [narrowed(sorted_trades(one)) for one in cut(simulate(trades, symbols), batch)]
    bodies = [write(one) for one in batches]

    def check(got: list[dict[str, Any]]) -> None:
        for one, back in zip(batches, got, strict=True):
            assert np.array_equal(back["trade_id"], one.trade_id)

    pa.set_cpu_count(1)
    size = sum(map(len, bodies))
    return Prepared(
        rows=trades, run=lambda _: [read(body) for body in bodies], check=check, facts={"bytes_a_trade": size / trades}
    )
