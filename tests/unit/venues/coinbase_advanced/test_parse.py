"""Coinbase Advanced Trade frames as documented and captured live in 2026."""

import json
from pathlib import Path

import pytest

from tickwire.capture import read_capture
from tickwire.columns import Side, TradeFlag
from tickwire.symbols import Instrument
from tickwire.venues.coinbase_advanced.feed import CoinbaseAdvancedFeed
from tickwire.venues.feed import ParsedFrames, RejectReason, VenueStatus

RECEIVED = 1_790_000_000_000_000_000

UPDATE = (
    b'{"channel":"market_trades","timestamp":"2026-09-30T02:39:59.551901038Z","sequence_num":247,'
    b'"events":[{"type":"update","trades":[{"product_id":"ETH-USD","trade_id":"846155167","price":"2667.2",'
    b'"size":"0.84275842","time":"2026-09-30T02:39:59.4104Z","side":"SELL"}]}]}'
)
TICKER = (
    b'{"channel":"ticker","timestamp":"2026-06-14T05:35:45.435813533Z","sequence_num":16,"events":[{"type":"update",'
    b'"tickers":[{"type":"ticker","product_id":"BTC-USD","price":"64281.7","volume_24_h":"3974.98800786",'
    b'"low_24_h":"63454","high_24_h":"64727.27","low_52_w":"59073.01","high_52_w":"126296",'
    b'"price_percent_chg_24_h":"1.21471769193719","best_bid":"64281.7","best_ask":"64281.71",'
    b'"best_bid_quantity":"0.21558849","best_ask_quantity":"0.02287045"}]}]}'
)
HEARTBEAT = (
    b'{"channel":"heartbeats","timestamp":"2026-09-30T02:37:15.06Z","sequence_num":3,"events":[{"current_time":'
    b'"2026-09-30 02:37:15.057778606 +0000 UTC m=+21697.195984854","heartbeat_counter":21697}]}'
)
# 2026-09-30T02:39:59Z is day 20726 of the epoch: 20726 * 86400 + 2 * 3600 + 39 * 60 + 59.
UPDATE_TIME = 1_790_735_999_410_400_000


def trade(trade_id: object, product_id: str = "BTC-USD", **fields: object) -> dict[str, object]:
    row: dict[str, object] = {"product_id": product_id, "trade_id": trade_id, "price": "83278.55", "size": "0.01"}
    return row | {"time": "2026-09-30T02:39:59Z", "side": "BUY"} | fields


def trades_frame(*events: tuple[str, list[dict[str, object]]], sequence: int = 0) -> bytes:
    message = {
        "channel": "market_trades",
        "timestamp": "2026-09-30T02:39:59Z",
        "sequence_num": sequence,
        "events": [{"type": kind, "trades": trades} for kind, trades in events],
    }
    return json.dumps(message, separators=(",", ":")).encode()


def parse(*frames: bytes, feed: CoinbaseAdvancedFeed | None = None) -> ParsedFrames:
    out = ParsedFrames()
    feed = CoinbaseAdvancedFeed() if feed is None else feed
    for frame in frames:
        feed.parse(frame, RECEIVED, out)
    assert out.frames == len(frames)
    return out


def test_update_becomes_a_row_of_the_venue_coinbase_with_the_makers_side_inverted() -> None:
    out = parse(UPDATE)
    batch = out.trades.batch()
    assert batch.instruments == (Instrument("coinbase", "ETH-USD", 8, 8),)
    assert {name: getattr(batch, name).tolist() for name in batch.COLUMNS} == {
        "instrument": [0],
        "trade_id": [846155167],
        "price": [266_720_000_000],
        "size": [84_275_842],
        "side": [Side.BUY],
        "exchange_time": [UPDATE_TIME],
        "receive_time": [RECEIVED],
        "flags": [0],
    }
    assert not out.drift


