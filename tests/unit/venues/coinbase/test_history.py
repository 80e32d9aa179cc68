"""Coinbase Exchange's REST replies: shapes of its documentation, trades newest first."""

import json
from collections.abc import Sequence
from decimal import Decimal

import pytest

from tickwire.columns import Side, TradeFlag
from tickwire.symbols import Instrument
from tickwire.venues.coinbase.history import CoinbaseHistory
from tickwire.venues.feed import RejectReason
from tickwire.venues.history import HistoryReply, HistoryRequest, RequestRejected

SECOND = 10**9
RECEIVED = 1_788_336_000 * SECOND
OK = 200


def row(trade_id: int, **changes: object) -> dict[str, object]:
    return {
        "trade_id": trade_id,
        "side": "sell",
        "size": "0.00000009",
        "price": "77572.87000000",
        "time": "2026-09-02T07:44:10.104422Z",
    } | changes


def page(ids: Sequence[int]) -> HistoryReply:
    return HistoryReply(OK, json.dumps([row(trade_id) for trade_id in ids]).encode())


def query(request: HistoryRequest | None) -> dict[str, str]:
    assert request is not None
    return dict(request.query)


def test_trade_becomes_a_backfilled_row_with_the_makers_side_inverted() -> None:
    body = json.dumps([row(9), row(8, side="buy"), row(7, side="hold")]).encode()
    fill = CoinbaseHistory().fill("BTC-USD", 7, 9)
    brought = fill.feed(HistoryReply(OK, body), RECEIVED)
    batch = brought.trades
    assert batch.instruments == (Instrument("coinbase", "BTC-USD", 8, 8),)
    assert batch.trade_id.tolist() == [7, 8, 9]
    assert batch.side.tolist() == [Side.UNKNOWN, Side.SELL, Side.BUY]
    assert batch.price.tolist() == [7757287000000] * 3
    assert batch.size.tolist() == [9] * 3
    assert batch.exchange_time.tolist() == [1788335050104422000] * 3
    assert batch.flags.tolist() == [TradeFlag.BACKFILL] * 3
    assert brought.next is None


def test_first_request_asks_for_the_gap_and_the_trades_around_it() -> None:
    request = CoinbaseHistory().fill("BTC-USD", 101, 110).request
    # Below 112: 111 down to 100, which are twelve.
    assert request == HistoryRequest("/products/BTC-USD/trades", (("limit", "12"), ("after", "112")))


def test_wide_gap_is_fetched_from_new_to_old_by_pages_that_overlap_by_one() -> None:
    fill = CoinbaseHistory().fill("BTC-USD", 101, 2500)
    assert query(fill.request) == {"limit": "1000", "after": "2502"}
    first = fill.feed(page(range(2501, 1501, -1)), RECEIVED)
    assert first.trades.trade_id.tolist() == list(range(1502, 2501))
    assert query(first.next) == {"limit": "1000", "after": "1503"}
    second = fill.feed(page(range(1502, 502, -1)), RECEIVED)
    assert query(second.next) == {"limit": "404", "after": "504"}
    third = fill.feed(page(range(503, 99, -1)), RECEIVED)
    assert third.next is None
    assert fill.result().filled == 2400
    assert fill.result().unresolved == ()


def test_hole_between_two_trades_of_a_page_is_confirmed_absent() -> None:
    fill = CoinbaseHistory().fill("BTC-USD", 101, 104)
    brought = fill.feed(page([105, 104, 101, 100, 99]), RECEIVED)
    assert brought.trades.trade_id.tolist() == [101, 104]
    assert [(absence.first, absence.last) for absence in brought.absent] == [(102, 103)]
    assert "/products/BTC-USD/trades?limit=6&after=106: HTTP 200" in brought.absent[0].evidence
    assert brought.next is None


def test_upper_end_inside_a_hole_is_looked_at_from_further_above() -> None:
    fill = CoinbaseHistory().fill("BTC-USD", 101, 104)
    first = fill.feed(page([102, 101, 100, 99]), RECEIVED)
    assert (first.trades.trade_id.tolist(), first.absent) == ([101, 102], ())
    assert query(first.next) == {"limit": "15", "after": "115"}
    second = fill.feed(page([111, 110, 102, 101]), RECEIVED)
    assert len(second.trades) == 0
    assert [(absence.first, absence.last) for absence in second.absent] == [(103, 104)]
    assert second.next is None


def test_trades_not_in_the_history_yet_stay_unresolved() -> None:
    fill = CoinbaseHistory().fill("BTC-USD", 101, 104)
    asked = 0
    while fill.request is not None:
        fill.feed(page([102, 101, 100]), RECEIVED)
        asked += 1
    assert asked == 4
    assert fill.result().unresolved == ((103, 104),)
    assert fill.result().absent == ()
    assert "ended at id 102" in fill.result().reason


