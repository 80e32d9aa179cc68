"""Kraken v2 frames, as recorded or as its documentation gives them."""

import json

import pytest

from tickwire.columns import Side, TradeFlag
from tickwire.symbols import Instrument
from tickwire.venues.feed import MAX_FRAME_BYTES, ParsedFrames, RejectReason
from tickwire.venues.kraken.feed import KrakenFeed

RECEIVED = 1783465205_000_000_000

# Recorded 2026-07-07.
TRADES = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":63501.6,"qty":0.00185211,'
    b'"ord_type":"limit","trade_id":103436769,"timestamp":"2026-07-07T23:00:05.562702Z"},{"symbol":"BTC/USD",'
    b'"side":"sell","price":63501.6,"qty":0.02922270,"ord_type":"limit","trade_id":103436770,'
    b'"timestamp":"2026-07-07T23:00:05.562702Z"}]}'
)
# From the documentation of the channel.
TICKER = (
    b'{"channel":"ticker","type":"snapshot","data":[{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.00000000,'
    b'"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148,"low":0.09979,'
    b'"high":0.10285,"change":-0.00017,"change_pct":-0.17,"timestamp":"2026-07-07T23:00:05.562702Z"}]}'
)


def parse(*frames: bytes, feed: KrakenFeed | None = None) -> ParsedFrames:
    out = ParsedFrames()
    feed = KrakenFeed() if feed is None else feed
    for frame in frames:
        feed.parse(frame, RECEIVED, out)
    return out


def replaced(frame: bytes, old: bytes, new: bytes) -> bytes:
    assert old in frame
    return frame.replace(old, new, 1)


def test_update_of_trades_becomes_rows_with_the_takers_side() -> None:
    out = parse(TRADES)
    batch = out.trades.batch()
    assert batch.instruments == (Instrument("kraken", "BTC-USD", 8, 8),)
    assert batch.trade_id.tolist() == [103436769, 103436770]
    assert batch.price.tolist() == [6350160000000, 6350160000000]
    assert batch.size.tolist() == [185211, 2922270]
    assert batch.side.tolist() == [Side.SELL, Side.SELL]
    assert batch.exchange_time.tolist() == [1783465205562702000] * 2
    assert batch.receive_time.tolist() == [RECEIVED] * 2
    assert batch.flags.tolist() == [0, 0]
    assert not out.rejects
    assert not out.drift


def test_snapshot_of_trades_is_flagged_and_sorted_by_id() -> None:
    message = json.loads(TRADES)
    message["type"] = "snapshot"
    message["data"].reverse()
    batch = parse(json.dumps(message).encode()).trades.batch()
    assert batch.trade_id.tolist() == [103436769, 103436770]
    assert batch.flags.tolist() == [TradeFlag.SNAPSHOT] * 2


def test_side_that_is_neither_buy_nor_sell_is_left_to_the_rule() -> None:
    batch = parse(replaced(TRADES, b'"sell"', b'"swap"')).trades.batch()
    assert batch.side.tolist() == [Side.UNKNOWN, Side.SELL]


@pytest.mark.parametrize(
    ("native", "canonical"), [(b"XBT/USD", "BTC-USD"), (b"AAPLx/USD", "AAPLX-USD"), (b"XDG/EUR", "DOGE-EUR")]
)
def test_symbols_of_kraken_become_canonical(native: bytes, canonical: str) -> None:
    out = parse(TRADES.replace(b"BTC/USD", native))
    assert [instrument.symbol for instrument in out.trades.batch().instruments] == [canonical]


def test_coin_of_large_supply_keeps_prices_beyond_eight_places() -> None:
    frame = TRADES.replace(b"BTC/USD", b"PEPE/USD").replace(b"63501.6", b"0.000012345678")
    frame = frame.replace(b"0.00185211", b"123456789012.5").replace(b"0.02922270", b"1.00000000")
    batch = parse(frame).trades.batch()
    assert batch.instruments == (Instrument("kraken", "PEPE-USD", 14, 5),)
    assert batch.price.tolist() == [1234567800] * 2
    assert batch.size.tolist() == [12345678901250000, 100000]


def test_ticker_becomes_a_quote() -> None:
    out = parse(TICKER)
    quotes = out.quotes.batch()
    assert quotes.instruments == (Instrument("kraken", "ALGO-USD", 8, 8),)
    assert quotes.bid_price.tolist() == [10025000]
    assert quotes.bid_size.tolist() == [74000000000]
    assert quotes.ask_price.tolist() == [10036000]
    assert quotes.ask_size.tolist() == [136144813783]
    assert quotes.exchange_time.tolist() == [1783465205562702000]
    assert not out.drift