def test_snapshot_newest_first_comes_out_oldest_first_and_flagged() -> None:
    batch = parse(trades_frame(("snapshot", [trade("12"), trade("11"), trade("9")]))).trades.batch()
    assert batch.trade_id.tolist() == [9, 11, 12]
    assert batch.flags.tolist() == [TradeFlag.SNAPSHOT] * 3


def test_update_in_any_order_comes_out_by_id_and_products_stay_apart() -> None:
    rows = [trade("10"), trade("100", "ETH-USD"), trade("9"), trade("99", "ETH-USD")]
    batch = parse(trades_frame(("update", rows))).trades.batch()
    symbols = [batch.instruments[k].symbol for k in batch.instrument]
    assert [i for i, s in zip(batch.trade_id.tolist(), symbols, strict=True) if s == "BTC-USD"] == [9, 10]
    assert [i for i, s in zip(batch.trade_id.tolist(), symbols, strict=True) if s == "ETH-USD"] == [99, 100]
    assert batch.flags.tolist() == [0] * 4


def test_snapshot_and_update_in_one_frame_keep_their_own_flags() -> None:
    batch = parse(trades_frame(("snapshot", [trade("2"), trade("1")]), ("update", [trade("3")]))).trades.batch()
    assert batch.trade_id.tolist() == [1, 2, 3]
    assert batch.flags.tolist() == [1, 1, 0]


@pytest.mark.parametrize(("text", "nanoseconds"), [("59Z", 0), ("59.4Z", 400_000_000), ("59.410400001Z", 410_400_001)])
def test_time_has_zero_to_nine_fraction_digits(text: str, nanoseconds: int) -> None:
    frame = trades_frame(("update", [trade("1", time=f"2026-09-30T02:39:{text}")]))
    assert parse(frame).trades.batch().exchange_time.tolist() == [1_790_735_999_000_000_000 + nanoseconds]


@pytest.mark.parametrize(("side", "aggressor"), [("BUY", Side.SELL), ("SELL", Side.BUY), ("OFFER", Side.UNKNOWN)])
def test_side_is_the_makers(side: str, aggressor: Side) -> None:
    assert parse(trades_frame(("update", [trade("1", side=side)]))).trades.batch().side.tolist() == [aggressor]


def test_ticker_becomes_a_quote_at_the_envelopes_time() -> None:
    out = parse(TICKER)
    batch = out.quotes.batch()
    assert {name: getattr(batch, name).tolist() for name in batch.COLUMNS} == {
        "instrument": [0],
        "bid_price": [6_428_170_000_000],
        "bid_size": [21_558_849],
        "ask_price": [6_428_171_000_000],
        "ask_size": [2_287_045],
        "update_id": [0],
        "exchange_time": [1_781_415_345_435_813_533],
        "receive_time": [RECEIVED],
    }
    assert not out.drift


@pytest.mark.parametrize("price", ["", "0"])
def test_ticker_without_a_bid_is_counted_not_emitted(price: str) -> None:
    out = parse(TICKER.replace(b'"best_bid":"64281.7"', b'"best_bid":"' + price.encode() + b'"'))
    assert len(out.quotes) == 0
    assert out.ignored == {"ticker without quote": 1}


@pytest.mark.parametrize("counter", [b"21697", b'"21697"'])
def test_heartbeat_counter_may_be_number_or_text(counter: bytes) -> None:
    out = parse(HEARTBEAT.replace(b"21697}", counter + b"}"))
    assert out.ignored == {"heartbeats": 1}
    assert not out.drift
    assert not out.rejects


def test_client_id_of_the_documents_is_no_drift() -> None:
    for frame in (UPDATE, TICKER, HEARTBEAT):
        assert not parse(frame.replace(b'"timestamp"', b'"client_id":"","timestamp"')).drift


def test_acknowledgement_is_a_status_that_names_channels_and_products() -> None:
    out = parse(
        b'{"channel":"subscriptions","timestamp":"2026-06-14T05:35:45.540672514Z","sequence_num":17,'
        b'"events":[{"subscriptions":{"market_trades":["BTC-USD","ETH-USD"],"heartbeats":["heartbeats"]}}]}'
    )
    assert out.statuses == [VenueStatus("subscribed: market_trades BTC-USD ETH-USD, heartbeats heartbeats")]
    assert not out.drift


