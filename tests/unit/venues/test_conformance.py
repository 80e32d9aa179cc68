"""What every feed must make of its frames, registered ones and the template: generated from ``frames/<feed>.jsonl``."""

from random import Random
from typing import Any

import pytest

from tests.unit.venues.conformance import (
    FEEDS,
    RECEIVED,
    expected_quotes,
    expected_trades,
    nanoseconds,
    new_feed,
    parse,
    quote_rows,
    trade_rows,
)
from tests.unit.venues.conformance_file import venue_file
from tests.unit.venues.conformance_mutations import bytewise, read, structural, write
from tickwire.columns import Side
from tickwire.errors import UnknownSymbol
from tickwire.venues.feed import MAX_FRAME_BYTES, ParsedFrames, RejectReason
from tickwire.venues.frames import MAX_DETAIL

pytestmark = pytest.mark.parametrize("feed", list(FEEDS))

MUTANTS = 150
"""Byte-wise mutants of each frame."""


def rejects_are_named(out: ParsedFrames, wire: bytes) -> bool:
    """Tell whether every reject keeps the frame as received and says why."""
    return all(
        reject.frame == wire
        and reject.reason in set(RejectReason) - {RejectReason.PARSER_FAILED}
        and 0 < len(reject.detail) <= MAX_DETAIL
        and reject.receive_time == RECEIVED
        for reject in out.rejects
    )


def is_accounted_for(out: ParsedFrames) -> bool:
    """Tell whether a frame left a trace: rows, a heartbeat, a count, a status or a reject."""
    return bool(
        len(out.trades) or len(out.quotes) or out.heartbeats or out.ignored.total() or out.statuses or out.rejects
    )


def test_frames_show_enough_of_the_venue(feed: str) -> None:
    file = venue_file(feed)
    sides = {trade.side for frame in file.frames for trade in frame.trades}
    assert {"buy", "sell"} <= sides, "record a trade of each side"
    assert any(frame.ignored or frame.statuses for frame in file.frames), "record what it says beside data"
    assert any(frame.reject for frame in file.frames), "write down a frame that cannot be read"


def test_each_frame_gives_exactly_what_its_text_says(feed: str) -> None:
    file = venue_file(feed)
    for frame in file.frames:
        parser = new_feed(feed)
        out = parse(parser, frame.wire)
        shown = frame.wire[:200]
        assert trade_rows(out) == expected_trades(frame, file.about, parser.venue), shown
        assert quote_rows(out) == expected_quotes(frame, file.about, parser.venue), shown
        beats = [(beat.symbol, beat.last_trade_id, beat.exchange_time) for beat in out.heartbeats]
        assert beats == [
            (beat.symbol or file.about.symbol, beat.last_id, nanoseconds(beat.time)) for beat in frame.heartbeats
        ], shown
        assert [reject.reason.value for reject in out.rejects] == ([frame.reject] if frame.reject else []), shown
        assert list(out.ignored.elements()) == frame.ignored, shown
        assert len(out.statuses) == len(frame.statuses), out.statuses
        assert all(text in status.text for text, status in zip(frame.statuses, out.statuses, strict=True))
        assert any(status.reconnect for status in out.statuses) == frame.reconnect, shown
        assert out.frames == 1
        if not frame.reject:
            assert not out.drift, "the documented fields are not those that the parser expects"


def test_expected_numbers_stand_in_the_frames_text(feed: str) -> None:
    """Guards the files: what is expected was read off the frame, not off a parser."""
    for frame in venue_file(feed).frames:
        text = frame.wire.decode()
        for trade in frame.trades:
            assert all(part in text for part in (str(trade.id), trade.price, trade.size)), trade
        for quote in frame.quotes:
            assert all(part in text for part in (quote.bid, quote.bid_size, quote.ask, quote.ask_size)), quote


def test_other_side_in_the_text_is_the_other_side_in_the_row(feed: str) -> None:
    file = venue_file(feed)
    sides = {Side.BUY: file.about.sides["buy"].encode(), Side.SELL: file.about.sides["sell"].encode()}
    flipped = 0
    for frame in file.frames:
        if len(frame.trades) != 1:
            continue
        (row,) = trade_rows(parse(new_feed(feed), frame.wire))
        other = Side.SELL if row["side"] is Side.BUY else Side.BUY
        assert sides[row["side"]] in frame.wire, "`sides` does not give this frame's text of its side"
        changed = trade_rows(parse(new_feed(feed), frame.wire.replace(sides[row["side"]], sides[other])))
        assert changed == [row | {"side": other}]
        flipped += 1
    assert flipped


