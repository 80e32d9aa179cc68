"""A small kernel, with a constant, an enumeration, a table and a function that it calls."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from tickwire.compiled import kernel, step

FACTOR = 3
TABLE = np.array([0, 1])


class Kind(IntEnum):
    DOUBLE = 2


def scaled_by(value: int) -> int:
    return value * FACTOR


scaled_by = step(scaled_by)


@step
def scaled(value: int) -> int:
    return scaled_by(value) + (Kind.DOUBLE - 2) * value + TABLE[0]


@kernel("int64(int64[::1])")
def add_up(values: npt.NDArray[np.int64]) -> int:
    total = 0
    for value in values:
        total += scaled(value)
    return total
