"""Binance Spot frames as documented and captured: what each becomes, and why a broken one is refused."""

import json

import pytest

from tickwire.columns import Side
from tickwire.symbols import Instrument
from tickwire.venues.binance.feed import BinanceFeed, BinanceUsFeed
from tickwire.venues.feed import MAX_FRAME_BYTES, ParsedFrames, RejectReason, VenueStatus

RECEIVED = 1_783_465_156_600_000_000
"""Before the exchange's time, as in the 2024 captures."""

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1783465157897,"s":"BTCUSDT","t":6486989273,'
    b'"p":"63551.02000000","q":"0.00317000","T":1783465157897,"m":true,"M":true}}'
)
BOOK_TICKER = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093421613,"s":"BTCUSDT","b":"61685.99000000","B":"1.25869000",'
    b'"a":"61686.00000000","A":"2.44816000"}}'
)
AGGREGATE = (
    b'{"e":"aggTrade","E":1781416576889,"s":"BTCUSDT","a":3988316038,"p":"64348.95000000","q":"0.00009000",'
    b'"f":6407186253,"l":6407186255,"T":1781416576889,"m":false,"M":true}'
)
TRADE_ROW = (6486989273, 6_355_102_000_000, 317_000, Side.SELL, 1_783_465_157_897_000_000, RECEIVED, 0)


def parse(*frames: bytes, feed: BinanceFeed | None = None) -> ParsedFrames:
    out = ParsedFrames()
    feed = BinanceFeed() if feed is None else feed
    for frame in frames:
        feed.parse(frame, RECEIVED, out)
    assert out.frames == len(frames)
    return out


def trade_rows(out: ParsedFrames) -> list[tuple[int, ...]]:
    batch = out.trades.batch()
    names = ("trade_id", "price", "size", "side", "exchange_time", "receive_time", "flags")
    return list(zip(*(getattr(batch, name).tolist() for name in names), strict=True))


def with_fields(frame: bytes, **fields: object) -> bytes:
    """Change fields of the payload; None of `...` takes a field out."""
    message = json.loads(frame)
    payload = message.get("data", message)
    for name, value in fields.items():
        payload.pop(name) if value is ... else payload.update({name: value})
    return json.dumps(message, separators=(",", ":")).encode()


def only_reject(out: ParsedFrames) -> tuple[RejectReason, str]:
    assert len(out.trades) == len(out.quotes) == 0
    (reject,) = out.rejects
    return reject.reason, reject.detail


def test_combined_trade_becomes_a_row_with_the_aggressor_and_ns() -> None:
    out = parse(TRADE)
    batch = out.trades.batch()
    assert batch.instruments == (Instrument("binance", "BTC-USDT", 8, 8),)
    out = parse(TRADE)
    assert trade_rows(out) == [TRADE_ROW]


def test_raw_trade_becomes_the_same_row_as_the_combined_one() -> None:
    raw = json.dumps(json.loads(TRADE)["data"]).encode()
    assert trade_rows(parse(raw)) == [TRADE_ROW]


def test_trade_whose_buyer_is_taker_is_a_buy() -> None:
    assert trade_rows(parse(with_fields(TRADE, m=False)))[0][3] == Side.BUY


def test_microseconds_are_told_from_milliseconds_by_their_magnitude() -> None:
    frame = with_fields(TRADE, E=1783465157897123, T=1783465157897123)
    assert trade_rows(parse(frame))[0][4] == 1_783_465_157_897_123_000


def test_order_ids_of_old_captures_are_neither_drift_nor_in_the_way() -> None:
    out = parse(with_fields(TRADE, b=88, a=50))
    assert trade_rows(out) == [TRADE_ROW]
    assert not out.drift


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps(json.loads(TRADE), indent=2).encode(),
        json.dumps({"data": json.loads(TRADE)["data"], "stream": "btcusdt@trade"}).encode(),
        json.dumps({"stream": "btcusdt@trade", "data": dict(reversed(json.loads(TRADE)["data"].items()))}).encode(),
        TRADE.replace(b"BTCUSDT", b"\\u0042TCUSDT"),
    ],
    ids=["white space", "data first", "fields reversed", "escaped letter"],
)
def test_other_layout_of_the_same_json_is_the_same_trade(frame: bytes) -> None:
    assert trade_rows(parse(frame)) == [TRADE_ROW]


def test_book_ticker_becomes_a_quote_stamped_with_the_receive_time() -> None:
    batch = parse(BOOK_TICKER).quotes.batch()
    row = {name: getattr(batch, name).tolist() for name in batch.COLUMNS}
    assert row == {
        "instrument": [0],
        "bid_price": [6_168_599_000_000],
        "bid_size": [125_869_000],
        "ask_price": [6_168_600_000_000],
        "ask_size": [244_816_000],
        "update_id": [50093421613],
        "exchange_time": [RECEIVED],
        "receive_time": [RECEIVED],
    }


