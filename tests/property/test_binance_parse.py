"""Binance frames of any content: exact where readable, refused by name where not, never a crash."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tickwire.columns import Side
from tickwire.decimals import format_fixed
from tickwire.venues.binance.feed import BinanceFeed
from tickwire.venues.feed import ParsedFrames, RejectReason

RECEIVED = 1_783_465_157_897_000_000
INT64_MAX = 2**63 - 1

FRAMES = [
    (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1783465157897,"s":"BTCUSDT","t":6486989273,'
        b'"p":"63551.02000000","q":"0.00317000","T":1783465157897,"m":true,"M":true}}'
    ),
    (
        b'{"stream":"btcusdt@bookTicker","data":{"u":50093421613,"s":"BTCUSDT","b":"61685.99000000","B":"1.25869000",'
        b'"a":"61686.00000000","A":"2.44816000"}}'
    ),
    (
        b'{"e":"aggTrade","E":1781416576889,"s":"BTCUSDT","a":3988316038,"p":"64348.95000000","q":"0.00009000",'
        b'"f":6407186253,"l":6407186253,"T":1781416576889,"m":true,"M":true}'
    ),
    b'{"u":50093421613,"s":"BTCUSDT","b":"61685.99000000","B":"1.25869000","a":"61686.00000000","A":"2.44816000"}',
    b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    b'{"error":{"code":2,"msg":"Invalid request"},"id":1}',
]

units = st.integers(0, INT64_MAX)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def parse(frame: bytes, *, aggregate: bool = False) -> ParsedFrames:
    out = ParsedFrames()
    BinanceFeed(aggregate=aggregate).parse(frame, RECEIVED, out)
    return out


def assert_accounted_for(frame: bytes, out: ParsedFrames) -> None:
    """Each frame gives a row, a status or a count, or it is a reject that keeps it whole."""
    trades, quotes = out.trades.batch(), out.quotes.batch()
    assert len(trades) + len(quotes) + len(out.statuses) + sum(out.ignored.values()) + len(out.rejects) == 1
    for reject in out.rejects:
        assert isinstance(reject.reason, RejectReason)
        assert reject.frame == frame
        assert 0 < len(reject.detail) <= 300
    assert all(len(name) <= 60 for name in [*out.ignored, *out.drift])
    assert all(len(status.text) <= 320 for status in out.statuses)


@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_never_crash_the_parser(frame: bytes, aggregate: bool) -> None:
    assert_accounted_for(frame, parse(frame, aggregate=aggregate))


@given(
    st.sampled_from(FRAMES),
    st.lists(st.tuples(st.integers(0, 250), st.integers(0, 3), st.binary(min_size=1, max_size=4)), max_size=4),
    st.booleans(),
)
def test_mutated_frame_never_crashes_the_parser(
    frame: bytes, edits: list[tuple[int, int, bytes]], aggregate: bool
) -> None:
    for position, removed, inserted in edits:
        position %= len(frame) + 1
        frame = frame[:position] + inserted + frame[position + removed :]
    assert_accounted_for(frame, parse(frame, aggregate=aggregate))


@given(st.sampled_from(FRAMES), st.data(), st.booleans())
def test_any_json_value_in_any_field_never_crashes_the_parser(
    frame: bytes, data: st.DataObject, aggregate: bool
) -> None:
    message = json.loads(frame)
    target = message["data"] if "data" in message and data.draw(st.booleans()) else message
    name = data.draw(st.sampled_from(sorted(target)))
    target[name] = data.draw(json_values)
    frame = json.dumps(message).encode("utf-8", "surrogatepass")
    assert_accounted_for(frame, parse(frame, aggregate=aggregate))


@given(json_values)
def test_any_json_document_never_crashes_the_parser(value: object) -> None:
    frame = json.dumps(value).encode()
    assert_accounted_for(frame, parse(frame))


@given(
    st.integers(0, INT64_MAX), units, units, st.integers(1_000_000_000_000, 9_223_372_036_854), st.booleans(), st.data()
)
def test_trade_is_the_frame_digit_for_digit_in_any_layout(
    trade_id: int, price: int, size: int, time_ms: int, maker: bool, data: st.DataObject
) -> None:
    price_text, size_text = text_of(price, data), text_of(size, data)
    payload = {"e": "trade", "E": time_ms, "s": "BTCUSDT", "t": trade_id, "p": price_text, "q": size_text}
    payload |= {"T": time_ms, "m": maker, "M": True}
    order = data.draw(st.permutations(list(payload)))
    message = {"stream": "btcusdt@trade", "data": {name: payload[name] for name in order}}
    frame = json.dumps(data.draw(st.sampled_from([payload, message])), indent=data.draw(st.none() | st.just(1)))
    batch = parse(frame.encode()).trades.batch()
    assert batch.trade_id.tolist() == [trade_id]
    assert batch.side.tolist() == [Side.SELL if maker else Side.BUY]
    assert batch.exchange_time.tolist() == [time_ms * 1_000_000]
    assert stripped(format_fixed(int(batch.price[0]), 8)) == stripped(price_text)
    assert Decimal(format_fixed(int(batch.size[0]), 8)) == Decimal(size_text)


def text_of(value: int, data: st.DataObject) -> str:
    """Write units of 10**-8 with some or all of their trailing zeros taken off."""
    text = f"{value // 10**8}.{value % 10**8:08d}"
    bare = text.rstrip("0")
    return (bare + "0" * data.draw(st.integers(0, len(text) - len(bare)))).removesuffix(".")


def stripped(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
