"""Kraken v2: numbers survive digit for digit, and no bytes whatever make the parser raise."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.capture import read_capture
from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.decimals import to_decimal
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.kraken.feed import KrakenFeed

decimals = st.builds(
    lambda whole, fraction: f"{whole}.{fraction}" if fraction else str(whole),
    st.integers(0, 10**10),
    st.text("0123456789", max_size=8),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def parse(frame: bytes) -> tuple[ParsedFrames, TradeBatch, QuoteBatch]:
    out = ParsedFrames()
    KrakenFeed().parse(frame, 1, out)
    return out, out.trades.batch(), out.quotes.batch()


@given(price=decimals, qty=decimals, trade_id=st.integers(0, 2**63 - 1))
def test_price_and_quantity_equal_the_text_of_the_frame(price: str, qty: str, trade_id: int) -> None:
    out, trades, _ = parse(
        f'{{"channel":"trade","type":"update","data":[{{"symbol":"BTC/USD","side":"buy","price":{price},"qty":{qty},'
        f'"ord_type":"limit","trade_id":{trade_id},"timestamp":"2026-07-07T23:00:05.562702Z"}}]}}'.encode()
    )
    assert not out.rejects
    assert to_decimal(int(trades.price[0]), 8) == Decimal(price)
    assert to_decimal(int(trades.size[0]), 8) == Decimal(qty)
    assert int(trades.trade_id[0]) == trade_id


@given(frame=st.binary(max_size=200))
def test_any_bytes_are_a_reject_or_counted(frame: bytes) -> None:
    out, _, _ = parse(frame)
    assert out.frames == 1
    assert all(reject.frame == frame for reject in out.rejects)


@given(
    channel=st.sampled_from(["trade", "ticker", "book", "status", "heartbeat"]),
    kind=st.sampled_from(["snapshot", "update"]),
    name=st.sampled_from("symbol side price qty trade_id timestamp bid ask bids asks checksum system data".split()),
    value=json_values,
)
def test_any_json_in_any_field_never_raises(channel: str, kind: str, name: str, value: object) -> None:
    row: dict[str, object] = {
        "symbol": "BTC/USD",
        "side": "buy",
        "price": 1.5,
        "qty": 1.5,
        "trade_id": 1,
        "timestamp": "2026-07-07T23:00:05.562702Z",
        "bid": 1.0,
        "bid_qty": 1.0,
        "ask": 1.5,
        "ask_qty": 1.0,
        "bids": [],
        "asks": [],
        "checksum": 0,
        "system": "online",
    }
    message = {"channel": channel, "type": kind, "data": [row | {name: value}]}
    if name == "data":
        message["data"] = value  # type: ignore[assignment]
    out, trades, quotes = parse(json.dumps(message).encode())
    assert len(out.rejects) <= 1
    assert len(trades) + len(quotes) <= 1


@pytest.fixture(scope="module")
def recorded(realdata: Path) -> list[bytes]:
    frames = [captured.frame for captured in read_capture(realdata / "captures" / "kraken_v2_20260707.ndjson")]
    # Each kind of frame, books once.
    return [frame for frame in frames if b'"channel":"book","type":"update"' not in frame] + frames[10:14]


@given(data=st.data())
def test_recorded_frame_with_altered_bytes_never_raises(recorded: list[bytes], data: st.DataObject) -> None:
    frame = bytearray(data.draw(st.sampled_from(recorded)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(frame) - 1))
        frame[position] = data.draw(st.integers(0, 255))
    out, _, _ = parse(bytes(frame))
    assert len(out.rejects) <= 1


@given(data=st.data())
def test_recorded_frame_cut_short_is_a_reject(recorded: list[bytes], data: st.DataObject) -> None:
    frame = data.draw(st.sampled_from(recorded))
    out, trades, _ = parse(frame[: data.draw(st.integers(0, len(frame) - 1))])
    assert len(out.rejects) == 1
    assert len(trades) == 0
