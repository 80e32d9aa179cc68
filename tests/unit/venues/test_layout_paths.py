"""Frames read together, by layouts, give what each gives by itself; and those that come most match a layout."""

import re
from pathlib import Path
from random import Random

import pytest

from tests.unit.exchange.test_encoders import SYMBOLS, play
from tests.unit.venues.conformance import RECEIVED, new_feed
from tests.unit.venues.conformance_file import venue_file
from tests.unit.venues.layout_paths import (
    FEEDS_WITH_LAYOUTS,
    assert_alike,
    matching_none,
    one_by_one,
    outcome,
    random_frame,
    together,
)
from tickwire.capture import read_capture
from tickwire.venues.feed import MAX_FRAME_BYTES, Feed, ParsedFrames, RejectReason
from tickwire.venues.frame_buffer import PADDING, FrameBuffer
from tickwire.venues.layout_symbols import MAX_SYMBOLS

CAPTURES = [
    # (file, feed, frames that hold trades or quotes and match no layout)
    ("binance_spot_20260707.ndjson", "binance", 0),
    ("binance_spot_btcusdt_20240808.gz", "binance", 0),
    ("binance_spot_ethusdt_20240808.gz", "binance", 0),
    ("coinbase_exchange_20260707.ndjson", "coinbase", 2),
    ("coinbase_advanced_2026.jsonl", "coinbase-advanced", 1),
    ("kraken_v2_20260707.ndjson", "kraken", 0),
    ("cryptofeed/BINANCE.ws.1.0", "binance", None),
    ("cryptofeed/BINANCE_US.ws.1.0", "binance-us", None),
    ("cryptofeed/COINBASE.ws.28.0", "coinbase", None),
    ("cryptofeed/old/BINANCE.ws.1.0_4fe02974", "binance", None),
]


