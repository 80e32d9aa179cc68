"""Blocks of the replay log as rows."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lambdas.broadcaster.heads import Heads
from lambdas.broadcaster.replay_rows import (
    MAX_PART_BYTES,
    Block,
    Checkpoint,
    Update,
    checkpoint_row,
    read_checkpoint,
    read_row,
    rows_of,
    whole_blocks,
)

SYMBOLS = st.sampled_from(["binance:BTC-USDT", "kraken:ETH-USD", "market:*", "kraken:*"])
NUMBERS = st.integers(1, 2**53)


@st.composite
def updates(draw: st.DrawFn) -> Update:
    first = draw(NUMBERS)
    values = draw(
        st.lists(
            st.tuples(
                st.integers(0, 2**43),
                st.integers(1, 50),
                st.lists(st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=5)), max_size=4).map(tuple),
                st.dictionaries(st.text(max_size=5), st.integers(0, 9)).map(
                    lambda data: msgspec.Raw(msgspec.json.encode(data))
                ),
            ),
            max_size=4,
        )
    )
    return Update(
        draw(st.sampled_from(["trades", "health"])), draw(SYMBOLS), first, first + draw(st.integers(0, 9)), values
    )


@given(st.lists(updates(), max_size=5), NUMBERS, st.integers(0, 100), st.integers(0, 2**20), st.integers(0, 2**20))
def test_a_block_is_read_back_as_it_was(said: list[Update], first: int, more: int, floor: int, base: int) -> None:
    block = Block(3, first, first + more, floor, base, said)
    (row,) = map(read_row, rows_of(block, now=1_700_000_000.5))
    assert (row.first, row.last, row.parts) == (first, first + more, 1)
    assert (row.part.floor, row.part.base) == (floor, base)
    assert [msgspec.json.encode(update) for update in row.part.updates] == list(map(msgspec.json.encode, said))


def test_a_large_block_is_in_parts_that_dynamodb_takes_and_each_update_in_one() -> None:
    data = msgspec.Raw(msgspec.json.encode("x" * 1_000))
    said = [Update("trades", f"v:A{n}-B", n, n, [(0, 50, (n,), data)] * 50) for n in range(1, 31)]
    # An update is about 51,000 bytes, so that seven fit.
    rows = rows_of(Block(3, 7, 9, 0, 0, said), now=1_700_000_000)
    assert [row["counter"]["N"] for row in rows] == ["9", "9.001", "9.002", "9.003", "9.004"]
    assert all(len(row["data"]["B"]) <= MAX_PART_BYTES for row in rows)
    assert {row["expires"]["N"] for row in rows} == {str(1_700_000_000 + 900 + 60)}
    read = list(map(read_row, rows))
    assert [update.symbol for row in read for update in row.part.updates] == [update.symbol for update in said]
    assert [(first, last, len(parts)) for first, last, parts in whole_blocks(reversed(read))] == [(7, 9, 5)]
    assert whole_blocks(read[:-1]) == []


def test_what_zlib_cannot_make_smaller_still_fits_a_row() -> None:
    noise = random.Random(5)
    text = "".join(chr(noise.randrange(0x21, 0x7F)) for _ in range(300_000)).replace('"', "!").replace("\\", "/")
    said = [Update("trades", "v:A-B", n, n, [(0, 1, (), msgspec.Raw(msgspec.json.encode(text)))]) for n in (1, 2)]
    rows = rows_of(Block(3, 1, 2, 0, 0, said), now=0)
    assert [len(row["data"]["B"]) < 400_000 for row in rows] == [True, True]


def test_a_checkpoint_is_read_back_as_it_was() -> None:
    heads = Heads(5, 2)
    heads.reach(("trades", "v:A-B"), 9, now=1_700_000_000)
    row = checkpoint_row(3, Checkpoint(12, 11, heads), now=1_700_000_000)
    assert (row["log"], row["counter"]) == ({"S": "p3"}, {"N": "0"})
    read = read_checkpoint(row)
    assert (read.last, read.not_stored_from) == (12, 11)
    assert (read.heads.of(("trades", "v:A-B")), read.heads.of(("trades", "v:C-D"))) == (9, 5)
