"""No change of a frame makes the layouts read it otherwise than the parser does."""

import re
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.venues.conformance import new_feed
from tests.unit.venues.conformance_file import venue_file
from tests.unit.venues.conformance_mutations import bytewise, read, structural, write
from tests.unit.venues.layout_paths import FEEDS_WITH_LAYOUTS, assert_alike, random_frame

JUNK = '" \\ \\u0041 { } [ ] , : 0 00 - + . e1 null true Z T @ < é 99999999999999999999'.split()
BYTES = st.binary(min_size=1, max_size=3) | st.sampled_from(
    [*(text.encode() for text in JUNK), b" ", b"\n", b"\x00", b"\x1f", b"\x7f", b"\xff"]
)


@st.composite
def mutated(draw: st.DrawFn, wire: bytes) -> bytes:
    """Change a frame in a few places: bytes replaced, put in, taken out, doubled, swapped, or the rest cut off."""
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(wire)))
        size = draw(st.integers(0, 12))
        match draw(st.sampled_from("replace insert delete double swap cut digit key".split())):
            case "replace":
                put = draw(BYTES)
                wire = wire[:at] + put + wire[at + len(put) :]
            case "insert":
                wire = wire[:at] + draw(BYTES) + wire[at:]
            case "delete":
                wire = wire[:at] + wire[at + size :]
            case "double":
                wire = wire[: at + size] + wire[at:]
            case "swap":
                other = draw(st.integers(0, len(wire)))
                first, second = sorted((at, other))
                wire = wire[:first] + wire[second : second + 1] + wire[first + 1 : second] + wire[first : first + 1]
            case "cut":
                wire = wire[:at]
            case "digit":
                places = [match.start() for match in re.finditer(rb"[0-9]", wire)]
                if places:
                    one = draw(st.sampled_from(places))
                    wire = wire[:one] + draw(st.sampled_from([b"0", b"9", b"x", b""])) + wire[one + 1 :]
            case "key":
                fields = list(re.finditer(rb'"\w+":("[^"]*"|[^",{}\[\]]+),', wire))
                if fields:
                    one_field, target = draw(st.sampled_from(fields)), draw(st.sampled_from(fields))
                    wire = wire[: target.start()] + one_field.group() + wire[target.start() :]
    return wire


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_changed_frames_among_others_are_read_alike(name: str, data: st.DataObject) -> None:
    file, layouts = venue_file(name), new_feed(name).layouts
    seeds = [frame.wire for frame in file.frames]
    random = Random(data.draw(st.integers(0, 2**32)))
    seeds += [random_frame(layout, random, file.about.native) for layout in layouts]
    frames = [
        (data.draw(mutated(seed)), k)
        for k, seed in enumerate(data.draw(st.lists(st.sampled_from(seeds), min_size=1, max_size=8)))
    ]
    assert_alike(name, frames, sizes=data.draw(st.lists(st.integers(0, 4), max_size=3)))


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
def test_every_byte_of_a_frame_changed_is_read_alike(name: str) -> None:
    file, random = venue_file(name), Random(5)
    for layout in new_feed(name).layouts:
        wire = random_frame(layout, random, file.about.native)
        frames = [(wire, 0)]
        for at in range(len(wire)):
            put = [*random.sample(range(256), 6), *b'"\\09.-', wire[at] ^ 0x80, wire[at] ^ 1]
            frames += [(wire[:at] + bytes([byte]) + wire[at + 1 :], at) for byte in put]
            frames += [(wire[:at] + wire[at + 1 :], at), (wire[:at], at), (wire, at)]
        assert_alike(name, frames)


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
def test_changes_of_structure_are_read_alike(name: str) -> None:
    random, frames = Random(6), []
    for frame in venue_file(name).frames:
        frames += [(one, 1) for one in bytewise(frame.wire, random, 100)] if frame.wire else []
        message = read(frame.wire)
        if message is not None:
            frames += [(mutant.wire, 2) for mutant in structural(message)]
            frames += [(write(message, reverse=True), 3), (write(message, space=" "), 4), (write(message), 5)]
    assert_alike(name, frames)


