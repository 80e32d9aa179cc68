"""The example venue's REST replies; what every venue's must do besides is in ``test_conformance.py``."""

import json
from collections.abc import Sequence
from decimal import Decimal

import pytest

from tickwire.columns import Side, TradeFlag
from tickwire.venues.feed import RejectReason
from tickwire.venues.history import HistoryReply, HistoryRequest
from tickwire.venues.template.history import TemplateHistory

SECOND = 10**9
RECEIVED = 1_783_468_800 * SECOND


def row(trade_id: int, **changes: object) -> dict[str, object]:
    return {"id": trade_id, "price": "63501.60", "size": "0.0185", "taker": "buy", "time": 1783465205562} | changes


def page(ids: Sequence[int]) -> HistoryReply:
    return HistoryReply(200, json.dumps([row(trade_id) for trade_id in ids]).encode())


def query(request: HistoryRequest | None) -> dict[str, str]:
    assert request is not None
    return dict(request.query)


def test_trade_becomes_a_backfilled_row() -> None:
    fill = TemplateHistory().fill("BTC-USD", 17, 18)
    assert fill.request == HistoryRequest("/trades", (("market", "BTC_USD"), ("from", "16"), ("limit", "4")))
    body = json.dumps([row(16), row(17), row(18, taker="sell"), row(19)]).encode()
    batch = fill.feed(HistoryReply(200, body), RECEIVED).trades
    assert batch.trade_id.tolist() == [17, 18]
    assert batch.price.tolist() == [6350160000000] * 2
    assert batch.size.tolist() == [1850000] * 2
    assert batch.side.tolist() == [Side.BUY, Side.SELL]
    assert batch.exchange_time.tolist() == [1783465205562000000] * 2
    assert batch.flags.tolist() == [TradeFlag.BACKFILL] * 2
    assert fill.request is None


def test_wide_gap_is_fetched_by_pages_that_overlap_by_one() -> None:
    fill = TemplateHistory().fill("BTC-USD", 101, 1100)
    assert query(fill.request) == {"market": "BTC_USD", "from": "100", "limit": "500"}
    second = fill.feed(page(range(100, 600)), RECEIVED).next
    assert query(second) == {"market": "BTC_USD", "from": "599", "limit": "500"}
    third = fill.feed(page(range(599, 1099)), RECEIVED).next
    assert query(third) == {"market": "BTC_USD", "from": "1098", "limit": "4"}
    assert fill.feed(page(range(1098, 1102)), RECEIVED).next is None
    assert (fill.result().filled, fill.result().unresolved) == (1000, ())


def test_ids_that_the_venue_does_not_have_yet_stay_unresolved() -> None:
    fill = TemplateHistory().fill("BTC-USD", 101, 104)
    second = fill.feed(page([100, 101]), RECEIVED).next
    assert query(second)["from"] == "101"
    assert fill.feed(page([101]), RECEIVED).next is None
    assert fill.result().unresolved == ((102, 104),)
    assert fill.result().absent == ()
    assert "ends at id 101" in fill.result().reason


def test_unreadable_row_is_a_reject_and_never_absent() -> None:
    fill = TemplateHistory().fill("BTC-USD", 101, 103)
    body = json.dumps([row(100), row(101), row(102, price=None), row(103), row(104)]).encode()
    brought = fill.feed(HistoryReply(200, body), RECEIVED)
    assert [reject.reason for reject in brought.rejects] == [RejectReason.WRONG_TYPE]
    assert (fill.result().filled, fill.result().unreadable, fill.result().absent) == (2, ((102, 102),), ())


def test_candles_are_read_digit_for_digit_by_windows() -> None:
    start = 1783465200 * SECOND
    cursor = TemplateHistory().candles("BTC-USD", 60, start=start, end=start + 1001 * 60 * SECOND)
    assert query(cursor.request) == {
        "market": "BTC_USD",
        "seconds": "60",
        "from": "1783465200000",
        "to": "1783525200000",
    }
    body = b'[[1783465200000,"63501.60","63510.00","63500.00","63505.10","12.50"]]'
    brought = cursor.feed(HistoryReply(200, body), start + 30 * SECOND)
    (candle,) = brought.candles
    prices = (candle.open, candle.high, candle.low, candle.close)
    assert prices == tuple(map(Decimal, ("63501.60", "63510.00", "63500.00", "63505.10")))
    assert (str(candle.volume), candle.closed) == ("12.50", False)
    assert query(brought.next)["from"] == "1783525200000"
    assert cursor.feed(HistoryReply(200, b"[]"), RECEIVED).next is None


@pytest.mark.parametrize("candle", [b'[1783465200000,"1","1","1","1"]', b'[1783465200000,1,"1","1","1","1"]', b"{}"])
def test_candle_of_another_shape_is_a_reject(candle: bytes) -> None:
    cursor = TemplateHistory().candles("BTC-USD", 60, start=1783465200 * SECOND, end=1783465260 * SECOND)
    brought = cursor.feed(HistoryReply(200, b"[" + candle + b"]"), RECEIVED)
    assert [reject.frame for reject in brought.rejects] == [candle]
