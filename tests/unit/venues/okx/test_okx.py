"""What is OKX's own; what every venue must do is generated from ``frames/okx.jsonl``."""

import json

import pytest

from tickwire.venues.feed import ParsedFrames, RejectReason
from tickwire.venues.history import HistoryReply, HistoryRequest, VenueUnavailable
from tickwire.venues.okx.feed import OkxFeed
from tickwire.venues.okx.history import OkxHistory

SECOND = 10**9
RECEIVED = 1_783_465_260 * SECOND


def row(trade_id: object, **changes: object) -> dict[str, object]:
    return {
        "instId": "BTC-USDT",
        "tradeId": str(trade_id),
        "px": "42219.9",
        "sz": "0.1",
        "side": "buy",
        "source": "0",
        "ts": "1783465205562",
    } | changes


def push(*rows: object) -> bytes:
    return json.dumps({"arg": {"channel": "trades-all", "instId": "BTC-USDT"}, "data": list(rows)}).encode()


def test_unreadable_trade_stops_only_itself() -> None:
    """OKX sends one trade an update; should it send more, none is lost for another's fault."""
    out = ParsedFrames()
    OkxFeed().parse(push(row(7), row(8, px=None), row("9x"), row(10)), RECEIVED, out)
    assert [(reject.reason, reject.detail[-19:]) for reject in out.rejects] == [
        (RejectReason.WRONG_TYPE, "(2 unreadable rows)")
    ]
    assert out.trades.batch().trade_id.tolist() == [7, 10]


def test_only_the_notice_of_an_upgrade_asks_for_a_new_connection() -> None:
    out = ParsedFrames()
    for code in ("64008", "64007"):
        frame = {"event": "notice", "code": code, "msg": "Please reconnect.", "connId": "a4d3ae55"}
        OkxFeed().parse(json.dumps(frame).encode(), RECEIVED, out)
    assert [status.reconnect for status in out.statuses] == [True, False]


def test_subscription_is_one_frame_on_the_business_path() -> None:
    feed = OkxFeed()
    assert feed.connect_path(["BTC-USDT"]) == "/ws/v5/business"
    (frame,) = feed.subscribe(["BTC-USDT", "ETH-USDT"])
    assert json.loads(frame) == {
        "op": "subscribe",
        "args": [
            {"channel": "trades-all", "instId": "BTC-USDT"},
            {"channel": "trades-all", "instId": "ETH-USDT"},
        ],
    }


def test_gap_is_asked_for_from_above_by_pages_of_a_hundred() -> None:
    fill = OkxHistory().fill("BTC-USDT", 101, 250)
    path = "/api/v5/market/history-trades"
    query = {"instId": "BTC-USDT", "type": "1", "after": "252", "limit": "100"}
    assert fill.request == HistoryRequest(path, tuple(query.items()))
    body = {"code": "0", "msg": "", "data": [row(one) for one in range(251, 151, -1)]}
    following = fill.feed(HistoryReply(200, json.dumps(body).encode()), RECEIVED).next
    # Below 153: 152 again, which ties the pages together, down to 100.
    assert following == HistoryRequest(path, tuple((query | {"after": "153", "limit": "53"}).items()))


def test_candles_are_asked_for_between_exclusive_bounds_and_by_utc() -> None:
    day = 86_400 * SECOND
    cursor = OkxHistory().candles("BTC-USDT", 86_400, start=0, end=301 * day)
    queries = []
    while cursor.request is not None:
        queries.append(dict(cursor.request.query))
        cursor.feed(HistoryReply(200, b'{"code":"0","msg":"","data":[]}'), RECEIVED)
    assert [(one["bar"], one["before"], one["after"], one["limit"]) for one in queries] == [
        ("1Dutc", "-1", "25920000000", "300"),
        ("1Dutc", "25919999999", "26006400000", "300"),
    ]


def test_candle_is_closed_only_where_okx_confirms_it() -> None:
    start = 1_783_465_200 * SECOND
    cursor = OkxHistory().candles("BTC-USDT", 60, start=start, end=start + 120 * SECOND)
    rows = [[str((start + k * 60 * SECOND) // 10**6), "1", "2", "1", "2", "3", "5", "5", str(1 - k)] for k in (1, 0)]
    body = {"code": "0", "msg": "", "data": rows}
    page = cursor.feed(HistoryReply(200, json.dumps(body).encode()), start + 600 * SECOND)
    assert [(candle.closed, str(candle.notional)) for candle in page.candles] == [(True, "5"), (False, "5")]


@pytest.mark.parametrize(("status", "code"), [(400, "50004"), (200, "50013"), (503, "50001")])
def test_busy_venue_may_be_asked_again(status: int, code: str) -> None:
    fill = OkxHistory().fill("BTC-USDT", 1, 2)
    with pytest.raises(VenueUnavailable):
        fill.feed(HistoryReply(status, json.dumps({"code": code, "msg": "busy", "data": []}).encode()), RECEIVED)
