"""Coinbase frames of any content, on both feeds: exact where readable, refused by name where not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tickwire.columns import Side
from tickwire.decimals import format_fixed
from tickwire.venues.coinbase.feed import CoinbaseFeed
from tickwire.venues.coinbase_advanced.feed import CoinbaseAdvancedFeed
from tickwire.venues.feed import Feed, ParsedFrames, RejectReason

RECEIVED = 1_783_465_157_897_000_000
INT64_MAX = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FRAMES = [
    (
        b'{"type":"match","trade_id":1087540758,"maker_order_id":"74bb6ee9","taker_order_id":"0d7cb8ef","side":"buy",'
        b'"size":"0.00000009","price":"77572.87","product_id":"BTC-USD","sequence":135437581854,'
        b'"time":"2026-09-02T07:44:10.104422Z"}'
    ),
    (
        b'{"type":"ticker","sequence":38332655422,"product_id":"BTC-USD","price":"29940.91","best_bid":"29940.90",'
        b'"best_ask":"29940.91","side":"buy","time":"2022-06-02T09:20:54.127011Z","best_bid_size":"1.5"}'
    ),
    (
        b'{"type":"heartbeat","last_trade_id":1052119293,"product_id":"BTC-USD","sequence":132235026653,'
        b'"time":"2026-07-07T22:58:18.000000Z"}'
    ),
    b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"],"account_ids":null}]}',
    b'{"type":"error","message":"Failed to subscribe","reason":"no"}',
]
ADVANCED_FRAMES = [
    (
        b'{"channel":"market_trades","timestamp":"2026-09-30T02:39:59.551901038Z","sequence_num":247,'
        b'"events":[{"type":"update","trades":[{"product_id":"ETH-USD","trade_id":"846155167","price":"2667.2",'
        b'"size":"0.84275842","time":"2026-09-30T02:39:59.4104Z","side":"SELL"}]}]}'
    ),
    (
        b'{"channel":"ticker","timestamp":"2026-06-14T05:35:45.435813533Z","sequence_num":16,"events":[{"type":"update",'
        b'"tickers":[{"type":"ticker","product_id":"BTC-USD","best_bid":"64281.7","best_ask":"64281.71",'
        b'"best_bid_quantity":"0.21558849","best_ask_quantity":"0.02287045"}]}]}'
    ),
    b'{"channel":"subscriptions","timestamp":"2026","sequence_num":17,"events":[{"subscriptions":{"ticker":["A-B"]}}]}',
    b'{"type":"error","message":"product not found"}',
]
EVERY_FRAME = st.sampled_from(
    [(CoinbaseFeed, frame) for frame in FRAMES] + [(CoinbaseAdvancedFeed, frame) for frame in ADVANCED_FRAMES]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
moments = st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1))


def parse(feed: type[Feed], frame: bytes) -> ParsedFrames:
    out = ParsedFrames()
    feed().parse(frame, RECEIVED, out)
    return out


def assert_accounted_for(frame: bytes, out: ParsedFrames, *, several: bool = False) -> None:
    """Each frame gives a row, a heartbeat, a status or a count, or it is a reject that keeps it whole."""
    trades, quotes = out.trades.batch(), out.quotes.batch()
    told = len(trades) + len(quotes) + len(out.heartbeats) + len(out.statuses)
    if not several:
        assert told + sum(out.ignored.values()) + len(out.rejects) == 1
    assert len(out.rejects) <= 1
    for reject in out.rejects:
        assert isinstance(reject.reason, RejectReason)
        assert reject.frame == frame
        assert 0 < len(reject.detail) <= 300
    assert all(len(name) <= 80 for name in [*out.ignored, *out.drift])
    assert all(len(status.text) <= 300 for status in out.statuses)


@given(st.sampled_from([CoinbaseFeed, CoinbaseAdvancedFeed]), st.binary(max_size=200))
def test_random_bytes_never_crash_the_parser(feed: type[Feed], frame: bytes) -> None:
    assert_accounted_for(frame, parse(feed, frame))


@given(
    EVERY_FRAME,
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(min_size=1, max_size=4)), max_size=4),
)
def test_mutated_frame_never_crashes_the_parser(
    sample: tuple[type[Feed], bytes], edits: list[tuple[int, int, bytes]]
) -> None:
    feed, frame = sample
    for position, removed, inserted in edits:
        position %= len(frame) + 1
        frame = frame[:position] + inserted + frame[position + removed :]
    assert_accounted_for(frame, parse(feed, frame), several=feed is CoinbaseAdvancedFeed)


@given(EVERY_FRAME, st.data())
def test_any_json_value_in_any_field_never_crashes_the_parser(
    sample: tuple[type[Feed], bytes], data: st.DataObject
) -> None:
    feed, frame = sample
    message = json.loads(frame)
    target, name = data.draw(st.sampled_from(list(places(message))))
    target[name] = data.draw(json_values)
    frame = json.dumps(message).encode()
    assert_accounted_for(frame, parse(feed, frame), several=feed is CoinbaseAdvancedFeed)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give each (container, key) inside a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@given(st.sampled_from([CoinbaseFeed, CoinbaseAdvancedFeed]), json_values)
def test_any_json_document_never_crashes_the_parser(feed: type[Feed], value: object) -> None:
    frame = json.dumps(value).encode()
    assert_accounted_for(frame, parse(feed, frame))


@given(
    st.integers(0, INT64_MAX),
    st.integers(0, INT64_MAX),
    st.integers(0, INT64_MAX),
    moments,
    st.integers(0, 999),
    st.booleans(),
)
def test_trade_is_the_frame_digit_for_digit_on_both_feeds(
    trade_id: int, price: int, size: int, moment: datetime, nanoseconds: int, sold: bool
) -> None:
    texts = {"price": written(price), "size": written(size)}
    time = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{nanoseconds:03d}".rstrip("0").removesuffix(".") + "Z"
    row = texts | {"product_id": "BTC-USD", "time": time, "side": "sell" if sold else "buy"}
    exchange = json.dumps({"type": "match", "trade_id": trade_id, "sequence": 1, **row}).encode()
    update = {"type": "update", "trades": [row | {"trade_id": str(trade_id), "side": str(row["side"]).upper()}]}
    message = {"channel": "market_trades", "timestamp": time, "sequence_num": 0, "events": [update]}
    expected_time = (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1_000 + nanoseconds
    for feed, frame in ((CoinbaseFeed, exchange), (CoinbaseAdvancedFeed, json.dumps(message).encode())):
        batch = parse(feed, frame).trades.batch()
        assert batch.trade_id.tolist() == [trade_id]
        assert batch.exchange_time.tolist() == [expected_time]
        assert batch.side.tolist() == [Side.BUY if sold else Side.SELL]
        assert stripped(format_fixed(int(batch.price[0]), 8)) == texts["price"]
        assert stripped(format_fixed(int(batch.size[0]), 8)) == texts["size"]


@given(st.permutations([str(k) for k in range(1, 30)]), st.sets(st.integers(0, 28)))
def test_rows_that_can_be_read_come_out_in_order_whatever_lies_between(order: list[str], broken: set[int]) -> None:
    rows = []
    for k, trade_id in enumerate(order):
        price = "garbage" if k in broken else "1.5"
        rows.append({"product_id": "BTC-USD", "trade_id": trade_id, "price": price, "size": "1"})
        rows[-1] |= {"time": "2026-09-30T02:39:59Z", "side": "BUY"}
    event = {"type": "snapshot", "trades": rows}
    message = {"channel": "market_trades", "timestamp": "", "sequence_num": 0, "events": [event]}
    out = parse(CoinbaseAdvancedFeed, json.dumps(message).encode())
    readable = sorted(int(trade_id) for k, trade_id in enumerate(order) if k not in broken)
    assert out.trades.batch().trade_id.tolist() == readable
    assert len(out.rejects) == bool(broken)


def written(value: int) -> str:
    return stripped(f"{value // 10**8}.{value % 10**8:08d}")


def stripped(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
