"""Rows of the lake as trades, digit for digit, and rows that can be none."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ecs_tasks.backfiller.bar_repair_lake import LakeSnapshot, UnreadableTrades
from ecs_tasks.backfiller.bar_repair_plan import RepairRequest, plan_scans
from tickwire.columns import Side, TradeRows
from tickwire.lake import trades_table
from tickwire.symbols import Instrument

SECOND = 1_000_000_000


class Table:
    """Gives rows as a scan of pyiceberg does, in batches of two."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows

    def scan(self, *, row_filter: object, selected_fields: tuple[str, ...]) -> "Table":
        return Table(self._rows.select(selected_fields))

    def to_arrow_batch_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._rows.schema, self._rows.to_batches(max_chunksize=2))


def rows_of(instrument: Instrument, *trades: tuple[int, int, int, Side]) -> pa.Table:
    """Rows of trades (id, price, size, side), units as in a batch."""
    rows = TradeRows()
    for trade_id, price, size, side in trades:
        rows.append(
            instrument, trade_id=trade_id, price=price, size=size, side=side, exchange_time=7, receive_time=-3, flags=5
        )
    numbers = np.arange(len(rows))
    return trades_table(rows.batch(), numbers, numbers)


def scan(symbol: str):
    return plan_scans([RepairRequest("v", symbol, 1, 0, 0, 1)])[0]


@pytest.mark.parametrize(("symbol", "scales"), [("BTC-USD", (8, 8)), ("PEPE-USD", (14, 5))])
def test_trades_come_back_as_they_went_in(symbol, scales):
    instrument = Instrument("v", symbol, *scales)
    trades = [(1, 2**63 - 1, 1, Side.BUY), (2, 1, 2**63 - 1, Side.SELL), (3, 0, 10**8, Side.UNKNOWN)]
    batch = LakeSnapshot(Table(rows_of(instrument, *trades)), {}).trades(scan(symbol))
    assert batch.instruments == (instrument,)
    columns = (batch.trade_id, batch.price, batch.size, batch.side)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == trades
    assert {(*row,) for row in zip(batch.exchange_time, batch.receive_time, batch.flags, strict=True)} == {(7, -3, 5)}
    for name, dtype in batch.COLUMNS.items():
        assert getattr(batch, name).dtype == dtype


def test_a_scan_without_rows_is_an_empty_batch():
    assert len(LakeSnapshot(Table(rows_of(Instrument("v", "BTC-USD", 8, 8))), {}).trades(scan("BTC-USD"))) == 0


def test_of_an_id_that_is_there_twice_the_first_record_counts():
    rows = rows_of(Instrument("v", "BTC-USD", 8, 8), *((n % 3, 10 + n, 1, Side.BUY) for n in range(5)))
    batch = LakeSnapshot(Table(rows), {}).trades(scan("BTC-USD"))
    assert dict(zip(batch.trade_id.tolist(), batch.price.tolist(), strict=True)) == {0: 10, 1: 11, 2: 12}
    assert len(batch) == 3


def _replaced(rows: pa.Table, name: str, value: object) -> pa.Table:
    place = rows.schema.get_field_index(name)
    field = rows.schema.field(name)
    return rows.set_column(place, field, pa.array([value] * rows.num_rows, field.type))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("price", Decimal("0.000000001"), "digits beyond 10"),
        ("size", Decimal(92233720369), "overflows int64"),
        ("price", Decimal(-92233720369), "overflows int64"),
        ("side", "buyer", "a side that is none of unknown, buy, sell"),
    ],
)
def test_a_row_that_can_be_no_trade_of_the_symbol_is_refused(name, value, reason):
    rows = _replaced(rows_of(Instrument("v", "BTC-USD", 8, 8), (1, 1, 1, Side.BUY)), name, value)
    with pytest.raises(UnreadableTrades, match=reason):
        LakeSnapshot(Table(rows), {}).trades(scan("BTC-USD"))
