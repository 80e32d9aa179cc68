"""Zigzag LEB128 numbers, a whole array at a time.

Zigzag (0, -1, 1, -2 … become 0, 1, 2, 3 …) and base-128 bytes with a continuation bit are those of
Protocol Buffers' ``sint64`` (https://protobuf.dev/programming-guides/encoding/).
"""

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.errors import DamagedRecord

_MAX_BYTES = 10
_SHIFTS = np.arange(0, 7 * _MAX_BYTES, 7, dtype=np.uint64)
_ONE = np.uint64(1)


def encode_varints(values: Int64) -> bytes:
    """Give the bytes of int64 (n,), 1 to 10 each."""
    zigzag = ((values << 1) ^ (values >> 63)).view(np.uint64)
    # A row a number: what is left of it as each of its bytes is written.
    left = zigzag[:, np.newaxis] >> _SHIFTS
    septets = left.astype(np.uint8)
    septets |= 128
    written = left > 0
    written[:, 0] = True
    septets[np.arange(len(values)), written.sum(axis=1) - 1] &= 127
    return septets[written].tobytes()


def decode_varints(data: npt.NDArray[np.uint8], count: int) -> tuple[Int64, int]:
    """Read ``count`` numbers from the start of ``data``: int64 (count,), and the bytes they take.

    Raises
    ------
    DamagedRecord
        If ``data`` holds fewer, or one that is longer than an int64.
    """
    window = data[: _MAX_BYTES * count]
    ends = (window < 128).nonzero()[0][:count]
    if len(ends) < count:
        raise DamagedRecord(f"{len(ends)} whole numbers of {count}")
    starts = np.zeros(count, np.int64)
    np.add(ends[:-1], 1, out=starts[1:])
    size = int(ends[-1]) + 1 if count else 0
    places = np.arange(size) - starts.repeat(ends - starts + 1)
    if size and places.max() >= _MAX_BYTES:
        raise DamagedRecord("a number is longer than 64 bits")
    septets = (window[:size] & 127).astype(np.uint64)
    septets <<= _SHIFTS[places]
    zigzag = np.bitwise_or.reduceat(septets, starts) if count else septets
    return (zigzag >> _ONE).view(np.int64) ^ -(zigzag & _ONE).view(np.int64), size
