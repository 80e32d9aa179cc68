"""Coinbase Exchange frames as documented and captured: what each becomes, and why a broken one is refused."""

import json

import pytest

from tickwire.columns import Side, TradeFlag
from tickwire.records import Heartbeat
from tickwire.symbols import Instrument
from tickwire.venues.coinbase.feed import CoinbaseFeed
from tickwire.venues.feed import ParsedFrames, RejectReason, VenueStatus

RECEIVED = 1_788_335_050_200_000_000

MATCH = (
    b'{"type":"match","trade_id":1087540758,"maker_order_id":"74bb6ee9","taker_order_id":"0d7cb8ef","side":"buy",'
    b'"size":"0.00000009","price":"77572.87","product_id":"BTC-USD","sequence":135437581854,'
    b'"time":"2026-09-02T07:44:10.104422Z"}'
)
TICKER = (
    b'{"type":"ticker","sequence":38332655422,"product_id":"BTC-USD","price":"29940.91","open_24h":"31677.61",'
    b'"volume_24h":"27783.70216674","low_24h":"29308.01","high_24h":"31888","volume_30d":"778633.19135445",'
    b'"best_bid":"29940.90","best_ask":"29940.91","side":"buy","time":"2022-06-02T09:20:54.127011Z",'
    b'"trade_id":347875517,"last_size":"0.00061522"}'
)
HEARTBEAT = (
    b'{"type":"heartbeat","last_trade_id":1052119293,"product_id":"BTC-USD","sequence":132235026653,'
    b'"time":"2026-07-07T22:58:18.000000Z"}'
)
# 2026-09-02T07:44:10Z is day 20698 of the epoch: 20698 * 86400 + 7 * 3600 + 44 * 60 + 10.
MATCH_TIME = 1_788_335_050_104_422_000


def parse(*frames: bytes) -> ParsedFrames:
    out = ParsedFrames()
    feed = CoinbaseFeed()
    for frame in frames:
        feed.parse(frame, RECEIVED, out)
    assert out.frames == len(frames)
    return out


def with_fields(frame: bytes, **fields: object) -> bytes:
    """Change fields; a value of `...` takes the field out."""
    message = json.loads(frame)
    for name, value in fields.items():
        message.pop(name) if value is ... else message.update({name: value})
    return json.dumps(message, separators=(",", ":")).encode()


def test_match_becomes_a_row_with_the_makers_side_inverted() -> None:
    batch = parse(MATCH).trades.batch()
    assert batch.instruments == (Instrument("coinbase", "BTC-USD", 8, 8),)
    assert {name: getattr(batch, name).tolist() for name in batch.COLUMNS} == {
        "instrument": [0],
        "trade_id": [1087540758],
        "price": [7_757_287_000_000],
        "size": [9],
        "side": [Side.SELL],
        "exchange_time": [MATCH_TIME],
        "receive_time": [RECEIVED],
        "flags": [0],
    }


def test_maker_who_sold_means_that_the_aggressor_bought() -> None:
    assert parse(with_fields(MATCH, side="sell")).trades.batch().side.tolist() == [Side.BUY]


def test_side_of_no_known_name_is_unknown_and_left_to_the_rules() -> None:
    out = parse(with_fields(MATCH, side="BOTH"))
    assert out.trades.batch().side.tolist() == [Side.UNKNOWN]
    assert not out.rejects


def test_last_match_is_a_trade_from_a_snapshot() -> None:
    batch = parse(with_fields(MATCH, type="last_match"), MATCH).trades.batch()
    assert batch.trade_id.tolist() == [1087540758, 1087540758]
    assert batch.flags.tolist() == [TradeFlag.SNAPSHOT, 0]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-09-02T07:44:10Z", MATCH_TIME - 104_422_000),
        ("2026-09-02T07:44:10.1Z", MATCH_TIME - 4_422_000),
        ("2026-09-02T07:44:10.104422123Z", MATCH_TIME + 123),
    ],
)
def test_time_may_have_any_number_of_fraction_digits(text: str, nanoseconds: int) -> None:
    assert parse(with_fields(MATCH, time=text)).trades.batch().exchange_time.tolist() == [nanoseconds]


