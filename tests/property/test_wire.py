"""Varints against plain Python, and packed columns of any numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tickwire.wire.small_column import pack_small, unpack_small
from tickwire.wire.units import divide_out
from tickwire.wire.varint import decode_varints, encode_varints

_INT64 = st.integers(-(2**63), 2**63 - 1)
_NUMBERS = st.one_of(
    _INT64, st.integers(-200, 200), st.builds(lambda n, e: n * 10**e, st.integers(-99, 99), st.integers(0, 15))
)


def _reference(numbers: list[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        zigzag = (number << 1) ^ (number >> 63)
        while zigzag > 127:
            out.append(zigzag & 127 | 128)
            zigzag >>= 7
        out.append(zigzag)
    return bytes(out)


@given(st.lists(_NUMBERS), st.binary(max_size=20))
def test_varints_are_those_of_plain_python_and_come_back_whatever_follows(numbers, tail):
    data = encode_varints(np.array(numbers, np.int64))
    assert data == _reference(numbers)
    again, size = decode_varints(np.frombuffer(data + tail, np.uint8), len(numbers))
    assert (again.tolist(), size) == (numbers, len(data))


@given(st.lists(st.lists(_NUMBERS, min_size=1, max_size=90), min_size=1, max_size=4))
def test_units_divide_all_numbers_of_a_segment_and_nothing_larger_does(segments):
    counts = np.array([len(segment) for segment in segments])
    numbers = [number for segment in segments for number in segment]
    divided = np.array([numbers])
    exponents = divide_out(divided, counts.cumsum() - counts, counts)[0].tolist()
    powers = np.repeat([10**exponent for exponent in exponents], counts)
    assert (divided[0].astype(object) * powers).tolist() == numbers
    for segment, exponent in zip(segments, exponents, strict=True):
        if any(segment) and exponent < 15:
            assert any(number % 10 ** (exponent + 1) for number in segment)


@given(
    st.one_of(
        *(
            st.lists(st.sampled_from(values), min_size=1, max_size=300)
            for values in ([1], [1, 2], [0, 0, 0, 2, 4], range(-128, 128))
        )
    )
)
def test_any_small_column_comes_back(values):
    column = np.array(values, np.int8)
    data = pack_small(column)
    assert len(data) <= len(values) + 2
    again, size = unpack_small(np.frombuffer(data + b"tail", np.uint8), len(values))
    assert np.array_equal(again, column)
    assert size == len(data)
