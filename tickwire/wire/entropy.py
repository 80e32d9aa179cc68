"""Many numbers of one distribution, by pcodec's wrapped format: bins and offsets, no deltas of its own.

What is packed are differences already (see ``matrix``), whole multiples of the smallest unit, so
pcodec need not look for either, which takes it longer than the rest. The narrowest type that holds the numbers
is used: a bin's bounds are written in it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig, DeltaSpec, ModeSpec
from pcodec.wrapped import FileCompressor, FileDecompressor

from tickwire.columns import Int64
from tickwire.errors import DamagedRecord

HEADER = b"\x04\x01"
"""Pcodec's version of its format, which would head a file of it; part of the envelope's version here."""

TYPES: tuple[type[np.signedinteger[Any]], ...] = (np.int16, np.int32, np.int64)
_NAMES = ("i16", "i32", "i64")
_RANGES = [(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) for dtype in TYPES]
_COMPRESSOR = FileCompressor()
_DECOMPRESSOR = FileDecompressor.new(HEADER)[0]
_CONFIG = ChunkConfig(compression_level=6, mode_spec=ModeSpec.classic(), delta_spec=DeltaSpec.no_op())


def pack_numbers(values: Int64, *, low: int, high: int) -> tuple[int, bytes]:
    """Give the place in :data:`TYPES` of the type used, and the bytes; ``low`` and ``high`` bound the values."""
    kind = next(k for k, (least, most) in enumerate(_RANGES) if least <= low and high <= most)
    chunk = _COMPRESSOR.chunk_compressor(np.ascontiguousarray(values, TYPES[kind]), _CONFIG)
    return kind, chunk.write_meta() + chunk.write_page(0)


def unpack_numbers(data: bytes, kind: int, count: int) -> npt.NDArray[np.signedinteger[Any]]:
    """Give the ``count`` numbers of ``data``, in their type.

    Raises
    ------
    DamagedRecord
        If ``data`` is not exactly that.
    """
    values = np.empty(count, TYPES[kind])
    try:
        chunk, size = _DECOMPRESSOR.chunk_decompressor(data, _NAMES[kind])
        progress, read = chunk.read_page_into(data[size:], count, values)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DamagedRecord(f"unreadable numbers: {error}") from error
    if progress.n_processed != count or size + read != len(data):
        raise DamagedRecord(f"{progress.n_processed} numbers in {size + read} bytes, not {count} in {len(data)}")
    return values
