"""Powers of ten that all numbers of an instrument share: its tick and lot, a venue's clock of whole milliseconds."""

import numpy as np

from tickwire.columns import Int64

MAX_EXPONENT = 15
"""What fits four bits."""
POWERS = np.array([10**exponent for exponent in range(MAX_EXPONENT + 1)], np.int64)

_SAMPLE = 64


def divide_out(numbers: Int64, starts: Int64, counts: Int64) -> Int64:
    """Divide each row's numbers of each segment by the largest power of ten that divides all of them, in place.

    Parameters
    ----------
    numbers : int64 (rows, n)
    starts, counts : int64 (segments,), where each segment begins, and its length, at least 1

    Returns
    -------
    int64 (rows, segments), the exponents, 0 to 15; 0 where all numbers are 0
    """
    if len(starts) == 1 and numbers.shape[1] > _SAMPLE:
        return _divide_single(numbers)
    exponents = _zeros(np.gcd.reduceat(numbers, starts, axis=1))
    for row in np.flatnonzero(exponents.any(axis=1)):
        numbers[row] //= POWERS[exponents[row]].repeat(counts)
    return exponents


def _divide_single(numbers: Int64) -> Int64:
    # A few numbers tell nearly always. The division has to be done anyway, and proves it.
    exponents = _zeros(np.gcd.reduce(numbers[:, :: 1 + numbers.shape[1] // _SAMPLE], axis=1))
    for row in np.flatnonzero(exponents):
        power = POWERS[exponents[row]]
        quotients = numbers[row] // power
        if not np.array_equal(quotients * power, numbers[row]):
            exponents[row] = _zeros(np.gcd.reduce(numbers[row]))
            quotients = numbers[row] // POWERS[exponents[row]]
        numbers[row] = quotients
    return exponents[:, np.newaxis]


def _zeros(numbers: Int64) -> Int64:
    """Give how many zeros the decimals end in, at most 15."""
    zeros: Int64 = np.where(numbers == 0, 0, (numbers[..., np.newaxis] % POWERS[1:] == 0).sum(axis=-1))
    return zeros
