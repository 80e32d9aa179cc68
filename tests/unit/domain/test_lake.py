from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.columns import Side, TradeBatch, TradeRows
from tickwire.lake import DAY_NANOSECONDS, SCHEMA, by_exchange_day, iceberg_schema, partition_spec, trades_table
from tickwire.symbols import Instrument

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)


def one(instrument: Instrument, **fields: int) -> pa.Table:
    return table([(instrument, fields)])


def table(trades: list[tuple[Instrument, dict[str, int]]]) -> pa.Table:
    rows = TradeRows()
    for instrument, fields in trades:
        values = {"trade_id": 1, "price": 1, "size": 1, "exchange_time": 0, "receive_time": 0, **fields}
        side = Side(values.pop("side", Side.BUY))
        rows.append(instrument, side=side, **values)
    batch = rows.batch()
    return trades_table(batch, np.full(len(batch), 7, np.int64), np.arange(len(batch), dtype=np.int64) + 40)


BTC = Instrument("binance", "BTC-USDT", 8, 8)
SHIB = Instrument("kraken", "SHIB-USD", 14, 2)


def test_a_trade_becomes_a_row_with_every_digit_and_its_origin():
    row = one(
        BTC,
        trade_id=3750271234,
        price=6_168_599_000_000,
        size=12_300,
        side=Side.SELL,
        exchange_time=1_723_075_200_123_456_789,
        receive_time=1_723_075_199_999_999_999,
        flags=2,
    ).to_pylist()
    assert row == [
        {
            "venue": "binance",
            "symbol": "BTC-USDT",
            "trade_id": 3750271234,
            "price": Decimal("61685.99"),
            "size": Decimal("0.000123"),
            "side": "sell",
            "exchange_time": datetime(2024, 8, 8, 0, 0, 0, 123456, UTC),
            "exchange_time_ns": 1_723_075_200_123_456_789,
            "receive_time_ns": 1_723_075_199_999_999_999,
            "flags": 2,
            "stream_partition": 7,
            "stream_counter": 40,
        }
    ]


@given(st.lists(st.tuples(INT64, INT64, st.integers(0, 18), st.integers(0, 18)), max_size=20))
def test_every_fixed_point_value_of_every_scale_is_held_exactly(values):
    rows = table(
        [
            (Instrument("v", f"S{k}-USD", scales[0], scales[1]), {"trade_id": k, "price": price, "size": size})
            for k, (price, size, *scales) in enumerate(values)
        ]
    )
    found = dict(
        zip(
            rows["trade_id"].to_pylist(),
            zip(rows["price"].to_pylist(), rows["size"].to_pylist(), strict=True),
            strict=True,
        )
    )
    for k, (price, size, price_scale, size_scale) in enumerate(values):
        # Python's integers are the oracle: value / 10**scale = unscaled / 10**18.
        assert int(found[k][0].scaleb(18)) == price * 10 ** (18 - price_scale)
        assert int(found[k][1].scaleb(18)) == size * 10 ** (18 - size_scale)


def test_rows_lie_by_venue_symbol_and_id_and_keep_their_record():
    rows = table([(SHIB, {"trade_id": 2}), (BTC, {"trade_id": 9}), (SHIB, {"trade_id": 1}), (BTC, {"trade_id": 8})])
    assert rows.select(["venue", "trade_id", "stream_counter"]).to_pylist() == [
        {"venue": "binance", "trade_id": 8, "stream_counter": 43},
        {"venue": "binance", "trade_id": 9, "stream_counter": 41},
        {"venue": "kraken", "trade_id": 1, "stream_counter": 42},
        {"venue": "kraken", "trade_id": 2, "stream_counter": 40},
    ]


def test_a_microsecond_holds_the_nanoseconds_after_it_before_1970_too():
    assert one(BTC, exchange_time=-1)["exchange_time"].cast(pa.int64()).to_pylist() == [-1]
    assert one(BTC, exchange_time=-1000)["exchange_time"].cast(pa.int64()).to_pylist() == [-1]
    assert one(BTC, exchange_time=-1001)["exchange_time"].cast(pa.int64()).to_pylist() == [-2]
    assert one(BTC, exchange_time=1999)["exchange_time"].cast(pa.int64()).to_pylist() == [1]


def test_rows_are_split_at_utc_midnight():
    times = [-1, 0, DAY_NANOSECONDS - 1, DAY_NANOSECONDS]
    rows = table([(BTC, {"trade_id": k, "exchange_time": time}) for k, time in enumerate(times)])
    assert [(day, part["trade_id"].to_pylist()) for day, part in by_exchange_day(rows)] == [
        (-1, [0]),
        (0, [1, 2]),
        (1, [3]),
    ]


def test_no_trades_make_no_rows():
    empty = trades_table(TradeBatch.empty(), np.empty(0, np.int64), np.empty(0, np.int64))
    assert empty.num_rows == 0
    assert list(by_exchange_day(empty)) == []


def test_a_scale_that_the_table_cannot_hold_is_refused():
    with pytest.raises(pa.ArrowInvalid):
        one(Instrument("v", "A-USD", 19, 8), price=1)


def test_the_iceberg_schema_has_the_field_ids_of_the_files_and_is_partitioned_by_day():
    schema = iceberg_schema()
    assert {f.name: (f.field_id, str(f.field_type), f.required) for f in schema.fields} == {
        "venue": (1, "string", True),
        "symbol": (2, "string", True),
        "trade_id": (3, "long", True),
        "price": (4, "decimal(38, 18)", True),
        "size": (5, "decimal(38, 18)", True),
        "side": (6, "string", True),
        "exchange_time": (7, "timestamptz", True),
        "exchange_time_ns": (8, "long", True),
        "receive_time_ns": (9, "long", True),
        "flags": (10, "int", True),
        "stream_partition": (11, "int", True),
        "stream_counter": (12, "long", True),
    }
    assert schema.column_names == SCHEMA.names
    assert str(partition_spec().fields[0]) == "1000: exchange_day: day(7)"
