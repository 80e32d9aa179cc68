"""Words of eight bytes: how kernels load them from an address, and read digits out of them.

Source of the arithmetic on eight bytes in one word: Daniel Lemire, "Quickly parsing eight digits", and Sean
Anderson, "Bit Twiddling Hacks" (zero bytes in a word). Words are little-endian, as on x86 and ARM.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tickwire.compiled import step

ONES = np.uint64(0x0101010101010101)
HIGH_BITS = np.uint64(0x8080808080808080)
ZERO_DIGITS = np.uint64(0x3030303030303030)
PAST_NINE = np.uint64(0x7676767676767676)
PAIRS = np.uint64(0x000000FF000000FF)
FIRST_PAIRS = np.uint64(100 + (1_000_000 << 32))
SECOND_PAIRS = np.uint64(1 + (10_000 << 32))
NOTHING = np.uint64(0)

TENS = np.array([10**k for k in range(19)], np.int64)


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def address_of(typing: Any, array: Any) -> Any:
    """Give the address of an array's first byte."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), build


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def load_word(typing: Any, address: Any) -> Any:
    """Give the eight bytes at an address, aligned or not, as an uint64."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        loaded = builder.load(builder.inttoptr(values[0], ir.IntType(64).as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(types.int64), build


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def load_byte(typing: Any, address: Any) -> Any:
    """Give the byte at an address as an int64."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        loaded = builder.load(builder.inttoptr(values[0], ir.IntType(8).as_pointer()))
        return builder.zext(loaded, ir.IntType(64))

    return types.int64(types.int64), build


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def first_marked(typing: Any, marks: Any) -> Any:
    """Give the place (0 to 7) of the first byte that has any bit, 8 where there is none."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        zeros = builder.cttz(values[0], ir.Constant(ir.IntType(1), 0))
        return builder.lshr(zeros, ir.Constant(ir.IntType(64), 3))

    return types.int64(types.uint64), build


@step
def eight_digits(values: Any) -> int:
    """Give the number of eight digits, whose values are the bytes of a word, the first the most significant."""
    pairs = values * np.uint64(10) + (values >> np.uint64(8))
    sums = (pairs & PAIRS) * FIRST_PAIRS + ((pairs >> np.uint64(16)) & PAIRS) * SECOND_PAIRS
    return int(np.int64(sums >> np.uint64(32)))


@step
def are_digits(values: Any) -> bool:
    """Tell whether all eight bytes of a word are below ten."""
    return bool(((values + PAST_NINE) | values) & HIGH_BITS == NOTHING)


@step
def is_digit(character: int) -> bool:
    """Tell whether a byte is one of ``0`` to ``9``."""
    return 48 <= character <= 57


@step
def some_digits(p: int) -> tuple[int, int]:
    """Give the number that the digits at ``p`` make, of eight at most, and how many there are."""
    values = load_word(p) ^ ZERO_DIGITS
    # Exact up to the first byte that is no digit: nothing carries out of a digit.
    count = first_marked(((values + PAST_NINE) | values) & HIGH_BITS)
    if count == 0:
        return 0, 0
    return eight_digits(values << np.uint64(64 - 8 * count)), count


@step
def all_digits(p: int) -> tuple[int, int]:
    """Give the number that the digits at ``p`` make, and how many there are; 19 stands for more than 18."""
    value, count = some_digits(p)
    if count < 8:
        return value, count
    more, taken = some_digits(p + 8)
    value = value * TENS[taken] + more
    if taken < 8:
        return value, 8 + taken
    more, taken = some_digits(p + 16)
    if taken > 2:
        return 0, 19
    return value * TENS[taken] + more, 16 + taken
