"""The lake as bar repair reads it: one snapshot, what it holds, and the trades of a scan."""

import functools
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg import expressions
from pyiceberg.exceptions import NoSuchTableError

from ecs_tasks.backfiller.bar_repair_plan import RepairScan, TimeRange
from ecs_tasks.backfiller.logs import log
from lambdas.lake_committer.lake_table import LakeTable
from tickwire.columns import Int64, Side, TradeBatch
from tickwire.errors import TickwireError
from tickwire.lake import SCHEMA, TABLE
from tickwire.symbols import Instrument, instrument

_COLUMNS = ("trade_id", "price", "size", "side", "exchange_time_ns", "receive_time_ns", "flags", "stream_counter")
_SIDES = pa.array([side.name.lower() for side in Side])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The constructors are pydantic's, and mypy does not know what they take by position.
_is: Any = expressions


class UnreadableTrades(TickwireError):
    """The lake holds what no trade of the symbol can be: more digits than its scales, or an unknown side."""


class LakeSnapshot:
    """The table `trades` as it was when this was made, whatever is committed since.

    Attributes
    ----------
    counters : partition → last counter of trades-clean whose trades it holds
    """

    def __init__(self, table: Any, counters: Mapping[int, int]) -> None:
        self._table = table
        self.counters = counters

    def trades(self, scan: RepairScan) -> TradeBatch:
        """Read the trades of a scan's ranges, each id once.

        Raises
        ------
        UnreadableTrades
        UnknownSymbol
            If the symbol is none, so that it has no scales.
        """
        traded = instrument(scan.venue, scan.symbol)
        reader = self._table.scan(row_filter=_row_filter(scan), selected_fields=_COLUMNS).to_arrow_batch_reader()
        parts, counters = [], []
        for rows in reader:
            parts.append(_trades(rows, traded))
            counters.append(rows.column("stream_counter").to_numpy())
        batch = TradeBatch.concat(parts)
        return _each_once(batch, np.concatenate(counters)) if parts else batch


class Lake:
    """Opens snapshots of the lake's table in a Glue database."""

    def __init__(self, catalog: Any, *, database: str, bucket: str) -> None:
        self._catalog = catalog
        self._database = database
        self._bucket = bucket

    def snapshot(self) -> LakeSnapshot:
        """Give the table as it is now, without a trade where the committer has not created it yet.

        Raises
        ------
        CountersLost
            As :attr:`LakeTable.counters` does.
        """
        try:
            table = self._catalog.load_table((self._database, TABLE))
        except NoSuchTableError:
            return LakeSnapshot(None, {})
        return LakeSnapshot(table, LakeTable(table, bucket=self._bucket).counters)


def _row_filter(scan: RepairScan) -> Any:
    ranges = functools.reduce(_is.Or, [_within(span) for span in scan.ranges])
    return _is.And(_is.EqualTo("venue", scan.venue), _is.EqualTo("symbol", scan.symbol), ranges)


def _within(span: TimeRange) -> Any:
    """Give the condition on ``exchange_time``, by whose day the table is partitioned.

    Its microseconds are exact here, since bars begin with a second.
    """
    first, end = (_EPOCH + timedelta(microseconds=nanoseconds // 1_000) for nanoseconds in span)
    return _is.And(
        _is.GreaterThanOrEqual("exchange_time", first.isoformat()), _is.LessThan("exchange_time", end.isoformat())
    )


def _trades(rows: pa.RecordBatch, traded: Instrument) -> TradeBatch:
    sides = pc.index_in(rows.column("side").cast(pa.string()), _SIDES)
    if sides.null_count:
        raise UnreadableTrades(
            f"{traded.venue} {traded.symbol}: a side that is none of {', '.join(_SIDES.to_pylist())}"
        )
    return TradeBatch(
        instruments=(traded,),
        instrument=np.zeros(rows.num_rows, np.int32),
        trade_id=rows.column("trade_id").to_numpy(),
        price=_fixed_point(rows.column("price"), traded.price_scale, traded),
        size=_fixed_point(rows.column("size"), traded.size_scale, traded),
        side=sides.to_numpy().astype(np.int8),
        exchange_time=rows.column("exchange_time_ns").to_numpy(),
        receive_time=rows.column("receive_time_ns").to_numpy(),
        flags=rows.column("flags").to_numpy().astype(np.int8),
    )


def _fixed_point(column: pa.Array, scale: int, traded: Instrument) -> Int64:
    """Turn decimal(38, 18) into int64 of units of 10**-scale, exactly."""
    try:
        units = column.cast(pa.decimal128(SCHEMA.field("price").type.precision, scale))
    except pa.ArrowInvalid as error:
        raise UnreadableTrades(f"{traded.venue} {traded.symbol}: a value has digits beyond 10**-{scale}") from error
    # 128-bit two's complement: the low word, then one that repeats its sign if the value fits int64.
    words = np.frombuffer(units.buffers()[1], "<i8").reshape(-1, 2)[units.offset : units.offset + len(units)]
    if not np.array_equal(words[:, 1], words[:, 0] >> 63):
        raise UnreadableTrades(f"{traded.venue} {traded.symbol}: a value overflows int64 at scale {scale}")
    return np.ascontiguousarray(words[:, 0])


def _each_once(batch: TradeBatch, counters: Int64) -> TradeBatch:
    """Drop the later rows of an id. The committer lets none in, so that one is there is worth an alarm."""
    order = np.lexsort((counters, batch.trade_id))
    rows = batch.take(order)
    first = np.concatenate(([True], np.diff(rows.trade_id) != 0))
    if not first.all():
        twins = rows.trade_id[~first]
        log(
            logging.ERROR,
            "the lake holds trades twice; each is counted once",
            venue=batch.instruments[0].venue,
            symbol=batch.instruments[0].symbol,
            rows=len(twins),
            ids=twins[:10].tolist(),
        )
    return rows.take(first)
