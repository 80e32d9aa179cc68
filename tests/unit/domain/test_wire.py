"""The parts of a record's bytes, against bytes and numbers worked by hand."""

import numpy as np
import pytest
from pcodec.wrapped import FileCompressor

from tickwire.errors import DamagedRecord
from tickwire.symbols import Instrument
from tickwire.wire.entropy import HEADER, pack_numbers, unpack_numbers
from tickwire.wire.matrix import CHUNK_FROM, GROUP_FROM, Layout, pack_matrix, unpack_matrix
from tickwire.wire.small_column import pack_small, unpack_small
from tickwire.wire.table import from_table, to_table
from tickwire.wire.units import divide_out
from tickwire.wire.varint import decode_varints, encode_varints

TRADES = Layout(columns=("size", "trade_id", "price", "exchange_time", "receive_time"), steps_from=1)


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


# The zigzag pairs and the bytes of 150 are the examples of Protocol Buffers' "Encoding" page.
@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, b"\x00"),
        (-1, b"\x01"),
        (1, b"\x02"),
        (-2, b"\x03"),
        (75, b"\x96\x01"),  # zigzag 150
        (0x7FFFFFFF, b"\xfe\xff\xff\xff\x0f"),
        (-0x80000000, b"\xff\xff\xff\xff\x0f"),
        (2**63 - 1, b"\xfe" + b"\xff" * 8 + b"\x01"),
        (-(2**63), b"\xff" * 9 + b"\x01"),
    ],
)
def test_a_varint_has_the_bytes_of_protocol_buffers(number, written):
    assert encode_varints(np.array([number])) == written
    values, size = decode_varints(_bytes(written + b"\x05tail"), 1)
    assert (values.tolist(), size) == ([number], len(written))


def test_no_varints_take_no_bytes():
    assert encode_varints(np.empty(0, np.int64)) == b""
    values, size = decode_varints(_bytes(b"\x05"), 0)
    assert (values.tolist(), size) == ([], 0)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x00\x80", b"\xff" * 10 + b"\x01\x00"])
def test_varints_that_are_cut_short_or_too_long_are_refused(data):
    with pytest.raises(DamagedRecord):
        decode_varints(_bytes(data), 2)


def test_the_numbers_of_a_segment_are_divided_by_the_power_of_ten_that_they_share():
    numbers = np.array([[1_000, 25_000, 7, 70], [0, 0, 10**16, 0], [-500, 100, -(2**63), 0]])
    exponents = divide_out(numbers, np.array([0, 2]), np.array([2, 2]))
    assert exponents.tolist() == [[3, 0], [0, 15], [2, 0]]
    assert numbers.tolist() == [[1, 25, 7, 70], [0, 0, 10, 0], [-5, 1, -(2**63), 0]]


def test_one_odd_number_among_many_is_seen():
    numbers = np.full((2, 5_000), 3_000_000)
    numbers[0, 4_321] = 3_000_100
    assert divide_out(numbers, np.array([0]), np.array([5_000])).tolist() == [[2], [6]]
    assert numbers[0, [0, 4_321]].tolist() == [30_000, 30_001]
    assert set(numbers[1].tolist()) == {3}


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([1, 1, 1], b"\x01"),
        ([0], b"\x00"),
        ([15, 15], b"\x0f"),
        ([16, 16], b"\x10\x10"),
        ([-1, -1], b"\x10\xff"),
        ([1, 2, 2, 1, 2, 1, 1, 1, 2], b"\x11\x01\x02\x16\x01"),  # bits from the lowest: 01101000, 1
        ([-128, 127], b"\x11\x80\x7f\x02"),
        ([0, 1, 2], b"\x12\x00\x01\x02"),
    ],
)
def test_a_small_column_has_the_documented_bytes(values, written):
    column = np.array(values, np.int8)
    assert pack_small(column) == written
    again, size = unpack_small(_bytes(written + b"tail"), len(values))
    assert (again.tolist(), again.dtype, size) == (values, np.int8, len(written))
    assert again.flags.writeable


def test_a_small_column_of_rare_values_is_packed_by_its_distribution():
    column = np.zeros(4_000, np.int8)
    column[::500], column[::700] = 2, -4
    written = pack_small(column)
    assert len(written) < 200
    again, size = unpack_small(_bytes(written), 4_000)
    assert np.array_equal(again, column)
    assert size == len(written)


@pytest.mark.parametrize(
    "data", [b"", b"\x10", b"\x11\x01", b"\x11\x01\x02", b"\x12\x01", b"\x13\x01", b"\x14", b"\xff"]
)
def test_a_small_column_that_is_cut_short_or_unknown_is_refused(data):
    with pytest.raises(DamagedRecord):
        unpack_small(_bytes(data), 9)


def test_a_small_column_of_numbers_that_are_too_large_is_refused():
    _, chunk = pack_numbers(np.array([0, 300] * 50), low=0, high=300)
    with pytest.raises(DamagedRecord, match="no int8"):
        unpack_small(_bytes(b"\x13" + len(chunk).to_bytes(4, "little") + chunk), 100)


