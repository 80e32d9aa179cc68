"""Kraken v2 as recorded on 2026-07-07: 1,200 frames."""

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tickwire.capture import read_capture
from tickwire.columns import Side
from tickwire.decimals import to_decimal
from tickwire.timestamps import format_rfc3339
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.kraken.feed import KrakenFeed


@pytest.fixture(scope="module")
def frames(realdata: Path) -> list[bytes]:
    return [captured.frame for captured in read_capture(realdata / "captures" / "kraken_v2_20260707.ndjson")]


@pytest.fixture(scope="module")
def out(frames: list[bytes]) -> ParsedFrames:
    parsed = ParsedFrames()
    feed = KrakenFeed()
    for frame in frames:
        feed.parse(frame, 1, parsed)
    return parsed


def test_every_checksum_holds_and_every_frame_is_known(out: ParsedFrames) -> None:
    assert out.frames == 1_200
    assert out.checksum_failures == 0
    assert out.rejects == []
    assert out.drift == {}
    # 6 trade frames and 1 status beside these.
    assert out.ignored == {"book": 1_179, "heartbeat": 10, "subscribe": 4}
    assert [status.text for status in out.statuses] == ["system online, connection id 4421894013101914413"]


def test_trades_are_those_of_the_file_digit_for_digit_and_contiguous(frames: list[bytes], out: ParsedFrames) -> None:
    batch = out.trades.batch()
    expected = [
        row
        for frame in frames
        for message in [json.loads(frame, parse_float=Decimal)]
        if message.get("channel") == "trade"
        for row in message["data"]
    ]
    assert len(batch) == len(expected) == 13
    for number, row in enumerate(expected):
        instrument = batch.instruments[batch.instrument[number]]
        assert instrument.symbol == row["symbol"].replace("/", "-")
        assert to_decimal(int(batch.price[number]), instrument.price_scale) == row["price"]
        assert to_decimal(int(batch.size[number]), instrument.size_scale) == row["qty"]
        assert batch.trade_id[number] == row["trade_id"]
        assert Side(batch.side[number]).name == row["side"].upper()
        assert format_rfc3339(int(batch.exchange_time[number])) == row["timestamp"].replace("Z", "000Z")
    for index in range(len(batch.instruments)):
        assert set(np.diff(batch.trade_id[batch.instrument == index]).tolist()) == {1}


def test_one_lost_book_frame_is_noticed_by_the_checksum(frames: list[bytes]) -> None:
    feed = KrakenFeed()
    parsed = ParsedFrames()
    for number, frame in enumerate(frames):
        if number != 100:
            feed.parse(frame, 1, parsed)
    assert b'"book","type":"update"' in frames[100]
    assert parsed.checksum_failures == 1