def test_error_has_no_channel_and_is_a_status() -> None:
    out = parse(b'{"type":"error","message":"product not found"}')
    assert out.statuses == [VenueStatus("error: product not found")]
    assert not out.rejects


@pytest.mark.parametrize("channel", ["l2_data", "candles", "status", "ticker_batch", "user", "a_channel_of_2030"])
def test_channel_of_no_use_is_counted_and_takes_part_in_the_sequence(channel: str) -> None:
    def frame(sequence: int) -> bytes:
        return json.dumps({"channel": channel, "timestamp": "", "sequence_num": sequence, "events": []}).encode()

    out = parse(frame(0), frame(1), frame(4))
    assert out.ignored == {channel: 3}
    assert out.statuses == [VenueStatus("sequence jump: 2 messages missed")]
    assert not out.rejects


def sequence_statuses(*sequences: int | None) -> list[str]:
    """Parse heartbeats of these sequence numbers; None is a reconnect."""
    feed = CoinbaseAdvancedFeed()
    out = ParsedFrames()
    for sequence in sequences:
        if sequence is None:
            feed.reconnected()
        else:
            feed.parse(HEARTBEAT.replace(b'"sequence_num":3', b'"sequence_num":%d' % sequence), RECEIVED, out)
    return [status.text for status in out.statuses]


def test_dense_sequence_says_nothing() -> None:
    assert sequence_statuses(0, 1, 2, 3) == []


def test_jump_says_how_many_messages_were_missed_once() -> None:
    assert sequence_statuses(5, 6, 10, 11) == ["sequence jump: 3 messages missed"]


def test_late_or_repeated_message_is_no_jump_and_does_not_rewind() -> None:
    assert sequence_statuses(5, 6, 5, 6, 7) == []


def test_new_connection_starts_its_sequence_anew() -> None:
    assert sequence_statuses(5, 6, None, 0, 1) == []
    assert sequence_statuses(5, 6, None, 100, 101) == []


def test_zero_starts_a_connection_although_nobody_said_so() -> None:
    assert sequence_statuses(50, 51, 0, 1, 3) == ["sequence jump: 1 messages missed"]


def test_jump_does_not_keep_the_trades_of_its_message_back() -> None:
    out = parse(trades_frame(("update", [trade("1")]), sequence=0), trades_frame(("update", [trade("2")]), sequence=9))
    assert out.trades.batch().trade_id.tolist() == [1, 2]
    assert [status.reconnect for status in out.statuses] == [False]


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"price": "abc"}, RejectReason.BAD_NUMBER, "price='abc'"),
        ({"price": 5}, RejectReason.WRONG_TYPE, "trade.price=5"),
        ({"time": "0001-01-01T00:00:00Z"}, RejectReason.BAD_TIME, "time='0001"),
        ({"trade_id": "-5"}, RejectReason.BAD_NUMBER, "trade_id='-5'"),
        ({"trade_id": "²"}, RejectReason.BAD_NUMBER, "trade_id='²'"),
        ({"trade_id": ""}, RejectReason.BAD_NUMBER, "trade_id=''"),
        ({"trade_id": "9223372036854775808"}, RejectReason.BAD_NUMBER, "trade_id='9223372036854775808'"),
        ({"trade_id": 7}, RejectReason.WRONG_TYPE, "trade.trade_id=7"),
        ({"product_id": "BIT-31JAN25-CDE"}, RejectReason.UNKNOWN_SYMBOL, "product_id='BIT-31JAN25-CDE'"),
    ],
)
def test_unreadable_trade_makes_a_reject_and_its_siblings_are_kept(
    fields: dict[str, object], reason: RejectReason, detail: str
) -> None:
    frame = trades_frame(("update", [trade("3"), trade("2") | fields, trade("1")]))
    out = parse(frame)
    assert out.trades.batch().trade_id.tolist() == [1, 3]
    (reject,) = out.rejects
    assert (reject.reason, reject.frame) == (reason, frame)
    assert detail in reject.detail
    assert "(1 unreadable rows)" in reject.detail