@pytest.mark.parametrize("reorder", [False, True])
def test_raw_book_ticker_is_known_by_its_fields(reorder: bool) -> None:
    payload = json.loads(BOOK_TICKER)["data"]
    frame = json.dumps(dict(reversed(payload.items())) if reorder else payload).encode()
    assert parse(frame).quotes.batch().ask_price.tolist() == [6_168_600_000_000]


@pytest.mark.parametrize("side", ["a", "b"])
def test_quote_with_an_empty_side_is_counted_not_emitted(side: str) -> None:
    out = parse(with_fields(BOOK_TICKER, **{side: "0.00000000"}))
    assert len(out.quotes) == 0
    assert out.ignored == {"bookTicker without quote": 1}
    assert not out.rejects


def test_aggregate_trade_is_never_among_the_trades() -> None:
    out = parse(AGGREGATE)
    assert len(out.trades) == 0
    assert out.ignored == {"aggTrade": 1}


def test_aggregate_trade_on_demand_has_a_venue_of_its_own() -> None:
    out = parse(AGGREGATE, TRADE, feed=BinanceFeed(aggregate=True))
    batch = out.trades.batch()
    venues = [batch.instruments[k].venue for k in batch.instrument]
    assert venues == ["binance-agg", "binance"]
    assert batch.trade_id.tolist() == [3988316038, 6486989273]
    assert batch.side.tolist() == [Side.BUY, Side.SELL]
    assert not out.ignored


def test_binance_us_rows_bear_its_venue() -> None:
    frame = with_fields(TRADE, s="BTCUSD")
    batch = parse(frame, feed=BinanceUsFeed()).trades.batch()
    assert batch.instruments == (Instrument("binance-us", "BTC-USD", 8, 8),)
    batch = parse(with_fields(AGGREGATE, s="BTCUSD"), feed=BinanceUsFeed(aggregate=True)).trades.batch()
    assert batch.instruments == (Instrument("binance-us-agg", "BTC-USD", 8, 8),)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"serverShutdown","E":1770123456789}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
)
def test_server_shutdown_asks_for_a_new_connection(frame: bytes) -> None:
    assert parse(frame).statuses == [VenueStatus("server shutdown", reconnect=True)]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"code":2,"msg":"Invalid request: too many parameters"}',
        b'{"error":{"code":2,"msg":"Invalid request: too many parameters"},"id":1}',
    ],
)
def test_error_reply_is_a_status_and_no_reject(frame: bytes) -> None:
    out = parse(frame)
    assert out.statuses == [VenueStatus("error 2: Invalid request: too many parameters")]
    assert not out.rejects


