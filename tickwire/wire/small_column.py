"""An int8 column, such as the sides of trades: mostly one value or two.

Layout: a byte 0 to 15 is the value of all rows; 16 is followed by their one value; 17 by two values and a bit a row
that says which; 18 by all values as they are; 19 by a chunk of pcodec, after its length in 4 bytes.
"""

import struct

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int8
from tickwire.errors import DamagedRecord
from tickwire.wire.entropy import pack_numbers, unpack_numbers

_VALUE, _BITS, _PLAIN, _CHUNK = 16, 17, 18, 19
_LENGTH = struct.Struct("<BI")
_CHUNK_FROM = 64


def pack_small(values: Int8) -> bytes:
    """Give the bytes of int8 (n,), n above 0."""
    low, high = int(values.min()), int(values.max())
    if low == high:
        return bytes((low,)) if 0 <= low < _VALUE else bytes((_VALUE, low & 255))
    upper = values == high
    if (upper | (values == low)).all():
        return bytes((_BITS, low & 255, high & 255)) + np.packbits(upper, bitorder="little").tobytes()
    if len(values) >= _CHUNK_FROM:
        _, chunk = pack_numbers(values.astype(np.int64), low=low, high=high)
        if len(chunk) + _LENGTH.size <= len(values):
            return _LENGTH.pack(_CHUNK, len(chunk)) + chunk
    return bytes((_PLAIN,)) + values.tobytes()


def unpack_small(data: npt.NDArray[np.uint8], count: int) -> tuple[Int8, int]:
    """Read ``count`` values from the start of ``data``: int8 (count,), and how many bytes they took.

    Raises
    ------
    DamagedRecord
        If ``data`` does not begin with such a column.
    """
    form = int(data[0]) if len(data) else _CHUNK + 1
    if form < _VALUE:
        return np.full(count, form, np.int8), 1
    body = data[1:]
    size = {_VALUE: 1, _BITS: 2 + (count + 7) // 8, _PLAIN: count, _CHUNK: 4}.get(form)
    if size is not None and form == _CHUNK and len(body) >= 4:
        size += int.from_bytes(body[:4].tobytes(), "little")
    if size is None or len(body) < size:
        raise DamagedRecord(f"a column of form {form} in {len(data)} bytes")
    if form == _VALUE:
        return np.full(count, body[0].view(np.int8), np.int8), 1 + size
    if form == _BITS:
        low, high = body[:2].view(np.int8)
        upper = np.unpackbits(body[2:size], count=count, bitorder="little")
        return np.where(upper, high, low), 1 + size
    if form == _PLAIN:
        return body[:size].view(np.int8).copy(), 1 + size
    numbers = unpack_numbers(body[4:size].tobytes(), 0, count)
    values = numbers.astype(np.int8)
    if not np.array_equal(values, numbers):
        raise DamagedRecord("a column holds numbers that are no int8")
    return values, 1 + size