TEXTS = st.one_of(
    st.from_regex(r"[0-9]{0,22}(\.[0-9]{0,22})?", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{1,3}(\.[0-9]{1,3})?([eE][0-9])?", fullmatch=True),
    st.sampled_from(
        "9223372036854775807 9223372036854775808 92233720368.54775807 92233720368.54775808 0 0.0 00 007 1. .5"
        " 999999999999999999 1000000000000000000 0.000000010 0.000000001".split()
    ),
)


@settings(deadline=None, max_examples=300)
@given(price=TEXTS, size=TEXTS, symbol=st.sampled_from(["BTCUSDT", "SHIBUSDT", "1000PEPEUSDT", "XBTUSDT", "NOPE"]))
@example(price="92233720368.54775807", size="92233720368547.75807", symbol="SHIBUSDT")
def test_numbers_are_read_alike_at_the_scales_of_their_symbol(price: str, size: str, symbol: str) -> None:
    trade = venue_file("binance").frames[0].wire.replace(b"BTCUSDT", symbol.encode())
    quote = venue_file("binance").frames[3].wire.replace(b"BTCUSDT", symbol.encode())
    frames = [
        (trade.replace(b"63501.60000000", price.encode()).replace(b"0.01850000", size.encode()), 1),
        (quote.replace(b"63501.59000000", price.encode()).replace(b"2.44816000", size.encode()), 2),
    ]
    assert_alike("binance", frames * 2)


@settings(deadline=None, max_examples=200)
@given(price=TEXTS, trade_id=TEXTS)
def test_bare_numbers_are_read_alike(price: str, trade_id: str) -> None:
    wire = venue_file("kraken").frames[0].wire
    frames = [(wire.replace(b"79192.8", price.encode()).replace(b"107725001", trade_id.encode()), 1)]
    assert_alike("kraken", frames)


TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.from_regex(
        r"(19|20|21|22)[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,10})?(Z|\+00:00)?",
        fullmatch=True,
    ),
    st.sampled_from(
        "2024-02-29T00:00:00Z 2023-02-29T00:00:00Z 2100-02-29T00:00:00Z 2000-02-29T23:59:59.9Z 1999-12-31T23:59:59Z"
        " 2199-12-31T23:59:59.999999999Z 2200-01-01T00:00:00Z 2024-04-31T00:00:00Z 2024-00-01T00:00:00Z"
        " 2024-13-01T00:00:00Z 2024-01-00T00:00:00Z 2024-01-01T24:00:00Z 2024-01-01T00:60:00Z 2024-01-01T00:00:60Z"
        " 2024-01-01T00:00:00.Z 2024-01-01T00:00:00.123456 2024-01-01T00:00:00.12345Z 0001-01-01T00:00:00Z".split()
    ),
)


@settings(deadline=None, max_examples=300)
@given(times=st.lists(TIMES, min_size=1, max_size=5))
def test_times_are_read_alike_whatever_time_came_before(times: list[str]) -> None:
    wire = venue_file("coinbase").frames[0].wire
    frames = [(wire.replace(b"2026-09-02T07:44:10.104422Z", time.encode()), k) for k, time in enumerate(times * 2)]
    assert_alike("coinbase", frames)


@settings(deadline=None, max_examples=200)
@given(
    time=st.integers(0, 10**20) | st.integers(0, 19).map(lambda k: 10**k) | st.integers(1, 20).map(lambda k: 10**k - 1)
)
def test_unix_times_are_read_alike(time: int) -> None:
    wire = venue_file("binance").frames[0].wire.replace(b'"T":1783465205562', b'"T":%d' % time)
    assert_alike("binance", [(wire, 1)])


@settings(deadline=None, max_examples=200)
@given(symbol=st.text(max_size=36) | st.from_regex(r"[A-Z0-9]{1,40}", fullmatch=True), text=st.text(max_size=40))
def test_symbols_and_texts_are_read_alike(symbol: str, text: str) -> None:
    wire = venue_file("coinbase").frames[0].wire
    wire = wire.replace(b"BTC-USD", symbol.encode("utf-8", "replace") + b"-USD")
    frames = [(wire.replace(b"ac928c66-ca53-498f-9c13-a110027a60e8", text.encode("utf-8", "replace")), 1)]
    assert_alike("coinbase", frames * 2)
