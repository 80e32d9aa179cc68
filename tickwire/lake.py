"""The lake's table `trades`: its columns, its partitions, and trades as its rows.

Every trade is a row of an Apache Iceberg v2 table. Numbers are decimal(38, 18), which holds each
int64 fixed-point value of scale 0 to 18 exactly. Iceberg v2 knows microseconds, so the exact
nanoseconds stand beside `exchange_time` as int64. `stream_partition` and `stream_counter` name the
record of trades-clean that a row came with: by them the committer proves that no row is there twice.

The table is partitioned by the UTC day of `exchange_time`, so a data file holds one day. Not by
venue too: files come with every flush of a shard, and each further partition column would multiply
their number; within a file the rows lie by (venue, symbol, trade_id), so that the column bounds
prune what the partition does not.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tickwire.columns import Int64, Side, TradeBatch

TABLE = "trades"
PARTITION_FIELD = "exchange_day"
DECIMAL_SCALE = 18
DAY_NANOSECONDS = 86_400_000_000_000

_FIRST_PARTITION_FIELD_ID = 1000  # Iceberg numbers partition fields from here
_DECIMAL = pa.decimal128(38, DECIMAL_SCALE)


def _required(field_id: int, name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"PARQUET:field_id": str(field_id)})


SCHEMA = pa.schema(
    [
        _required(1, "venue", pa.string()),
        _required(2, "symbol", pa.string()),
        _required(3, "trade_id", pa.int64()),
        _required(4, "price", _DECIMAL),
        _required(5, "size", _DECIMAL),
        _required(6, "side", pa.string()),
        _required(7, "exchange_time", pa.timestamp("us", "UTC")),
        _required(8, "exchange_time_ns", pa.int64()),
        _required(9, "receive_time_ns", pa.int64()),
        _required(10, "flags", pa.int32()),
        _required(11, "stream_partition", pa.int32()),
        _required(12, "stream_counter", pa.int64()),
    ]
)
"""Columns of the table with Iceberg's field ids, which data files carry.

Ids are never reused. A column that is added goes to the end, takes the next id and may be null:
``lambdas/lake_committer/evolution.py`` says why, and adds it to tables that are there.
"""


def iceberg_schema() -> Any:
    """Give the table's ``pyiceberg.schema.Schema``, made from :data:`SCHEMA`."""
    from pyiceberg.io.pyarrow import pyarrow_to_schema

    return pyarrow_to_schema(SCHEMA)


def partition_spec() -> Any:
    """Give the table's ``pyiceberg.partitioning.PartitionSpec``: ``day(exchange_time)``."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import DayTransform

    source = int(SCHEMA.field("exchange_time").metadata[b"PARQUET:field_id"])
    return PartitionSpec(PartitionField(source, _FIRST_PARTITION_FIELD_ID, DayTransform(), PARTITION_FIELD))


def columns_of(table: Any) -> pa.Schema:
    """Give the columns that a ``pyiceberg.table.Table`` has now, in the types of :data:`SCHEMA`."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return pa.schema(
        [
            field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field
            for field in schema_to_pyarrow(table.schema())
        ]
    )


def within_days(first: int, end: int) -> Any:
    """Give pyiceberg's condition that a trade's UTC day (counted from 1970) is ``first`` to ``end``, exclusive."""
    from pyiceberg import expressions

    # The constructors are pydantic's, and mypy does not know what they take by position.
    of: Any = expressions
    start, stop = (f"{np.datetime64(day, 'D')}T00:00:00+00:00" for day in (first, end))
    return of.And(of.GreaterThanOrEqual("exchange_time", start), of.LessThan("exchange_time", stop))


def trades_table(batch: TradeBatch, stream_partition: Int64, stream_counter: Int64) -> pa.Table:
    """Turn n trades into rows of :data:`SCHEMA`, ordered by (venue, symbol, trade_id).

    Parameters
    ----------
    batch : the trades
    stream_partition, stream_counter : int64 (n,), which record of trades-clean each came with

    Raises
    ------
    pyarrow.ArrowInvalid
        If an instrument's scale is above 18 and a value has digits there.
    """
    venues, symbols = _ranks(batch)
    order = np.lexsort((batch.trade_id, symbols[batch.instrument], venues[batch.instrument]))
    rows = batch.take(order)
    exchange_time = rows.exchange_time
    instruments = rows.instruments
    columns = [
        pa.array([i.venue for i in instruments], pa.string()).take(pa.array(rows.instrument)),
        pa.array([i.symbol for i in instruments], pa.string()).take(pa.array(rows.instrument)),
        pa.array(rows.trade_id),
        _decimals(rows.price, np.array([i.price_scale for i in instruments], np.int32)[rows.instrument]),
        _decimals(rows.size, np.array([i.size_scale for i in instruments], np.int32)[rows.instrument]),
        pa.array([side.name.lower() for side in Side], pa.string()).take(pa.array(rows.side)),
        # Floor, so that a microsecond holds the nanoseconds after it on both sides of 1970.
        pa.array(np.floor_divide(exchange_time, 1_000)).view(pa.timestamp("us", "UTC")),
        pa.array(exchange_time),
        pa.array(rows.receive_time),
        pa.array(rows.flags.astype(np.int32)),
        pa.array(stream_partition[order].astype(np.int32)),
        pa.array(stream_counter[order]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def by_exchange_day(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Split rows of :data:`SCHEMA` by UTC day: (days since 1970, rows in their order), ascending."""
    days = np.floor_divide(table["exchange_time_ns"].to_numpy(), DAY_NANOSECONDS)
    found = np.unique(days)
    if len(found) == 1:
        yield int(found[0]), table
        return
    for day in found:
        yield int(day), table.filter(pa.array(days == day))


def _ranks(batch: TradeBatch) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    venues = np.unique([i.venue for i in batch.instruments], return_inverse=True)[1]
    symbols = np.unique([i.symbol for i in batch.instruments], return_inverse=True)[1]
    return venues, symbols


def _decimals(values: Int64, scales: npt.NDArray[np.int32]) -> pa.Array:
    """Give fixed-point values, each with its scale, as decimal(38, 18), exactly."""
    parts, places = [], []
    for scale in np.unique(scales):
        at = np.flatnonzero(scales == scale)
        chosen = values[at]
        wide = np.empty((len(chosen), 2), "<i8")  # 128-bit two's complement: low word, then the sign's
        wide[:, 0] = chosen
        wide[:, 1] = chosen >> 63
        unscaled = pa.Array.from_buffers(
            pa.decimal128(38, int(scale)), len(chosen), [None, pa.py_buffer(wide.tobytes())]
        )
        parts.append(unscaled.cast(_DECIMAL))
        places.append(at)
    if not parts:
        return pa.array([], _DECIMAL)
    if len(parts) == 1:
        return parts[0]
    return pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(places))))