def test_ticker_of_old_sessions_without_time_takes_the_receive_time() -> None:
    out = parse(replaced(TICKER, b',"timestamp":"2026-07-07T23:00:05.562702Z"', b""))
    assert out.quotes.batch().exchange_time.tolist() == [RECEIVED]
    assert not out.drift


@pytest.mark.parametrize(
    ("old", "new", "counted"),
    [
        (b'"bid":0.10025', b'"bid":0', "ticker without quote"),
        (b'"ask":0.10036', b'"ask":0.00000', "ticker without quote"),
        (b"2026-07-07T23:00:05.562702Z", b"1970-01-01T00:00:00.000000Z", "ticker without time"),
    ],
)
def test_ticker_of_a_pair_that_nobody_quotes_is_counted_and_not_emitted(old: bytes, new: bytes, counted: str) -> None:
    out = parse(replaced(TICKER, old, new))
    assert len(out.quotes) == 0
    assert out.ignored == {counted: 1}
    assert not out.rejects


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            (
                b'{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2",'
                b'"connection_id":9495665260460728638,"upcoming_maintenance":[],"emergency":[]}]}'
            ),
            "system online, connection id 9495665260460728638",
        ),
        (
            (
                b'{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"maintenance",'
                b'"api_version":"v2","connection_id":1,"emergency":["down"]}]}'
            ),
            'system maintenance, connection id 1, emergency ["down"]',
        ),
        (
            (
                b'{"error":"Currency pair not supported NOPE/USD","method":"subscribe","success":false,'
                b'"symbol":"NOPE/USD","time_in":"2026-07-07T23:00:03.5Z","time_out":"2026-07-07T23:00:03.5Z"}'
            ),
            "error: subscribe NOPE/USD: Currency pair not supported NOPE/USD",
        ),
        (b'{"error":"Malformed request","success":false}', "error: request: Malformed request"),
        (
            (
                b'{"method":"subscribe","result":{"channel":"trade","symbol":"BTC/USD","warnings":["soon gone"]},'
                b'"success":true}'
            ),
            "warning: soon gone",
        ),
    ],
)
def test_kraken_speaks_of_itself(frame: bytes, text: str) -> None:
    out = parse(frame)
    assert [status.text for status in out.statuses] == [text]
    assert not any(status.reconnect for status in out.statuses)


@pytest.mark.parametrize(
    ("system", "halted"),
    [
        ("online", False),
        ("limit_only", False),
        ("maintenance", True),
        ("cancel_only", True),
        ("post_only", True),
    ],
)
def test_a_status_says_whether_trades_are_to_be_expected(system: str, halted: bool) -> None:
    out = ParsedFrames()
    row = f'{{"version":"2.0.10","system":"{system}","api_version":"v2","connection_id":1}}'
    KrakenFeed().parse(f'{{"channel":"status","type":"update","data":[{row}]}}'.encode(), 1, out)
    assert [status.halted for status in out.statuses] == [halted]
    assert not out.rejects
    assert not out.drift