def test_type_at_the_end_and_white_space_change_nothing() -> None:
    message = json.loads(MATCH)
    moved = json.dumps({**{k: v for k, v in message.items() if k != "type"}, "type": "match"}, indent=1).encode()
    assert parse(moved).trades.batch().trade_id.tolist() == [1087540758]


def test_ticker_of_2022_becomes_a_quote_without_sizes() -> None:
    batch = parse(TICKER).quotes.batch()
    assert {name: getattr(batch, name).tolist() for name in batch.COLUMNS} == {
        "instrument": [0],
        "bid_price": [2_994_090_000_000],
        "bid_size": [0],
        "ask_price": [2_994_091_000_000],
        "ask_size": [0],
        "update_id": [0],
        "exchange_time": [1_654_161_654_127_011_000],
        "receive_time": [RECEIVED],
    }


def test_ticker_of_2026_has_sizes_and_they_are_no_drift() -> None:
    out = parse(with_fields(TICKER, best_bid_size="0.5", best_ask_size="1.25000000"))
    batch = out.quotes.batch()
    assert (batch.bid_size.tolist(), batch.ask_size.tolist()) == ([50_000_000], [125_000_000])
    assert not out.drift


def test_first_ticker_without_a_last_trade_is_stamped_with_the_receive_time() -> None:
    out = parse(with_fields(TICKER, time=..., side=..., last_size=..., trade_id=...))
    assert out.quotes.batch().exchange_time.tolist() == [RECEIVED]
    assert not out.drift


@pytest.mark.parametrize("value", ["0", "0.00", "", None, ...])
@pytest.mark.parametrize("field", ["best_bid", "best_ask"])
def test_ticker_without_a_bid_or_an_ask_is_counted_not_emitted(field: str, value: object) -> None:
    out = parse(with_fields(TICKER, **{field: value}))
    assert len(out.quotes) == 0
    assert out.ignored == {"ticker without quote": 1}
    assert not out.rejects


def test_heartbeat_names_the_last_trade() -> None:
    out = parse(HEARTBEAT)
    assert out.heartbeats == [Heartbeat("coinbase", "BTC-USD", 1052119293, 1_783_465_098_000_000_000, RECEIVED)]


def test_heartbeat_of_trade_0_says_nothing() -> None:
    out = parse(with_fields(HEARTBEAT, last_trade_id=0))
    assert out.heartbeats == []
    assert out.ignored == {"heartbeat without last_trade_id": 1}


def test_acknowledgement_is_a_status_that_names_channels_and_products() -> None:
    out = parse(
        b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD","ETH-USD"],"account_ids":null},'
        b'{"name":"heartbeat","product_ids":["BTC-USD"],"account_ids":null}]}'
    )
    assert out.statuses == [VenueStatus("subscribed: matches BTC-USD ETH-USD, heartbeat BTC-USD")]
    assert not out.drift


def test_error_is_a_status_and_no_reject() -> None:
    out = parse(b'{"type":"error","message":"Failed to subscribe","reason":"XYZ-USD is not a valid product"}')
    assert out.statuses == [VenueStatus("error: Failed to subscribe - XYZ-USD is not a valid product")]
    assert not out.rejects


@pytest.mark.parametrize(
    "message_type", ["snapshot", "l2update", "status", "auction", "rfq_match", "received", "some_type_of_2030"]
)
def test_message_of_no_use_is_counted_by_its_type(message_type: str) -> None:
    out = parse(json.dumps({"type": message_type, "product_id": "BTC-USD", "changes": [["buy", "1", "2"]]}).encode())
    assert out.ignored == {message_type: 1}
    assert not out.rejects
    assert not out.drift


