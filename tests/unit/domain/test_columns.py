"""Rows to columns, picking and joining."""

import numpy as np
import pytest

from tickwire.columns import QuoteBatch, QuoteRows, Side, TradeBatch, TradeRows
from tickwire.symbols import Instrument

BTC = Instrument("binance", "BTC-USDT", 8, 8)
ETH = Instrument("binance", "ETH-USDT", 8, 8)


def _rows(*trades: tuple[Instrument, int]) -> TradeRows:
    rows = TradeRows()
    for instrument, trade_id in trades:
        rows.append(
            instrument,
            trade_id=trade_id,
            price=10 * trade_id,
            size=100 * trade_id,
            side=Side.SELL,
            exchange_time=1_000 + trade_id,
            receive_time=2_000 + trade_id,
            flags=1,
        )
    return rows


def test_rows_become_columns_in_order_of_arrival_with_their_types():
    batch = _rows((BTC, 3), (ETH, 1), (BTC, 2)).batch()
    assert batch.instruments == (BTC, ETH)
    assert batch.instrument.tolist() == [0, 1, 0]
    assert batch.trade_id.tolist() == [3, 1, 2]
    assert batch.price.tolist() == [30, 10, 20]
    assert batch.size.tolist() == [300, 100, 200]
    assert batch.side.tolist() == [2, 2, 2]
    assert batch.exchange_time.tolist() == [1_003, 1_001, 1_002]
    assert batch.receive_time.tolist() == [2_003, 2_001, 2_002]
    assert batch.flags.tolist() == [1, 1, 1]
    assert {name: getattr(batch, name).dtype for name in TradeBatch.COLUMNS} == TradeBatch.COLUMNS
    assert len(batch) == 3


def test_giving_a_batch_empties_the_rows():
    rows = _rows((BTC, 1))
    assert len(rows) == 1
    rows.batch()
    assert len(rows) == 0
    assert rows.batch().instruments == ()


def test_rows_and_batches_keep_their_order():
    rows = _rows((BTC, 3), (ETH, 1))
    rows.extend(_rows((ETH, 7), (BTC, 8)).batch())
    rows.extend(TradeBatch.empty())
    rows.append(ETH, trade_id=9, price=90, size=900, side=Side.BUY, exchange_time=1_009, receive_time=2_009, flags=0)
    assert len(rows) == 5
    batch = rows.batch()
    assert batch.trade_id.tolist() == [3, 1, 7, 8, 9]
    assert [batch.instruments[k] for k in batch.instrument] == [BTC, ETH, ETH, BTC, ETH]
    assert batch.side.tolist() == [2, 2, 2, 2, 1]
    assert {name: getattr(batch, name).dtype for name in TradeBatch.COLUMNS} == TradeBatch.COLUMNS
    assert (len(rows), len(rows.batch())) == (0, 0)


def test_batches_of_one_table_are_joined_without_a_new_one():
    batch = _rows((BTC, 3), (ETH, 1), (BTC, 2)).batch()
    rows = TradeRows()
    rows.extend(batch.take(np.array([1])))
    rows.extend(batch.take(np.array([0, 2])))
    joined = rows.batch()
    assert joined.instruments is batch.instruments
    assert joined.instrument.tolist() == [1, 0, 0]
    assert joined.trade_id.tolist() == [1, 3, 2]
    rows.extend(batch)
    assert rows.batch() is batch


def test_quotes_of_batches_keep_their_order():
    def quote(price: int) -> QuoteRows:
        rows = QuoteRows()
        rows.append(
            BTC,
            bid_price=price,
            bid_size=1,
            ask_price=price + 1,
            ask_size=2,
            update_id=0,
            exchange_time=5,
            receive_time=6,
        )
        return rows

    rows = quote(10)
    rows.extend(quote(20).batch())
    rows.extend(quote(30).batch())
    assert rows.batch().bid_price.tolist() == [10, 20, 30]


def test_an_empty_batch_has_every_column_in_its_type():
    for cls in (TradeBatch, QuoteBatch):
        empty = cls.empty()
        assert len(empty) == 0
        assert {name: getattr(empty, name).dtype for name in cls.COLUMNS} == cls.COLUMNS


def test_rows_are_picked_by_index_and_by_mask():
    batch = _rows((BTC, 3), (ETH, 1), (BTC, 2)).batch()
    assert batch.take(np.array([2, 0])).trade_id.tolist() == [2, 3]
    assert batch.take(np.array([True, False, True])).price.tolist() == [30, 20]


def test_joined_batches_share_one_table_of_instruments():
    left, right = _rows((BTC, 1), (ETH, 2)).batch(), _rows((ETH, 3), (BTC, 4)).batch()
    joined = TradeBatch.concat([left, TradeBatch.empty(), right])
    assert joined.instruments == (BTC, ETH)
    assert [joined.instruments[i] for i in joined.instrument] == [BTC, ETH, ETH, BTC]
    assert joined.trade_id.tolist() == [1, 2, 3, 4]
    assert {name: getattr(joined, name).dtype for name in TradeBatch.COLUMNS} == TradeBatch.COLUMNS


def test_joining_nothing_gives_an_empty_batch():
    joined = TradeBatch.concat([])
    assert len(joined) == 0
    assert {name: getattr(joined, name).dtype for name in TradeBatch.COLUMNS} == TradeBatch.COLUMNS


def test_quotes_keep_both_sides_of_the_book():
    rows = QuoteRows()
    rows.append(BTC, bid_price=1, bid_size=2, ask_price=3, ask_size=4, update_id=5, exchange_time=6, receive_time=7)
    batch = rows.batch()
    assert [getattr(batch, name).tolist() for name in QuoteBatch.COLUMNS] == [[0], [1], [2], [3], [4], [5], [6], [7]]


@pytest.mark.parametrize("side", list(Side))
def test_sides_fit_their_column(side):
    assert int(np.int8(side)) == side