@pytest.mark.parametrize(
    ("frame", "counted"),
    [
        (b'{"channel":"heartbeat"}', "heartbeat"),
        (b'{"method":"pong","req_id":101}', "pong"),
        (
            b'{"method":"subscribe","result":{"channel":"trade","snapshot":true,"symbol":"A/USD"},"success":true}',
            "subscribe",
        ),
        (b'{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD"}]}', "ohlc"),
        (b'{"channel":"' + b"x" * 100 + b'"}', "x" * 40),
    ],
)
def test_message_that_carries_nothing_is_counted(frame: bytes, counted: str) -> None:
    out = parse(frame)
    assert out.ignored == {counted: 1}
    assert out.frames == 1
    assert not out.rejects
    assert not out.statuses


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", RejectReason.NOT_JSON),
        (TRADES[:-5], RejectReason.NOT_JSON),
        (b"\xff\xfe", RejectReason.NOT_JSON),
        (b'{"channel":"\xff"}', RejectReason.NOT_JSON),
        (b"[" * 100_000, RejectReason.NOT_JSON),
        (b'{"a":' * 100_000, RejectReason.NOT_JSON),
        (b"[1,2]", RejectReason.NOT_AN_OBJECT),
        (b"null", RejectReason.NOT_AN_OBJECT),
        (b"{}", RejectReason.MISSING_FIELD),
        (b'{"channel":"trade","type":"update"}', RejectReason.MISSING_FIELD),
        (b'{"channel":"trade","type":"update","data":{}}', RejectReason.WRONG_TYPE),
        (b'{"channel":7}', RejectReason.WRONG_TYPE),
        (b"{" + b" " * MAX_FRAME_BYTES + b"}", RejectReason.TOO_LARGE),
    ],
)
def test_unreadable_frame_is_kept_with_its_reason(frame: bytes, reason: RejectReason) -> None:
    out = parse(frame)
    (reject,) = out.rejects
    assert reject.reason == reason
    assert reject.frame == frame
    assert reject.receive_time == RECEIVED
    assert out.frames == 1


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"price":63501.6', b'"price":"63501.6"', RejectReason.BAD_NUMBER),
        (b'"price":63501.6', b'"price":6.35e4', RejectReason.BAD_NUMBER),
        (b'"price":63501.6', b'"price":63501.123456789', RejectReason.BAD_NUMBER),
        (b'"price":63501.6', b'"price":99999999999999', RejectReason.BAD_NUMBER),
        (b'"price":63501.6', b'"price":null', RejectReason.BAD_NUMBER),
        (b'"price":63501.6,', b"", RejectReason.MISSING_FIELD),
        (b'"trade_id":103436769', b'"trade_id":"103436769"', RejectReason.WRONG_TYPE),
        (b'"trade_id":103436769', b'"trade_id":9223372036854775808', RejectReason.BAD_NUMBER),
        (b"2026-07-07T23:00:05.562702Z", b"yesterday", RejectReason.BAD_TIME),
        (b"2026-07-07T23:00:05.562702Z", b"0001-01-01T00:00:00.000000Z", RejectReason.BAD_TIME),
        (b"BTC/USD", b"BTC:USD", RejectReason.UNKNOWN_SYMBOL),
    ],
)
def test_one_unreadable_trade_rejects_the_frame_and_keeps_the_other_trade(
    old: bytes, new: bytes, reason: RejectReason
) -> None:
    frame = replaced(TRADES, old, new)
    out = parse(frame)
    assert [(reject.reason, reject.frame) for reject in out.rejects] == [(reason, frame)]
    assert out.trades.batch().trade_id.tolist() == [103436770]


def test_frame_with_several_unreadable_trades_is_one_reject() -> None:
    out = parse(TRADES.replace(b"63501.6", b"0x"), TRADES.replace(b"BTC/USD", b"??"))
    assert [reject.reason for reject in out.rejects] == [RejectReason.NOT_JSON, RejectReason.UNKNOWN_SYMBOL]
    assert out.rejects[1].detail.endswith("(2 unreadable rows)")


def test_negative_price_and_id_are_a_row_for_the_rules_not_an_unreadable_frame() -> None:
    frame = replaced(TRADES, b'"price":63501.6', b'"price":-63501.6')
    batch = parse(replaced(frame, b'"trade_id":103436769', b'"trade_id":-1')).trades.batch()
    assert (batch.price[0], batch.trade_id[0]) == (-6350160000000, -1)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (b'"ord_type":"limit",', b"", "trade.ord_type vanished"),
        (b'"ord_type":"limit",', b'"ord_type":1,', "trade.ord_type type_changed"),
        (b'"ord_type":"limit",', b'"ord_type":"limit","liquidation":true,', "trade.liquidation appeared"),
        (b'"price":63501.6', b'"price":"63501.6"', "trade.price type_changed"),
    ],
)
def test_change_of_schema_is_counted_by_name(old: bytes, new: bytes, change: str) -> None:
    feed = KrakenFeed()
    assert not parse(replaced(TICKER, b"ALGO", b"BTC"), feed=feed).drift
    assert parse(replaced(TRADES, old, new), feed=feed).drift[change] >= 1


def test_change_of_schema_is_found_in_a_long_run() -> None:
    feed = KrakenFeed()
    out = parse(*[TRADES] * 100, *[replaced(TRADES, b'"ord_type":"limit",', b"")] * 100, feed=feed)
    assert set(out.drift) == {"trade.ord_type vanished"}
    assert len(out.trades) == 400