def test_the_format_of_pcodec_is_the_one_that_this_version_of_the_envelope_means():
    assert FileCompressor().write_header() == HEADER


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([-(2**15), 2**15 - 1], 0),
        ([0, 2**15], 1),
        ([-(2**31), 2**31 - 1], 1),
        ([0, 2**31], 2),
        ([-(2**63), 2**63 - 1], 2),
    ],
)
def test_numbers_are_packed_in_the_narrowest_type_that_holds_them(values, kind):
    used, chunk = pack_numbers(np.array(values * 40), low=min(values), high=max(values))
    assert used == kind
    assert unpack_numbers(chunk, kind, 80).tolist() == values * 40
    for damaged in (chunk[:-1], chunk + b"\0", b""):
        with pytest.raises(DamagedRecord):
            unpack_numbers(damaged, kind, 80)


def test_an_instrument_is_told_by_what_is_new_about_it():
    instruments = (
        Instrument("binance", "BTC-USDT", 8, 8),
        Instrument("binance", "ETH-USDT", 8, 8),
        Instrument("binance", "PEPE-USDT", 14, 5),
        Instrument("kraken", "PEPE-USD", 14, 5),
        Instrument("kraken", "BTC-USD", 8, 8),
    )
    table = (
        ("BTC-USDT", "binance"),
        "ETH-USDT",
        ("PEPE-USDT", "binance", 14, 5),
        ("PEPE-USD", "kraken"),
        ("BTC-USD", "kraken", 8, 8),
    )
    assert to_table(instruments) == table
    assert from_table(table) == instruments


def test_a_single_trade_has_the_documented_bytes():
    trade = [317_000, 6_486_989_273, 6_168_599_000_000, 1_723_161_254_000_000_000, 1_723_161_252_730_000_000]
    # 317 x 10^3, 6486989273, 6168599 x 10^6, 1 s after `near` in units of 10^9, and -1.27 s from there, -127 x 10^7.
    near = 1_723_161_253_000_000_000
    expected = b"".join(
        (
            b"\x01",  # receive times are distances
            b"\x03\x96\x07",  # exponents 3, 0, 6, 9, 7, the lower nibble first
            *(_varint(n) for n in (317, 6_486_989_273, 6_168_599, 1, -127)),
        )
    )
    rows = np.array(trade)[:, np.newaxis]
    assert pack_matrix(rows, np.array([1]), TRADES, near=near) == expected
    assert unpack_matrix(_bytes(expected), np.array([1]), TRADES, near=near).tolist() == rows.tolist()


def test_the_trades_of_two_instruments_have_the_documented_bytes():
    rows = np.array(
        [
            [5, 5, 70, 80, 70],  # size
            [11, 12, 1, 2, 3],  # trade id
            [300, 300, 9, 8, 9],  # price
            [10_000, 12_000, 10_500, 10_500, 10_600],  # exchange time
            [0, 0, 0, 0, 0],  # receive time
        ]
    )
    numbers = [5, 7, 11, 1, 3, 9]  # first rows: sizes, ids, prices,
    numbers += [10, 105 - 100, 0, 0]  # the second one's exchange time relative to the first one's, receive times
    numbers += [5, 8, 7, 1, 0, -1, 1, 2, 0, 1, 0]
    head = (
        b"\x00",  # receive times by themselves
        b"\x10\x00\x02\x23\x00",  # exponents: sizes 0, 1; ids 0, 0; prices 2, 0; times 3, 2; 0, 0
        b"\x01\x11\x00",  # sizes varints; ids all one step; prices, exchange times varints; receive times one step
    )
    expected = b"".join((*head, *map(_varint, numbers)))
    assert pack_matrix(rows, np.array([2, 3]), TRADES, near=0) == expected
    assert unpack_matrix(_bytes(expected), np.array([2, 3]), TRADES, near=0).tolist() == rows.tolist()


@pytest.mark.parametrize("count", [1, 2, CHUNK_FROM, CHUNK_FROM + 1, GROUP_FROM - 1, GROUP_FROM, GROUP_FROM + 1])
@pytest.mark.parametrize("others", [[], [1], [3], [60], [GROUP_FROM], [1, GROUP_FROM, 5]])
def test_instruments_of_few_and_of_many_rows_come_back_together(count, others):
    counts = np.array([*others, count])
    random = np.random.default_rng(count)
    rows = random.integers(-(2**63), 2**63 - 1, (5, counts.sum())) >> random.integers(0, 60, (5, 1))
    data = pack_matrix(rows, counts, TRADES, near=7)
    assert np.array_equal(unpack_matrix(_bytes(data), counts, TRADES, near=7), rows)
    for damaged in (data[:-1], data + b"\0", data[:1], b"", b"\x02" + data[1:]):
        with pytest.raises(DamagedRecord):
            unpack_matrix(_bytes(damaged), counts, TRADES, near=7)


def test_ticks_lots_and_clocks_of_each_instrument_are_found():
    """Bits that a tick or a whole millisecond leaves empty cost nothing, also where another instrument needs them."""
    random = np.random.default_rng(1)
    steps = random.integers(0, 2, (5, 4_000))
    coarse = np.cumsum(steps, axis=1) * np.array([[1], [1], [10**6], [10**9], [10**9]])
    fine = np.cumsum(steps, axis=1)
    counts = np.array([4_000, 4_000])
    sizes = [len(pack_matrix(np.hstack((first, fine)), counts, TRADES, near=0)) for first in (coarse, fine)]
    assert sizes[0] < sizes[1] + 40


def _varint(number: int) -> bytes:
    zigzag = number << 1 if number >= 0 else -(number << 1) - 1
    out = bytearray()
    while zigzag > 127:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    return bytes((*out, zigzag))
