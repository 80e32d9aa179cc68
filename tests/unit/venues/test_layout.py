"""How layouts are written, that the parsers know the same fields, and what is made of them."""

import subprocess
import sys
from random import Random

import pytest

from tests.unit.venues.conformance import RECEIVED, new_feed
from tests.unit.venues.conformance_file import venue_file
from tests.unit.venues.layout_paths import FEEDS_WITH_LAYOUTS, random_frame
from tickwire.columns import Side
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.layout import Layout, MalformedLayout, least_row_bytes, pieces
from tickwire.venues.layout_source import compiled, compiled_layout, source

TRADE = '{"s":"<symbol>","t":<trade_id>,"p":<price>,"q":<size>,"T":<epoch>,"m":<side>}'
SIDES = (("true", Side.SELL), ("false", Side.BUY))
QUOTE = '{"s":"<symbol>","b":<bid_price>,"B":<bid_size>,"a":<ask_price>,"A":<ask_size>}'


def test_every_feed_of_a_venue_that_we_know_has_layouts() -> None:
    known = {"binance", "binance-us", "coinbase", "coinbase-advanced", "kraken", "okx", "template"}
    assert known <= set(FEEDS_WITH_LAYOUTS)


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
def test_a_frame_of_each_layout_has_the_fields_that_the_parser_expects(name: str) -> None:
    random = Random(2)
    for layout in new_feed(name).layouts:
        out = ParsedFrames()
        # A fresh parser looks for drift in the first message of each type.
        new_feed(name).parse(random_frame(layout, random, venue_file(name).about.native), RECEIVED, out)
        assert not out.drift, layout.frame
        assert not out.rejects, layout.frame
        assert (len(out.quotes) > 0, len(out.trades) > 0) == (layout.is_quote, not layout.is_quote)


def test_a_layout_is_literals_and_fields_in_turn() -> None:
    assert pieces(Layout(TRADE, SIDES)) == (
        *(b'{"s":"', "symbol", b'","t":', "trade_id", b',"p":', "price", b',"q":', "size", b',"T":', "epoch"),
        *(b',"m":', "side", b"}"),
    )
    assert least_row_bytes(Layout(TRADE, SIDES)) is None
    assert least_row_bytes(Layout(f'{{"d":[<rows>{TRADE}</rows>]}}', SIDES)) == len('{"s":"","t":,"p":,"q":,"T":,"m":}')


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        (Layout(TRADE.replace("<price>", "<prize>"), SIDES), "unknown fields"),
        (Layout(TRADE.replace("<price>", "1"), SIDES), "no field price"),
        (Layout(TRADE.replace("<epoch>", "1"), SIDES), "no field of time"),
        (Layout(QUOTE.replace("<ask_size>", "1")), "no field ask_size"),
        (Layout(TRADE.replace("<epoch>", "<epoch>,<rfc3339>"), SIDES), "comes twice"),
        (Layout(TRADE.replace("}", ',"t":<trade_id>}'), SIDES), "comes twice"),
        (Layout(TRADE.replace("<size>", "<size><int>"), SIDES), "nothing stands between"),
        (Layout(TRADE.replace('"s"', f'"{"s" * 130}"'), SIDES), "a literal of"),
        (Layout(f'{{"d":[<rows>{TRADE}]}}', SIDES), "do not end"),
        (Layout(f'{{"d":[<rows>{QUOTE}</rows>]}}'), "of quotes"),
        (Layout(TRADE), "sides"),
        (Layout(QUOTE, SIDES), "sides"),
        (Layout(TRADE, (("aggressor", Side.BUY),)), "sides"),
        (Layout(TRADE, (("b", Side.BUY), ("bs", Side.SELL))), "starts another"),
        (Layout(TRADE.replace('"s"', '"š"'), SIDES), "printable ASCII"),
        (Layout(TRADE + "<int>", SIDES), "not an object"),
    ],
)
def test_a_layout_that_makes_no_kernel_is_refused(layout: Layout, fault: str) -> None:
    with pytest.raises(MalformedLayout, match=fault):
        source((layout,))


def test_feeds_of_one_format_share_a_kernel() -> None:
    assert compiled_layout("binance") is compiled_layout("binance-us")
    assert compiled_layout("kraken") is compiled(new_feed("kraken").layouts)
    with pytest.raises(KeyError):
        compiled_layout("nobody")


def test_frames_parsed_one_by_one_need_no_compiler() -> None:
    script = (
        "import sys\n"
        "from tickwire.venues.feed import ParsedFrames\n"
        "from tickwire.venues.registry import FEEDS, new_feed\n"
        "for name in FEEDS:\n"
        "    new_feed(name).parse(b'{}', 1, ParsedFrames())\n"
        "assert not {'numba', 'llvmlite'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
