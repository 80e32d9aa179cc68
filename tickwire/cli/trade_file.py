"""Trades as a Parquet file for people: exact decimals, sorted by (venue, symbol, trade_id)."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tickwire.cli.output import CommandError
from tickwire.columns import Int64, Side, TradeBatch
from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, instrument

DECIMAL = pa.decimal128(38, 18)
TIME = pa.timestamp("ns", "UTC")
SCHEMA = pa.schema(
    [
        ("venue", pa.string()),
        ("symbol", pa.string()),
        ("trade_id", pa.int64()),
        ("price", DECIMAL),
        ("size", DECIMAL),
        ("side", pa.string()),
        ("exchange_time", TIME),
        ("receive_time", TIME),
    ]
)
ROW_GROUP = 250_000
_SIDES = pa.array(["unknown", "buy", "sell"])
_SIDE_CODES = {"buy": Side.BUY, "sell": Side.SELL}


def decimals(values: Int64, scale: int) -> pa.Array:
    """Give n int64 of units of ``10**-scale`` as decimal128(38, 18), exactly; ``scale`` ≤ 18."""
    # Two little-endian words a value, the upper one its sign.
    words = np.empty((len(values), 2), "<i8")
    words[:, 0] = values
    words[:, 1] = values >> 63
    unscaled = pa.Array.from_buffers(pa.decimal128(38, scale), len(values), [None, pa.py_buffer(words)])
    return unscaled.cast(DECIMAL)


def fixed_point(column: pa.ChunkedArray, scale: int, name: str) -> Int64:
    """Give a decimal column as int64 of units of ``10**-scale``, exactly.

    Raises
    ------
    CommandError
        If it is no decimal column, holds a null, or a value does not fit.
    """
    if not pa.types.is_decimal128(column.type) or column.null_count:
        raise CommandError(f"column {name} is {column.type}, not decimal128 without nulls")
    try:
        array = column.combine_chunks().cast(pa.decimal128(38, scale))
    except pa.ArrowInvalid as error:
        raise CommandError(f"column {name} has more than {scale} decimal places: {error}") from error
    words = np.frombuffer(array.buffers()[1], "<i8").reshape(-1, 2)[array.offset : array.offset + len(array)]
    if (words[:, 1] != words[:, 0] >> 63).any():
        raise CommandError(f"a value of column {name} is too large for int64 at scale {scale}")
    return np.ascontiguousarray(words[:, 0])


def trades_table(batch: TradeBatch) -> pa.Table:
    """Give n trades of one instrument as a table of :data:`SCHEMA`.

    An unknown receive time (0) becomes the exchange time.
    """
    (traded,) = batch.instruments
    received = np.where(batch.receive_time == 0, batch.exchange_time, batch.receive_time)
    return pa.Table.from_arrays(
        [
            pa.repeat(traded.venue, len(batch)),
            pa.repeat(traded.symbol, len(batch)),
            pa.array(batch.trade_id),
            decimals(batch.price, traded.price_scale),
            decimals(batch.size, traded.size_scale),
            _SIDES.take(pa.array(batch.side)),
            pa.array(batch.exchange_time).cast(TIME),
            pa.array(received).cast(TIME),
        ],
        schema=SCHEMA,
    )


class TradeFileWriter:
    """Writes tables to Parquet in row groups of about :data:`ROW_GROUP` rows.

    Attributes
    ----------
    rows : how many were given so far
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._writer = writer(file, SCHEMA)
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self.rows = 0

    def __enter__(self) -> "TradeFileWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._write_group()
        self._writer.close()

    def write(self, batch: TradeBatch) -> None:
        """Add trades of one instrument, above all before them in (venue, symbol, trade_id)."""
        self._waiting.append(trades_table(batch))
        self._waiting_rows += len(batch)
        self.rows += len(batch)
        if self._waiting_rows >= ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=2 * ROW_GROUP)
            self._waiting.clear()
            self._waiting_rows = 0


def writer(file: IO[bytes], schema: pa.Schema) -> Any:
    """Give a Parquet writer; nanoseconds need the format's version 2.6."""
    return pq.ParquetWriter(file, schema, compression="zstd", version="2.6")


def read_trades(path: Path) -> Iterator[TradeBatch]:
    """Give a file of :data:`SCHEMA` as batches, one a row group.

    Raises
    ------
    CommandError
        If the file is missing, not Parquet, or its columns are not those of trades.
    """
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow)
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=SCHEMA.names)
                yield _batch(path, table)
    except FileNotFoundError as error:
        raise CommandError(f"{path}: no such file") from error
    except pa.ArrowInvalid as error:
        raise CommandError(f"{path}: not a readable Parquet file: {error}") from error


def _check_columns(path: Path, schema: pa.Schema) -> None:
    missing = [name for name in SCHEMA.names if name not in schema.names]
    if missing:
        raise CommandError(
            f"{path}: no column {', '.join(missing)}; `tickwire normalize` writes what is read here:"
            f" {', '.join(SCHEMA.names)}"
        )


def _batch(path: Path, table: pa.Table) -> TradeBatch:
    try:
        venue, symbol = (table[name].combine_chunks().cast(pa.string()) for name in ("venue", "symbol"))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CommandError(f"{path}: {error}") from error
    pairs = pa.StructArray.from_arrays([venue, symbol], ["venue", "symbol"])
    code, keys = _codes(pairs)
    return TradeBatch.concat(
        [
            _instrument_batch(path, table.filter(pa.array(code == k)), _instrument(path, **key))
            for k, key in enumerate(keys)
        ]
    )


def _codes(pairs: pa.StructArray) -> tuple[npt.NDArray[np.int64], list[dict[str, str | None]]]:
    """Number the distinct (venue, symbol) of n rows: (number of each row, the pairs by number)."""
    venue, symbol = (pairs.field(k).dictionary_encode("encode") for k in range(2))
    joined = venue.indices.to_numpy() * len(symbol.dictionary) + symbol.indices.to_numpy()
    _, first, code = np.unique(joined, return_index=True, return_inverse=True)
    return code, [pairs[int(row)].as_py() for row in first]


def _instrument(path: Path, *, venue: str | None, symbol: str | None) -> Instrument:
    if venue is None or symbol is None:
        raise CommandError(f"{path}: a trade has no venue or no symbol")
    try:
        return instrument(venue, symbol)
    except UnknownSymbol as error:
        raise CommandError(f"{path}: {symbol!r} is not a symbol such as BTC-USD") from error


def _instrument_batch(path: Path, rows: pa.Table, traded: Instrument) -> TradeBatch:
    sides = rows["side"].combine_chunks().cast(pa.string()).dictionary_encode("encode")
    names = sides.dictionary.to_pylist()
    if not _SIDE_CODES.keys() >= set(names):
        raise CommandError(f"{path}: column side holds {sorted(map(str, names))}, not buy and sell")
    try:
        trade_id, exchange_time, receive_time = (
            rows[name].combine_chunks().cast(kind).cast(pa.int64()).to_numpy()
            for name, kind in (("trade_id", pa.int64()), ("exchange_time", TIME), ("receive_time", TIME))
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CommandError(f"{path}: {error}") from error
    return TradeBatch(
        (traded,),
        np.zeros(len(rows), np.int32),
        trade_id,
        fixed_point(rows["price"], traded.price_scale, "price"),
        fixed_point(rows["size"], traded.size_scale, "size"),
        np.array([_SIDE_CODES[name] for name in names], np.int8)[sides.indices.to_numpy()],
        exchange_time,
        receive_time,
        np.zeros(len(rows), np.int8),
    )