def test_trades_older_than_the_history_stay_unresolved() -> None:
    fill = CoinbaseHistory().fill("BTC-USD", 101, 104)
    assert query(fill.feed(page([105, 104, 103]), RECEIVED).next)["after"] == "104"
    assert fill.feed(page([103]), RECEIVED).next is None
    assert fill.result().unresolved == ((101, 102),)
    assert "begins at id 103" in fill.result().reason


def test_page_in_rising_order_proves_nothing_absent() -> None:
    fill = CoinbaseHistory().fill("BTC-USD", 101, 103)
    assert fill.feed(page([100, 101, 104]), RECEIVED).absent == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": "0.-10000"}, RejectReason.BAD_NUMBER),
        ({"time": "0001-01-01T00:00:00.000000Z"}, RejectReason.BAD_TIME),
        ({"price": None}, RejectReason.WRONG_TYPE),
    ],
)
def test_garbage_that_coinbase_really_sent_is_a_reject(changes: dict[str, object], reason: RejectReason) -> None:
    body = json.dumps([row(104), row(103, **changes), row(102), row(101)]).encode()
    fill = CoinbaseHistory().fill("BTC-USD", 102, 103)
    brought = fill.feed(HistoryReply(OK, body), RECEIVED)
    assert brought.trades.trade_id.tolist() == [102]
    assert [reject.reason for reject in brought.rejects] == [reason]
    assert fill.result().unreadable == ((103, 103),)
    assert fill.result().absent == ()


def test_unknown_product_is_rejected() -> None:
    fill = CoinbaseHistory().fill("NOPE-USD", 101, 104)
    with pytest.raises(RequestRejected, match="NotFound"):
        fill.feed(HistoryReply(404, b'{"message":"NotFound"}'), RECEIVED)


def test_candles_are_read_digit_for_digit_and_turned_to_rising_times() -> None:
    start = 1788335040 * SECOND
    cursor = CoinbaseHistory().candles("BTC-USD", 60, start=start, end=start + 180 * SECOND)
    assert cursor.request == HistoryRequest(
        "/products/BTC-USD/candles",
        (("granularity", "60"), ("start", "2026-09-02T07:44:00Z"), ("end", "2026-09-02T07:46:00Z")),
    )
    body = (
        b"[[1788335160,77570.1,77580.25,77572.87,77575,12.34567890],"
        b"[1788335040,77560,77573,77561.5,77572.87,1e-08],[1788334980,1,1,1,1,1]]"
    )
    brought = cursor.feed(HistoryReply(OK, body), start + 130 * SECOND)
    assert [candle.start for candle in brought.candles] == [start, start + 120 * SECOND]
    first, last = brought.candles
    assert (first.open, first.high, first.low, first.close) == tuple(
        map(Decimal, ("77561.5", "77573", "77560", "77572.87"))
    )
    assert first.volume == Decimal("0.00000001")
    assert str(last.volume) == "12.34567890"
    assert (first.trades, first.notional, first.vwap, first.buy_volume) == (None, None, None, None)
    assert (first.closed, last.closed) == (True, False)
    assert brought.next is None


def test_long_range_of_candles_is_asked_for_by_300() -> None:
    cursor = CoinbaseHistory().candles("BTC-USD", 60, start=0, end=700 * 60 * SECOND)
    windows = []
    while cursor.request is not None:
        windows.append((query(cursor.request)["start"], query(cursor.request)["end"]))
        cursor.feed(HistoryReply(OK, b"[]"), RECEIVED)
    assert windows == [
        ("1970-01-01T00:00:00Z", "1970-01-01T04:59:00Z"),
        ("1970-01-01T05:00:00Z", "1970-01-01T09:59:00Z"),
        ("1970-01-01T10:00:00Z", "1970-01-01T11:39:00Z"),
    ]


@pytest.mark.parametrize(
    "candle", [b"[1788335040,77560,77573,77561.5,77572.87]", b'[1788335040,77560,77573,77561.5,77572.87,"1"]', b"{}"]
)
def test_candle_of_another_shape_is_a_reject(candle: bytes) -> None:
    cursor = CoinbaseHistory().candles("BTC-USD", 60, start=1788335040 * SECOND, end=1788335100 * SECOND)
    brought = cursor.feed(HistoryReply(OK, b"[" + candle + b"]"), RECEIVED)
    assert brought.candles == ()
    assert [reject.frame for reject in brought.rejects] == [candle]