@pytest.mark.parametrize(
    ("frame", "reason", "detail"),
    [
        (UPDATE[:-2], RejectReason.NOT_JSON, "truncated"),
        (b"[]", RejectReason.NOT_AN_OBJECT, "[]"),
        (b"{}", RejectReason.MISSING_FIELD, "channel"),
        (b'{"channel":null}', RejectReason.WRONG_TYPE, "channel=None"),
        (b'{"channel":"market_trades","sequence_num":1}', RejectReason.MISSING_FIELD, "events"),
        (b'{"channel":"market_trades","sequence_num":1,"events":{}}', RejectReason.WRONG_TYPE, "events={}"),
        (b'{"channel":"market_trades","sequence_num":1,"events":[5]}', RejectReason.WRONG_TYPE, "events[]=5"),
        (b'{"channel":"market_trades","sequence_num":1,"events":[{}]}', RejectReason.MISSING_FIELD, "trades"),
        (TICKER.replace(b'"timestamp"', b'"time"'), RejectReason.MISSING_FIELD, "timestamp"),
        (TICKER.replace(b"2026-06-14T05", b"2026-06-14X05"), RejectReason.BAD_TIME, "timestamp='2026-06-14X05"),
        (TICKER.replace(b'"64281.71"', b'"1,5"'), RejectReason.BAD_NUMBER, "best_ask='1,5'"),
        (TICKER.replace(b'"64281.71"', b"64281.71"), RejectReason.WRONG_TYPE, "ticker.best_ask=64281.71"),
    ],
)
def test_unreadable_frame_is_kept_whole_with_the_field_and_value(
    frame: bytes, reason: RejectReason, detail: str
) -> None:
    out = parse(frame)
    assert len(out.trades) == len(out.quotes) == 0
    (reject,) = out.rejects
    assert (reject.reason, reject.frame, reject.receive_time) == (reason, frame, RECEIVED)
    assert detail in reject.detail


def test_envelope_without_a_sequence_number_still_gives_its_trades() -> None:
    out = parse(UPDATE.replace(b'"sequence_num":247,', b""))
    assert out.trades.batch().trade_id.tolist() == [846155167]
    assert out.drift == {"market_trades.sequence_num vanished": 1}


def test_drift_is_seen_in_envelope_event_and_row() -> None:
    out = parse(
        UPDATE.replace(b'"timestamp"', b'"shard":1,"timestamp"')
        .replace(b'"type":"update"', b'"type":"update","n":1')
        .replace(b'"side"', b'"maker":"x","side"')
    )
    assert len(out.trades) == 1
    assert out.drift == {
        "market_trades.shard appeared": 1,
        "market_trades.event.n appeared": 1,
        "market_trades.trade.maker appeared": 1,
    }


def test_subscription_is_one_frame_a_channel_heartbeats_first() -> None:
    frames = [json.loads(frame) for frame in CoinbaseAdvancedFeed().subscribe(["BTC-USD"])]
    assert frames == [
        {"type": "subscribe", "channel": "heartbeats"},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "market_trades"},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "ticker"},
    ]
    assert CoinbaseAdvancedFeed().connect_path(["BTC-USD"]) == "/"


def test_live_frames_of_2026_are_read_without_drift(realdata: Path) -> None:
    frames = [captured.frame for captured in read_capture(realdata / "captures" / "coinbase_advanced_2026.jsonl")]
    out = parse(*frames)
    assert not out.rejects
    assert not out.drift
    assert out.trades.batch().trade_id.tolist() == [1037798145]
    assert out.quotes.batch().ask_price.tolist() == [6_428_171_000_000]
    assert [status.text for status in out.statuses] == ["subscribed: nothing"]
