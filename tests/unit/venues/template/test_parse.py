"""The example venue: what a copy of it has to show of its own frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.columns import Side
from tickwire.symbols import Instrument
from tickwire.venues.feed import ParsedFrames, RejectReason
from tickwire.venues.template.feed import TemplateFeed

RECEIVED = 1783465205_600_000_000
TRADE = (
    b'{"type":"trade","market":"BTC_USD","id":17,"price":"63501.60","size":"0.0185","taker":"buy","time":1783465205562}'
)
TOP = b'{"type":"top","market":"BTC_USD","bid":["63501.60","1.5"],"ask":["63501.70","0.2"],"time":1783465205562}'


def parse(*frames: bytes) -> ParsedFrames:
    out = ParsedFrames()
    feed = TemplateFeed()
    for frame in frames:
        feed.parse(frame, RECEIVED, out)
    return out


def test_trade_becomes_a_row_with_the_aggressors_side() -> None:
    out = parse(TRADE, TRADE.replace(b"buy", b"sell"))
    batch = out.trades.batch()
    assert batch.instruments == (Instrument("template", "BTC-USD", 8, 8),)
    assert batch.trade_id.tolist() == [17, 17]
    assert batch.price.tolist() == [6350160000000] * 2
    assert batch.size.tolist() == [1850000] * 2
    assert batch.side.tolist() == [Side.BUY, Side.SELL]
    assert batch.exchange_time.tolist() == [1783465205562000000] * 2
    assert batch.receive_time.tolist() == [RECEIVED] * 2
    assert (out.frames, out.rejects, out.drift) == (2, [], {})


def test_top_becomes_a_quote() -> None:
    quotes = parse(TOP).quotes.batch()
    assert quotes.bid_price.tolist() == [6350160000000]
    assert quotes.bid_size.tolist() == [150000000]
    assert quotes.ask_price.tolist() == [6350170000000]
    assert quotes.ask_size.tolist() == [20000000]


def test_what_is_of_no_use_is_counted_and_what_the_venue_says_is_passed_on() -> None:
    out = parse(b'{"type":"alive"}', b'{"type":"subscribed"}', b'{"type":"notice","text":"maintenance at 10:00"}')
    assert out.ignored == {"alive": 1, "subscribed": 1}
    assert [status.text for status in out.statuses] == ["notice: maintenance at 10:00"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (TRADE[:-1], RejectReason.NOT_JSON),
        (b"[]", RejectReason.NOT_AN_OBJECT),
        (b"{}", RejectReason.MISSING_FIELD),
        (TRADE.replace(b'"size":"0.0185",', b""), RejectReason.MISSING_FIELD),
        (TRADE.replace(b'"0.0185"', b"0.0185"), RejectReason.WRONG_TYPE),
        (TRADE.replace(b"0.0185", b"0.123456789"), RejectReason.BAD_NUMBER),
        (TRADE.replace(b"1783465205562", b"17"), RejectReason.BAD_TIME),
        (TRADE.replace(b"BTC_USD", b"bitcoin"), RejectReason.UNKNOWN_SYMBOL),
    ],
)
def test_unreadable_frame_is_kept_with_its_reason(frame: bytes, reason: RejectReason) -> None:
    out = parse(frame)
    assert [(reject.reason, reject.frame) for reject in out.rejects] == [(reason, frame)]
    assert len(out.trades) == 0


def test_new_field_is_counted_as_drift_and_the_trade_is_read() -> None:
    out = parse(TRADE[:-1] + b',"venue_fee":"0.1"}')
    assert out.drift == {"trade.venue_fee appeared": 1}
    assert len(out.trades) == 1


@given(frame=st.binary(max_size=100), position=st.integers(0, len(TRADE) - 1), byte=st.integers(0, 255))
def test_no_bytes_make_the_parser_raise(frame: bytes, position: int, byte: int) -> None:
    altered = TRADE[:position] + bytes([byte]) + TRADE[position + 1 :]
    out = parse(frame, altered)
    assert out.frames == 2
    out.trades.batch()


def test_subscription_names_the_markets() -> None:
    feed = TemplateFeed()
    assert feed.connect_path(["BTC-USD"]) == "/"
    (frame,) = feed.subscribe(["BTC-USD", "ETH-USD"])
    assert json.loads(frame) == {"type": "subscribe", "markets": ["BTC_USD", "ETH_USD"]}
