"""Rows as CSV (RFC 4180) and as an Arrow IPC stream, for programmes that read many."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import nanoarrow
from nanoarrow import ipc

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"

_TYPES = {int: nanoarrow.int64, bool: nanoarrow.bool_, str: nanoarrow.string}


def as_csv(row_type: Any, rows: Sequence[tuple[Any, ...]]) -> str:
    """Give rows of a NamedTuple with a line of its field names before them."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(row_type._fields)
    # As JSON writes them, so that all formats read the same.
    writer.writerows([str(value).lower() if isinstance(value, bool) else value for value in row] for row in rows)
    return text.getvalue()


def as_arrow(row_type: Any, rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Give rows of a NamedTuple as one record batch; decimals stay text, which is exact at any scale."""
    types = [_TYPES[kind] for kind in row_type.__annotations__.values()]
    schema = nanoarrow.struct({name: kind() for name, kind in zip(row_type._fields, types, strict=True)})
    columns = [nanoarrow.Array([row[index] for row in rows], kind()) for index, kind in enumerate(types)]
    batch = nanoarrow.c_array_from_buffers(schema, len(rows), [None], children=columns)
    stream = io.BytesIO()
    with ipc.StreamWriter.from_writable(stream) as writer:
        writer.write_stream(nanoarrow.ArrayStream(nanoarrow.Array(batch)))
    return stream.getvalue()