@pytest.mark.parametrize(
    ("frame", "reason", "detail"),
    [
        (with_fields(MATCH, time="0001-01-01T00:00:00.000000Z"), RejectReason.BAD_TIME, "time='0001-01-01T00:00:00"),
        (with_fields(MATCH, size="0.-10000"), RejectReason.BAD_NUMBER, "size='0.-10000'"),
        (with_fields(MATCH, price="٣"), RejectReason.BAD_NUMBER, "price='٣'"),
        (with_fields(MATCH, price=77572.87), RejectReason.WRONG_TYPE, "match.price=77572.87"),
        (with_fields(MATCH, trade_id="1087540758"), RejectReason.WRONG_TYPE, "match.trade_id='1087540758'"),
        (with_fields(MATCH, trade_id=2**63), RejectReason.BAD_NUMBER, "match.trade_id=9223372036854775808"),
        (with_fields(MATCH, trade_id=...), RejectReason.MISSING_FIELD, "match has no field trade_id"),
        (with_fields(MATCH, side=...), RejectReason.MISSING_FIELD, "match has no field side"),
        (with_fields(MATCH, product_id="BTC-PERP-INTX"), RejectReason.UNKNOWN_SYMBOL, "product_id='BTC-PERP-INTX'"),
        (with_fields(MATCH, product_id="BTCUSD"), RejectReason.UNKNOWN_SYMBOL, "product_id='BTCUSD'"),
        (with_fields(MATCH, product_id="BTC/USD"), RejectReason.UNKNOWN_SYMBOL, "product_id='BTC/USD'"),
        (with_fields(MATCH, type=...), RejectReason.MISSING_FIELD, "type"),
        (with_fields(MATCH, type=1), RejectReason.WRONG_TYPE, "type=1"),
        (with_fields(TICKER, best_ask="x"), RejectReason.BAD_NUMBER, "best_ask='x'"),
        (with_fields(TICKER, best_bid_size="-"), RejectReason.BAD_NUMBER, "best_bid size='-'"),
        (with_fields(HEARTBEAT, last_trade_id=None), RejectReason.WRONG_TYPE, "heartbeat.last_trade_id=None"),
        (with_fields(HEARTBEAT, time="yesterday"), RejectReason.BAD_TIME, "time='yesterday'"),
        (MATCH[:100], RejectReason.NOT_JSON, "truncated"),
        (b'"match"', RejectReason.NOT_AN_OBJECT, "match"),
    ],
)
def test_unreadable_frame_is_kept_whole_with_the_field_and_value(
    frame: bytes, reason: RejectReason, detail: str
) -> None:
    out = parse(frame)
    assert len(out.trades) == len(out.quotes) == len(out.heartbeats) == 0
    (reject,) = out.rejects
    assert (reject.reason, reject.frame, reject.receive_time) == (reason, frame, RECEIVED)
    assert detail in reject.detail


def test_new_field_is_drift_while_the_trade_is_still_read() -> None:
    out = parse(with_fields(MATCH, venue_fee="0"))
    assert len(out.trades) == 1
    assert out.drift == {"match.venue_fee appeared": 1}


def test_looking_for_drift_does_not_judge_the_first_frame_more_strictly() -> None:
    odd = MATCH.replace(b"74bb6ee9", b"\xff\xfe")
    out = parse(odd, odd, odd)
    assert len(out.trades) == 3
    assert not out.rejects


def test_subscription_is_one_frame_for_all_channels() -> None:
    (frame,) = CoinbaseFeed().subscribe(["BTC-USD", "ETH-USD"])
    assert json.loads(frame) == {
        "type": "subscribe",
        "product_ids": ["BTC-USD", "ETH-USD"],
        "channels": ["matches", "ticker", "heartbeat"],
    }
    assert CoinbaseFeed().connect_path(["BTC-USD"]) == "/"


def test_silence_of_some_heartbeats_means_a_dead_socket() -> None:
    assert 2 < CoinbaseFeed.liveness.silence_seconds < 15
