"""Binance's REST replies, as its documentation gives them, and pages made after them."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tickwire.columns import Side, TradeFlag
from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument
from tickwire.venues.binance.history import BinanceHistory, BinanceUsHistory
from tickwire.venues.feed import RejectReason
from tickwire.venues.history import (
    Candle,
    HistoryReply,
    HistoryRequest,
    RateLimited,
    RequestRejected,
    UnreadableReply,
)

MS = 10**6
RECEIVED = 1_783_465_205_000_000_000
OK = 200

# From the documentation of the old trade lookup.
TRADE = (
    b'{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,'
    b'"isBuyerMaker":true,"isBestMatch":true}'
)
# From the documentation of klines; this one is of a week, but begins on a whole day.
KLINE = (
    b'[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,'
    b'"2434.19055334",308,"1756.87402397","28.46694368","0"]'
)


def row(trade_id: int, **changes: object) -> dict[str, object]:
    return json.loads(TRADE) | {"id": trade_id} | changes


def page(ids: Sequence[int]) -> HistoryReply:
    return HistoryReply(OK, json.dumps([row(trade_id) for trade_id in ids]).encode())


def query(request: HistoryRequest | None) -> dict[str, str]:
    assert request is not None
    return dict(request.query)


def test_documented_trade_becomes_a_backfilled_row_with_the_aggressors_side() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 28457, 28457)
    brought = fill.feed(HistoryReply(OK, b"[" + TRADE + b"]"), RECEIVED)
    batch = brought.trades
    assert batch.instruments == (Instrument("binance", "BTC-USDT", 8, 8),)
    assert batch.trade_id.tolist() == [28457]
    assert batch.price.tolist() == [400000100]
    assert batch.size.tolist() == [1200000000]
    assert batch.side.tolist() == [Side.SELL]
    assert batch.exchange_time.tolist() == [1499865549590 * MS]
    assert batch.receive_time.tolist() == [RECEIVED]
    assert batch.flags.tolist() == [TradeFlag.BACKFILL]
    assert brought.next is None
    assert fill.result().filled == 1


def test_first_request_starts_one_below_the_gap_and_asks_for_no_more_than_it() -> None:
    request = BinanceHistory().fill("BTC-USDT", 101, 110).request
    assert request == HistoryRequest(
        "/api/v3/historicalTrades", (("symbol", "BTCUSDT"), ("fromId", "100"), ("limit", "11")), weight=25
    )
    assert BinanceHistory().fill("BTC-USDT", 0, 0).request is not None


def test_wide_gap_is_fetched_by_pages_of_a_thousand_that_overlap_by_one() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 2500)
    assert query(fill.request)["limit"] == "1000"
    first = fill.feed(page(range(100, 1100)), RECEIVED)
    assert first.trades.trade_id.tolist() == list(range(101, 1100))
    assert query(first.next)["fromId"] == "1099"
    second = fill.feed(page(range(1099, 2099)), RECEIVED)
    assert second.trades.trade_id.tolist() == list(range(1100, 2099))
    assert (query(second.next)["fromId"], query(second.next)["limit"]) == ("2098", "403")
    third = fill.feed(page(range(2098, 2501)), RECEIVED)
    assert third.next is None
    assert fill.result().filled == 2400
    assert fill.result().reason == ""


def test_hole_that_one_page_spans_is_confirmed_absent_with_that_page_as_evidence() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 104)
    brought = fill.feed(page([100, 101, 104, 105]), RECEIVED)
    assert brought.trades.trade_id.tolist() == [101, 104]
    assert [(absence.first, absence.last) for absence in brought.absent] == [(102, 103)]
    assert brought.absent[0].evidence.startswith(
        "GET /api/v3/historicalTrades?symbol=BTCUSDT&fromId=100&limit=5: HTTP 200, 4 trades, ids 100 to 105, body sha"
    )
    assert brought.absent[0].evidence.endswith("none from 102 to 103")
    assert fill.result().absent == brought.absent
    assert fill.request is None


def test_hole_of_the_whole_gap_is_confirmed_by_the_trades_on_both_sides() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 104)
    brought = fill.feed(page([100, 105, 106]), RECEIVED)
    assert len(brought.trades) == 0
    assert [(absence.first, absence.last) for absence in brought.absent] == [(101, 104)]


def test_gap_that_starts_inside_a_hole_is_looked_at_from_further_below() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 104)
    first = fill.feed(page([103, 104]), RECEIVED)
    assert (first.trades.trade_id.tolist(), first.absent) == ([103, 104], ())
    assert query(first.next)["fromId"] == "91"
    second = fill.feed(page([95, 103, 104]), RECEIVED)
    assert len(second.trades) == 0
    assert [(absence.first, absence.last) for absence in second.absent] == [(101, 102)]
    assert second.next is None


def test_server_that_ignores_from_id_makes_nothing_absent() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 104)
    asked = []
    while fill.request is not None:
        asked.append(query(fill.request)["fromId"])
        brought = fill.feed(page(range(5000, 5010)), RECEIVED)
        assert brought.absent == ()
    assert asked == ["100", "91", "1", "0"]
    assert fill.result().unresolved == ((101, 104),)
    assert fill.result().reason


@pytest.mark.parametrize("ids", [[], [100], [100, 101, 102]])
def test_ids_past_the_end_of_the_history_stay_unresolved(ids: list[int]) -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 104)
    fill.feed(page(ids), RECEIVED)
    while fill.request is not None:
        fill.feed(page(ids[-1:]), RECEIVED)
    result = fill.result()
    assert result.absent == ()
    assert result.unresolved == ((max([100, *ids]) + 1, 104),)
    assert "history ends at id" in result.reason or "no trade from id" in result.reason


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"price": "1e5"}, RejectReason.BAD_NUMBER, "price='1e5'"),
        ({"qty": "0.123456789"}, RejectReason.BAD_NUMBER, "qty='0.123456789'"),
        ({"time": 12}, RejectReason.BAD_TIME, "time=12"),
        ({"price": 4.0}, RejectReason.WRONG_TYPE, "trade: Expected `str`, got `float`"),
        ({"isBuyerMaker": None}, RejectReason.WRONG_TYPE, "trade: Expected `bool`, got `null`"),
    ],
)
def test_row_that_cannot_be_read_is_a_reject_and_its_id_unreadable_not_absent(
    changes: dict[str, object], reason: RejectReason, detail: str
) -> None:
    body = json.dumps([row(100), row(101), row(102, **changes), row(103)])
    fill = BinanceHistory().fill("BTC-USDT", 101, 102)
    brought = fill.feed(HistoryReply(OK, body.encode()), RECEIVED)
    assert brought.trades.trade_id.tolist() == [101]
    (reject,) = brought.rejects
    assert (reject.reason, reject.detail[: len(detail)]) == (reason, detail)
    assert json.loads(reject.frame) == row(102, **changes)
    result = fill.result()
    assert (result.unreadable, result.absent, result.unresolved) == (((102, 102),), (), ())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"price": "4"}, RejectReason.MISSING_FIELD),
        (row(-1), RejectReason.BAD_NUMBER),
        (row(2**63), RejectReason.BAD_NUMBER),
        (7, RejectReason.WRONG_TYPE),
    ],
)
def test_page_with_a_row_without_an_id_proves_nothing_absent(bad: object, reason: RejectReason) -> None:
    body = json.dumps([row(100), row(101), bad, row(104)]).encode()
    fill = BinanceHistory().fill("BTC-USDT", 101, 103)
    brought = fill.feed(HistoryReply(OK, body), RECEIVED)
    assert [reject.reason for reject in brought.rejects] == [reason]
    assert brought.absent == ()
    assert brought.next is None
    assert fill.result().unresolved == ((102, 103),)


def test_page_out_of_order_gives_its_trades_but_proves_nothing_absent() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 103)
    brought = fill.feed(page([101, 100, 104]), RECEIVED)
    assert brought.trades.trade_id.tolist() == [101]
    assert brought.absent == ()
    assert ", out of order" in brought.evidence
    assert fill.result().unresolved == ((102, 103),)


def test_trade_given_before_is_not_given_again() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 1200)
    fill.feed(page([100, 101, 101, 103]), RECEIVED)
    brought = fill.feed(page([103, 104]), RECEIVED)
    assert brought.trades.trade_id.tolist() == [104]


def test_trade_that_comes_after_all_is_no_longer_absent() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 1200)
    assert len(fill.feed(page([100, 101, 103]), RECEIVED).absent) == 1
    brought = fill.feed(page([102, 103, 104]), RECEIVED)
    assert brought.trades.trade_id.tolist() == [102, 104]
    assert fill.result().absent == ()


def test_fill_that_has_ended_takes_no_reply() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 101)
    fill.feed(page([100, 101]), RECEIVED)
    with pytest.raises(ValueError, match="has ended"):
        fill.feed(page([101]), RECEIVED)


def test_ban_says_how_long_and_that_it_is_one() -> None:
    fill = BinanceHistory().fill("BTC-USDT", 101, 104)
    reply = HistoryReply(418, b'{"code":-1003,"msg":"Way too many requests; IP banned."}', {"retry-after": "240"})
    with pytest.raises(RateLimited, match="IP banned") as limited:
        fill.feed(reply, RECEIVED)
    assert limited.value.banned
    assert limited.value.retry_after_seconds == 240
    assert fill.feed(page(range(100, 105)), RECEIVED).next is None


def test_unknown_symbol_is_rejected_by_the_venue_or_before() -> None:
    fill = BinanceHistory().fill("NOPE-USDT", 101, 104)
    with pytest.raises(RequestRejected, match="Invalid symbol"):
        fill.feed(HistoryReply(400, b'{"code":-1121,"msg":"Invalid symbol."}'), RECEIVED)
    with pytest.raises(UnknownSymbol):
        BinanceHistory().fill("BTCUSDT", 101, 104)


def test_used_weight_is_read_from_the_header() -> None:
    history = BinanceHistory()
    assert history.used_weight(HistoryReply(OK, b"[]", {"x-mbx-used-weight-1m": "175"})) == 175
    for value in ("", "-1", "many", "9" * 12):
        assert history.used_weight(HistoryReply(OK, b"[]", {"X-MBX-USED-WEIGHT-1M": value})) is None


def test_reply_of_another_kind_is_unreadable(realdata: Path) -> None:
    line = (realdata / "captures/cryptofeed/BINANCE.http.0.0").read_text().splitlines()[0]
    depth = line[line.index("{") :].encode()
    for cursor in (
        BinanceHistory().fill("NKN-USDT", 101, 104),
        BinanceHistory().candles("NKN-USDT", 60, start=0, end=60 * 10**9),
    ):
        with pytest.raises(UnreadableReply, match="Expected `array`"):
            cursor.feed(HistoryReply(OK, depth), RECEIVED)


def test_binance_us_has_its_own_address_venue_and_budget() -> None:
    history = BinanceUsHistory()
    assert history.default_url == "https://api.binance.us"
    assert history.budget_key("BTC-USD") == "binance-us"
    brought = history.fill("BTC-USD", 28457, 28457).feed(HistoryReply(OK, b"[" + TRADE + b"]"), RECEIVED)
    assert brought.trades.instruments == (Instrument("binance-us", "BTC-USD", 8, 8),)


def test_documented_kline_becomes_an_exact_candle() -> None:
    start = 1499040000 * 10**9
    cursor = BinanceHistory().candles("ETH-BTC", 86400, start=start, end=start + 86400 * 10**9)
    assert cursor.request == HistoryRequest(
        "/api/v3/klines",
        (
            ("symbol", "ETHBTC"),
            ("interval", "1d"),
            ("startTime", "1499040000000"),
            ("endTime", "1499126399999"),
            ("limit", "1000"),
        ),
        weight=2,
    )
    brought = cursor.feed(HistoryReply(OK, b"[" + KLINE + b"]"), RECEIVED)
    assert brought.candles == (
        Candle(
            venue="binance",
            symbol="ETH-BTC",
            interval=86400,
            start=start,
            open=Decimal("0.01634790"),
            high=Decimal("0.80000000"),
            low=Decimal("0.01575800"),
            close=Decimal("0.01577100"),
            volume=Decimal("148976.11427815"),
            closed=True,
            notional=Decimal("2434.19055334"),
            trades=308,
            buy_volume=Decimal("1756.87402397"),
        ),
    )
    assert brought.next is None


def klines(minutes: Sequence[int]) -> HistoryReply:
    rows = [[m * 60_000 + 1499040000000, *json.loads(KLINE)[1:]] for m in minutes]
    return HistoryReply(OK, json.dumps(rows).encode())


def test_klines_come_by_pages_until_the_end() -> None:
    start = 1499040000 * 10**9
    cursor = BinanceHistory().candles("ETH-BTC", 60, start=start, end=start + 1500 * 60 * 10**9)
    first = cursor.feed(klines(range(1000)), RECEIVED)
    assert query(first.next)["startTime"] == str(1499040000000 + 1000 * 60_000)
    second = cursor.feed(klines(range(1000, 1501)), RECEIVED)
    assert len(first.candles) + len(second.candles) == 1500
    assert second.next is None


def test_klines_that_stop_early_end_the_cursor_with_the_next_empty_page() -> None:
    start = 1499040000 * 10**9
    cursor = BinanceHistory().candles("ETH-BTC", 60, start=start, end=start + 1500 * 60 * 10**9)
    assert cursor.feed(klines(range(10)), RECEIVED).next is not None
    assert cursor.feed(klines([]), RECEIVED).next is None


def test_running_kline_is_not_closed() -> None:
    start = 1499040000 * 10**9
    cursor = BinanceHistory().candles("ETH-BTC", 60, start=start, end=start + 120 * 10**9)
    brought = cursor.feed(klines([0, 1]), start + 61 * 10**9)
    assert [candle.closed for candle in brought.candles] == [True, False]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"0.01575800"', b'"0.02"', RejectReason.BAD_NUMBER),
        (b'"0.01634790"', b'"NaN"', RejectReason.BAD_NUMBER),
        (b'"148976.11427815"', b"1.5", RejectReason.WRONG_TYPE),
        (b"1499040000000", b"5", RejectReason.BAD_TIME),
        (b',"2434.19055334",308,"1756.87402397","28.46694368","0"', b"", RejectReason.WRONG_TYPE),
    ],
)
def test_kline_that_cannot_be_is_a_reject(old: bytes, new: bytes, reason: RejectReason) -> None:
    assert old in KLINE
    start = 1499040000 * 10**9
    cursor = BinanceHistory().candles("ETH-BTC", 86400, start=start, end=start + 86400 * 10**9)
    brought = cursor.feed(HistoryReply(OK, b"[" + KLINE.replace(old, new, 1) + b"]"), RECEIVED)
    assert brought.candles == ()
    assert [reject.reason for reject in brought.rejects] == [reason]