def with_rows(name: str, frames: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """Give the frames that hold a trade or a quote and are no reject."""
    kept = []
    feed = new_feed(name)
    for frame, received in frames:
        out = ParsedFrames()
        feed.parse(frame, received, out)
        if (len(out.trades) or len(out.quotes)) and not out.rejects:
            kept.append((frame, received))
    return kept


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
@pytest.mark.parametrize("sizes", [(), (1,) * 20, (3, 1, 2)])
def test_the_venues_frames_are_read_alike(name: str, sizes: tuple[int, ...]) -> None:
    frames = [(frame.wire, RECEIVED + k) for k, frame in enumerate(venue_file(name).frames)] * 2

    slow = assert_alike(name, frames, sizes)

    assert len(frames) - slow >= 2, "no frame of the venue's file matches a layout"
    rows = with_rows(name, frames)
    assert assert_alike(name, rows, sizes) == matching_none(new_feed(name), rows)


@pytest.mark.parametrize(("file", "name", "slow"), CAPTURES)
def test_captures_are_read_alike(realdata: Path, file: str, name: str, slow: int | None) -> None:
    frames = [(one.frame, one.receive_time or 0) for one in read_capture(realdata / "captures" / file)]

    assert_alike(name, frames, sizes=[1, 7, 1000])

    if slow is not None:
        rows = with_rows(name, frames)
        assert rows
        assert assert_alike(name, rows) == slow


@pytest.mark.parametrize("name", list(SYMBOLS))
def test_the_local_exchanges_frames_are_read_alike(name: str) -> None:
    frames = [(frame, RECEIVED + k) for k, frame in enumerate(play(name)[0])]

    assert_alike(name, frames, sizes=[1, 10, 100])

    updates = [one for one in with_rows(name, frames) if b'"snapshot"' not in one[0] and b"last_match" not in one[0]]
    slow = assert_alike(name, updates)
    # The first ticker after a subscription is no update on Coinbase's feeds, and is left to the parser.
    assert slow <= 4
    assert len(updates) > 100


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
def test_values_of_any_length_are_read_alike_and_by_layout(name: str) -> None:
    random, feed = Random(7), new_feed(name)
    native = venue_file(name).about.native
    for layout in feed.layouts:
        frames = [(random_frame(layout, random, native), k) for k in range(300)]
        slow = assert_alike(name, frames, sizes=[1, 50])
        # What does not fit: more than 18 digits, or a time that int64 does not hold.
        assert slow < 60, layout.frame


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
def test_many_symbols_are_told_apart(name: str) -> None:
    layout, native = new_feed(name).layouts[0], venue_file(name).about.native
    random = Random(11)
    names = {"".join(random.choices("ABCDEFGHJK", k=random.randint(1, 12))) for _ in range(400)}
    symbols = [re.sub("^BTC", one, native) for one in sorted(names)]
    frames = [(random_frame(layout, random, symbol), 1) for symbol in symbols * 2]
    random.shuffle(frames)

    slow = assert_alike(name, frames)

    assert slow < 200


def test_the_table_of_instruments_stays_the_same_tuple_until_a_symbol_is_added() -> None:
    feed, layout = new_feed("coinbase"), new_feed("coinbase").layouts[0]
    tables = []
    for symbol in ("BTC-USD", "BTC-USD", "ETH-USD", "BTC-USD"):
        out, buffer = ParsedFrames(), FrameBuffer()
        buffer.append(random_frame(layout, Random(1), symbol), 1)
        feed.parse_frames(buffer, out)
        tables.append(out.trades.batch().instruments)
    assert tables[0] is tables[1]
    assert tables[2] is tables[3]
    assert [one.symbol for one in tables[3]] == ["BTC-USD", "ETH-USD"]


def test_two_names_of_one_instrument_share_its_row() -> None:
    layout = new_feed("kraken").layouts[0]
    frames = [(random_frame(layout, Random(1), symbol), 1) for symbol in ("XBT/USD", "BTC/USD", "XBT/USD")]
    feed, out, buffer = new_feed("kraken"), ParsedFrames(), FrameBuffer()
    buffer.extend([frame for frame, _ in frames], [1, 1, 1])
    feed.parse_frames(buffer, out)
    batch = out.trades.batch()
    assert [one.symbol for one in batch.instruments] == ["BTC-USD"]
    assert set(batch.instrument.tolist()) == {0}


def test_a_subscription_changes_what_a_symbol_of_binance_names() -> None:
    # BTCEUR is BTC-EUR by its ending; who subscribed to another cut of it knows better.
    frames = [(frame.wire.replace(b'"BTCUSDT"', b'"BATUSD"'), 1) for frame in venue_file("binance-us").frames[:2]]
    feed = new_feed("binance-us")
    first, _ = together(feed, frames[:1])
    feed.connect_path(["BATU-SD"])
    second, _ = together(feed, frames[:1])
    assert [row[0].symbol for row in first["trades"] + second["trades"]] == ["BAT-USD", "BATU-SD"]


def test_no_more_symbols_are_kept_than_the_table_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickwire.venues.layout_symbols.MAX_SYMBOLS", 3)
    layout = new_feed("coinbase").layouts[0]
    frames = [(random_frame(layout, Random(1), f"{base}-USD"), 1) for base in "ABCDEABCDE"]
    assert assert_alike("coinbase", frames) == 4
    assert MAX_SYMBOLS == 16_384


def test_a_frame_past_the_size_limit_is_rejected_and_the_next_one_read() -> None:
    wire = venue_file("binance").frames[0].wire
    large = wire.replace(b'"stream":"', b'"stream":"' + b"x" * MAX_FRAME_BYTES)
    frames = [(wire, 1), (large, 2), (wire, 3)]
    assert assert_alike("binance", frames) == 1


def test_frames_that_are_cut_or_run_together_are_not_read_as_one() -> None:
    wires = [frame.wire for frame in venue_file("binance").frames[:4]]
    for wire in wires:
        for cut in (1, 8, len(wire) // 2, len(wire) - 1):
            frames = [(wire[:cut], 1), (wire[cut:], 2), (wire, 3)]
            assert assert_alike("binance", frames) == 2
    assert assert_alike("binance", [(wires[0] + wires[1], 1), (b"", 2), (wires[0] + b"\n", 3)]) == 3
    lines = [(wires[0] + b"\n" + wires[1], 1), (wires[2], 2), (b"\n", 3), (b"\n" + wires[0], 4), (wires[3], 5)]
    assert assert_alike("binance", lines) == 3
    unknown = wires[0].replace(b'"BTCUSDT"', b'"NOPE"')
    assert assert_alike("binance", [(unknown + b"\n" + wires[1], 1), (unknown, 2), (wires[2], 3), (unknown, 4)]) == 3


class _Failing:
    """Stands in for a parser that has a fault."""

    def read(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        raise ZeroDivisionError("by a fault")


@pytest.mark.parametrize("with_layouts", [True, False])
def test_a_fault_of_the_parser_costs_one_frame(monkeypatch: pytest.MonkeyPatch, with_layouts: bool) -> None:
    feed = new_feed("binance")
    if not with_layouts:
        monkeypatch.setattr(type(feed), "layouts", ())
    wire = venue_file("binance").frames[0].wire
    parser = feed._parser  # type: ignore[attr-defined]
    original = parser.read

    def read(frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        (original if b" " not in frame else _Failing().read)(frame, receive_time, out)

    monkeypatch.setattr(parser, "read", read)
    odd = wire.replace(b":", b": ")
    joined, _ = together(feed, [(wire, 1), (odd, 2), (wire, 3)])

    assert [row[-2] for row in joined["trades"]] == [1, 3]
    (reject,) = joined["rejects"]
    assert (reject.reason, reject.frame, reject.receive_time) == (RejectReason.PARSER_FAILED, odd, 2)
    assert reject.detail == "ZeroDivisionError: by a fault"
    assert joined["frames"] == 3


def advanced(sequence: int, kind: str = "update") -> bytes:
    """Give a frame of Advanced Trade with its place on the connection."""
    (first, *_) = venue_file("coinbase-advanced").frames
    return first.wire.replace(b'"sequence_num":2', b'"sequence_num":%d' % sequence).replace(b"update", kind.encode())


@pytest.mark.parametrize(
    "numbers",
    [
        [0, 1, 2, 3, 4, 5],
        [5, 6, 7, 9, 10, 11],
        [3, 4, 2, 3, 4, 5, 6],
        [7, 8, 0, 1, 2],
        [4, 4, 5, 6, 20],
        [1, 3, 5, 7],
        [10, 8, 9, 10, 11, 12, 13],
    ],
)
@pytest.mark.parametrize("slow", [frozenset[int](), frozenset({1}), frozenset({0, 3}), frozenset({2, 3, 4})])
@pytest.mark.parametrize("sizes", [(), (1,) * 9, (2, 2)])
def test_message_numbers_are_followed_over_both_ways(
    numbers: list[int], slow: frozenset[int], sizes: tuple[int, ...]
) -> None:
    frames = [(advanced(n, "snapshot" if k in slow else "update"), k) for k, n in enumerate(numbers)]
    assert assert_alike("coinbase-advanced", frames, sizes) == len(slow & set(range(len(numbers))))


def test_a_jump_between_two_runs_is_told() -> None:
    feed = new_feed("coinbase-advanced")
    together(feed, [(advanced(n), 1) for n in (0, 1, 2)])
    joined, slow = together(feed, [(advanced(n), 1) for n in (5, 6, 7)])
    assert slow == 0
    assert [status.text for status in joined["statuses"]] == ["sequence jump: 2 messages missed"]


def test_rows_that_are_not_in_order_are_left_to_the_parser_which_sorts_them() -> None:
    layout, random = new_feed("coinbase-advanced").layouts[0], Random(3)
    rows = []
    while len(rows) < 3:
        frame = random_frame(layout, random, "BTC-USD")
        head, _, rest = frame.partition(b'"trades":[')
        row, _, tail = rest.partition(b"}")
        rows.append(row + b"}")
    rows.sort(key=lambda row: int(row.partition(b'trade_id":"')[2].partition(b'"')[0]))
    falling, rising = (
        head + b'"trades":[' + b",".join(order) + tail[tail.index(b"]") :] for order in (rows[::-1], rows)
    )
    assert assert_alike("coinbase-advanced", [(falling, 1), (rising, 2)]) == 1


def test_a_feed_without_layouts_reads_frames_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [(frame.wire, k) for k, frame in enumerate(venue_file("template").frames)]
    alone = one_by_one(new_feed("template"), frames)
    feed = new_feed("template")
    monkeypatch.setattr(type(feed), "layouts", ())
    joined, slow = together(feed, frames)
    assert (joined, slow) == (alone, 0)
    with pytest.raises(NotImplementedError):
        Feed.instrument_of(feed, "BTC_USD")


def test_no_frames_give_nothing() -> None:
    out = ParsedFrames()
    new_feed("binance").parse_frames(FrameBuffer(), out)
    assert outcome(out) == outcome(ParsedFrames())


def test_a_buffer_keeps_frames_and_times_in_order() -> None:
    buffer = FrameBuffer()
    buffer.append(b"one", 1)
    buffer.append(bytearray(b"three"), 2)
    buffer.append(memoryview(b"-four-")[1:5], 3)
    buffer.extend([b"", b"xy"], [4, 5])
    buffer.extend((b"z",), (6,))
    data, times = buffer.columns()
    assert bytes(data).startswith(b"one\nthree\nfour\n\nxy\nz\n\0")
    assert times.tolist() == [1, 2, 3, 4, 5, 6]
    assert (len(data), data[21:].any()) == (21 + PADDING, False)
    assert (len(buffer), buffer.nbytes) == (6, 15)
    assert (buffer.frame(1), buffer.receive_time(1)) == (b"three", 2)
    buffer.append(b"more", 7)
    assert buffer.nbytes == 19
    with pytest.raises(ValueError, match="1 frames, 2 times"):
        buffer.extend([b"q"], [1, 2])
    buffer.append(b"a line\nand another", 8)
    assert bytes(buffer.columns()[0]).rstrip(b"\0") == b"one\nthree\nfour\n\nxy\nz\nmore\na line\nand another\n"
    lines, _ = buffer.columns(one_line_each=True)
    assert bytes(lines).rstrip(b"\0") == b"one\nthree\nfour\n\nxy\nz\nmore\n\n"
    assert buffer.frame(7) == b"a line\nand another"
    buffer.clear()
    assert (len(buffer), buffer.nbytes) == (0, 0)
