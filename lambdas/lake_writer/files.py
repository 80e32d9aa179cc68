"""Records of trades-clean as Parquet files whose names say what is in them.

A file is named by the SHA-256 of its bytes. A retry of the same records therefore writes the same
object again, and a file that differs in one byte (records split otherwise, a newer Parquet
library) has another name: nothing that a table's snapshot names is ever overwritten with other
content. What is left behind when a retry is split otherwise is named by no snapshot, so no reader
sees it; ``lambdas/lake_maintenance`` takes it away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tickwire.columns import TradeBatch
from tickwire.lake import PARTITION_FIELD, TABLE, by_exchange_day, trades_table
from tickwire.records import Record

_DICTIONARY = ["venue", "symbol", "side"]
# Sorted or slowly moving numbers: their differences take a third of the space.
_DELTA = ["trade_id", "exchange_time", "exchange_time_ns", "receive_time_ns", "stream_counter"]
_ENCODINGS = dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file not yet put.

    ``key`` is its object key in the lake's bucket, ``rows`` how many trades it holds.
    """

    key: str
    rows: int
    body: bytes


def data_files(records: Sequence[Record]) -> Iterator[DataFile]:
    """Give the files of some records' trades, one for each UTC day of exchange time."""
    with_trades = [record for record in records if len(record.trades)]
    if not with_trades:
        return
    lengths = [len(record.trades) for record in with_trades]
    table = trades_table(
        TradeBatch.concat([record.trades for record in with_trades]),
        np.repeat(np.array([r.header.partition for r in with_trades], np.int64), lengths),
        np.repeat(np.array([r.header.counter for r in with_trades], np.int64), lengths),
    )
    for day, rows in by_exchange_day(table):
        body = parquet_bytes(rows)
        yield DataFile(key=data_key(day, body), rows=rows.num_rows, body=body)


def parquet_bytes(rows: pa.Table, *, row_group: int | None = None) -> bytes:
    """Write rows of the table's columns as Parquet, the same bytes for the same rows.

    ``row_group`` is how many rows a group holds at most; None leaves it to pyarrow (a million).
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows,
        sink,
        compression="zstd",
        use_dictionary=_DICTIONARY,
        column_encoding=_ENCODINGS,
        row_group_size=row_group,
    )
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def data_key(day: int, body: bytes) -> str:
    """Give the object key of a data file: its day (counted from 1970) and the digest of its bytes."""
    date = np.datetime64(day, "D")
    return f"{TABLE}/data/{PARTITION_FIELD}={date}/{sha256(body).hexdigest()[:32]}.parquet"