@pytest.mark.parametrize(
    ("frame", "counted"),
    [
        (b'{"result":null,"id":1}', "ack"),
        (b'{"result":["btcusdt@trade"],"id":3}', "ack"),
        (b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT"}}', "depthUpdate"),
        (b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT","k":{}}}', "kline"),
        (b'{"stream":"btcusdt@depth20","data":{"lastUpdateId":160,"bids":[],"asks":[]}}', "depth20"),
        (b'{"lastUpdateId":160,"bids":[],"asks":[]}', "depth snapshot"),
        (b'{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC"}', "24hrTicker"),
        (b'{"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]}', "ticker@arr"),
        (
            b'{"stream":"btcusdt@blockTrade","data":{"e":"blockTrade","t":5,"p":"1","q":"2","T":1,"m":true}}',
            "blockTrade",
        ),
        (b'{"e":"referencePrice","s":"BTCUSDT"}', "referencePrice"),
        (b'{"e":"' + b"x" * 500 + b'"}', "x" * 40),
    ],
)
def test_message_of_no_use_is_counted_by_its_type(frame: bytes, counted: str) -> None:
    out = parse(frame)
    assert out.ignored == {counted: 1}
    assert not out.rejects
    assert not out.drift
    assert len(out.trades) == len(out.quotes) == 0


@pytest.mark.parametrize(
    ("frame", "reason", "detail"),
    [
        (b"", RejectReason.NOT_JSON, "truncated"),
        (TRADE[:-1], RejectReason.NOT_JSON, "truncated"),
        (b"\xff\xfe", RejectReason.NOT_JSON, "malformed"),
        (b"[" * 100_000, RejectReason.NOT_JSON, "recursion"),
        (b"[1,2]", RejectReason.NOT_AN_OBJECT, "[1,2]"),
        (b"null", RejectReason.NOT_AN_OBJECT, "null"),
        (b"{}", RejectReason.MISSING_FIELD, "e"),
        (b'{"stream":"btcusdt@trade"}', RejectReason.MISSING_FIELD, "data"),
        (b'{"stream":5,"data":{}}', RejectReason.WRONG_TYPE, "stream=5"),
        (TRADE.replace(b'"btcusdt@trade"', b"5"), RejectReason.WRONG_TYPE, "stream=5"),
        (b'{"stream":"btcusdt@trade","data":7}', RejectReason.WRONG_TYPE, "data=7"),
        (b'{"e":5}', RejectReason.WRONG_TYPE, "e=5"),
        (with_fields(TRADE, t=...), RejectReason.MISSING_FIELD, "trade has no field t"),
        (with_fields(BOOK_TICKER, a=...), RejectReason.MISSING_FIELD, "bookTicker has no field a"),
        (with_fields(TRADE, t="6486989273"), RejectReason.WRONG_TYPE, "trade.t='6486989273'"),
        (with_fields(TRADE, p=63551.02), RejectReason.WRONG_TYPE, "trade.p=63551.02"),
        (with_fields(TRADE, m="true"), RejectReason.WRONG_TYPE, "trade.m='true'"),
        (with_fields(TRADE, t=2**63), RejectReason.BAD_NUMBER, "trade.t=9223372036854775808"),
        (with_fields(TRADE, p="1e5"), RejectReason.BAD_NUMBER, "p='1e5'"),
        (with_fields(TRADE, q="NaN"), RejectReason.BAD_NUMBER, "q='NaN'"),
        (with_fields(TRADE, q=""), RejectReason.BAD_NUMBER, "q=''"),
        (with_fields(TRADE, p="0.000000001"), RejectReason.BAD_NUMBER, "more than 8 decimal places"),
        (with_fields(TRADE, q="92233720369"), RejectReason.BAD_NUMBER, "overflows int64"),
        (with_fields(TRADE, p="9" * 5000), RejectReason.BAD_NUMBER, "p='999"),
        (with_fields(TRADE, T=0), RejectReason.BAD_TIME, "T=0"),
        (with_fields(TRADE, T=-1783465157897), RejectReason.BAD_TIME, "T=-1783465157897"),
        (with_fields(TRADE, s="btcusdt"), RejectReason.UNKNOWN_SYMBOL, "s='btcusdt'"),
        (with_fields(TRADE, s="BTCXYZ"), RejectReason.UNKNOWN_SYMBOL, "s='BTCXYZ'"),
        (with_fields(TRADE, s=""), RejectReason.UNKNOWN_SYMBOL, "s=''"),
        (TRADE.replace(b"6486989273", b"1e999"), RejectReason.BAD_NUMBER, "out of range"),
        (b"{" + b" " * MAX_FRAME_BYTES + b"}", RejectReason.TOO_LARGE, str(MAX_FRAME_BYTES + 2)),
    ],
)
def test_unreadable_frame_is_kept_whole_with_the_field_and_value(
    frame: bytes, reason: RejectReason, detail: str
) -> None:
    out = parse(frame)
    found, text = only_reject(out)
    assert found == reason
    assert detail.lower() in text.lower()
    assert len(text) <= 300
    assert out.rejects[0].frame == frame
    assert out.rejects[0].receive_time == RECEIVED


def test_broken_frame_does_not_stop_those_after_it() -> None:
    out = parse(b"{", TRADE, with_fields(TRADE, p=None), with_fields(TRADE, t=6486989274))
    assert [row[0] for row in trade_rows(out)] == [6486989273, 6486989274]
    assert len(out.rejects) == 2


def test_new_field_is_drift_while_the_trade_is_still_read() -> None:
    out = parse(with_fields(TRADE, z=1))
    assert trade_rows(out) == [TRADE_ROW]
    assert out.drift == {"trade.z appeared": 1}


def test_vanished_type_is_drift_while_the_stream_says_what_it_is() -> None:
    out = parse(with_fields(TRADE, e=...))
    assert trade_rows(out) == [TRADE_ROW]
    assert out.drift == {"trade.e vanished": 1}


def test_changed_type_is_drift_and_a_reject() -> None:
    out = parse(TRADE, with_fields(TRADE, t="6486989273"), with_fields(TRADE, q=...))
    assert out.drift == {"trade.t type_changed": 1, "trade.q vanished": 1}
    assert [reject.reason for reject in out.rejects] == [RejectReason.WRONG_TYPE, RejectReason.MISSING_FIELD]


def test_looking_for_drift_does_not_judge_the_first_frame_more_strictly() -> None:
    odd = TRADE.replace(b'"M":true', b'"M":"\xff"')
    out = parse(odd, odd, odd)
    assert trade_rows(out) == [TRADE_ROW] * 3
    assert not out.rejects


def test_lasting_drift_is_found_within_64_frames_of_its_start() -> None:
    feed = BinanceFeed()
    assert not parse(*[TRADE] * 30, feed=feed).drift
    assert parse(*[with_fields(TRADE, z=1)] * 64, feed=feed).drift == {"trade.z appeared": 1}