def test_order_of_keys_white_space_and_new_fields_change_nothing(feed: str) -> None:
    for frame in venue_file(feed).frames:
        message = read(frame.wire)
        if message is None:
            continue
        as_it_came = parse(new_feed(feed), frame.wire)
        trades, quotes = trade_rows(as_it_came), quote_rows(as_it_came)
        for variant in (
            write(message),
            write(message, reverse=True),
            write(message, space=" \n"),
            write({**message, "brand_new": [1]}),
        ):
            out = parse(new_feed(feed), variant)
            assert trade_rows(out) == trades, variant
            assert quote_rows(out) == quotes, variant
            assert [one.reason for one in out.rejects] == [one.reason for one in as_it_came.rejects], variant
            assert (out.ignored, out.heartbeats) == (as_it_came.ignored, as_it_came.heartbeats), variant


def test_frame_without_a_field_or_with_a_wrong_one_invents_no_trade(feed: str) -> None:
    """Either it is parsed as before, or rejected by name; a side may become unknown, nothing else may change."""
    mutants = 0
    for frame in venue_file(feed).frames:
        message = read(frame.wire)
        if message is None:
            continue
        sound = trade_rows(parse(new_feed(feed), frame.wire))
        allowed = sound + [row | {"side": Side.UNKNOWN} for row in sound]
        for change, wire in structural(message):
            out = parse(new_feed(feed), wire)
            assert is_accounted_for(out), change
            rows = trade_rows(out)
            # A field that tells a snapshot from an update is no part of the trade.
            assert all(any(same_trade(row, one) for one in allowed) for row in rows), (change, rows)
            assert rejects_are_named(out, wire), change
            mutants += 1
    assert mutants > 100


def same_trade(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Compare trades but for their flags."""
    return row | {"flags": 0} == other | {"flags": 0}


def test_no_change_of_bytes_makes_the_parser_raise_or_lose_a_frame(feed: str) -> None:
    random = Random(feed)
    for frame in venue_file(feed).frames:
        silent = not is_accounted_for(parse(new_feed(feed), frame.wire))
        for wire in bytewise(frame.wire, random, MUTANTS):
            out = parse(new_feed(feed), wire)
            assert out.frames == 1
            assert rejects_are_named(out, wire), wire
            assert silent or is_accounted_for(out), wire
            out.trades.batch()
            out.quotes.batch()


def test_symbols_that_are_none_are_rejected_by_name(feed: str) -> None:
    file = venue_file(feed)
    native = f'"{file.about.native}"'.encode()
    tried = 0
    for frame in file.frames:
        if not (frame.trades and native in frame.wire):
            continue
        for name in (*file.about.unlisted, "bitcoin", "-", ""):
            wire = frame.wire.replace(native, f'"{name}"'.encode())
            out = parse(new_feed(feed), wire)
            assert trade_rows(out) == []
            assert [reject.reason for reject in out.rejects] == [RejectReason.UNKNOWN_SYMBOL], name
            tried += 1
    assert tried


def test_frame_past_the_limit_is_rejected_unread(feed: str) -> None:
    out = parse(new_feed(feed), b"[" + b" " * MAX_FRAME_BYTES + b"]")
    assert [reject.reason for reject in out.rejects] == [RejectReason.TOO_LARGE]


def test_frames_are_read_alike_in_a_row_and_after_a_reconnect(feed: str) -> None:
    frames = venue_file(feed).frames
    wires = [frame.wire for frame in frames]
    alone = [row for wire in wires for row in trade_rows(parse(new_feed(feed), wire))]
    parser = new_feed(feed)
    first = parse(parser, *wires)
    parser.reconnected()
    second = parse(parser, *wires)
    assert trade_rows(first) == alone
    assert trade_rows(second) == alone
    assert len(second.rejects) == len(first.rejects) == sum(frame.reject is not None for frame in frames)


def test_subscription_names_the_symbol_and_refuses_what_is_none(feed: str) -> None:
    about = venue_file(feed).about
    parser = new_feed(feed)
    asked = parser.connect_path([about.symbol]).encode() + b" ".join(parser.subscribe([about.symbol]))
    assert about.native.lower().encode() in asked.lower()
    with pytest.raises(UnknownSymbol):
        _ = parser.connect_path(["no symbol"]), parser.subscribe(["no symbol"])


def test_connection_is_watched_and_kept_alive(feed: str) -> None:
    parser = new_feed(feed)
    liveness = parser.liveness
    assert (parser.name, parser.default_url[:6]) == (feed, "wss://")
    assert 0 < liveness.silence_seconds <= 60
    if liveness.ping_payload is not None and liveness.silence_seconds > liveness.ping_seconds:
        # Where pings are the proof of life, one answer may be lost.
        assert liveness.silence_seconds >= 2 * liveness.ping_seconds
