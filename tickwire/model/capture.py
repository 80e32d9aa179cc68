"""Rows that an endpoint was asked for, from the files of SageMaker's data capture.

A file has one JSON object a line (Amazon SageMaker AI developer guide, "Capture data from real-time endpoint"). A row
can be judged later only if its request says whose it is: the Arrow columns ``venue`` and ``symbol``, strings, and
``time``, int64, ns UTC at which its newest bar ended. Requests without them are counted, and left out.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.errors import TickwireError
from tickwire.model.arrow_bodies import CONTENT_TYPE, read_rows_stream
from tickwire.model.predictor import Float32
from tickwire.model.refused import RefusedRequest
from tickwire.model.requests import MAX_BODY_BYTES, MAX_ROWS
from tickwire.model.schema import FeatureSchema

MAX_LINE_BYTES = 3 * MAX_BODY_BYTES
"""A body as base64 with its answer and the rest of the line."""
MAX_CAPTURED_ROWS = 200_000
"""770 MB of float32: 25 instruments for 80 days."""


class TooManyRows(TickwireError, ValueError):
    """The captures hold more rows than are kept at once."""


@dataclass(frozen=True, slots=True, eq=False)
class CapturedRows:
    """n rows, each instrument's every interval once, in order of time.

    Attributes
    ----------
    instrument : ``venue:SYMBOL`` of each
    time : int64 (n,), ns UTC at which the row's newest bar ended
    rows : float32 (n, width), NaN where masked
    lines : read
    damaged : of them, those that are no captured request, or whose body cannot be read
    nameless : of them, those that do not say whose rows they have
    """

    instrument: tuple[str, ...]
    time: Int64
    rows: Float32
    lines: int
    damaged: int
    nameless: int


class _Input(msgspec.Struct, frozen=True):
    observed_content_type: str = msgspec.field(name="observedContentType")
    data: str
    encoding: str


class _Data(msgspec.Struct, frozen=True):
    endpoint_input: _Input = msgspec.field(name="endpointInput")


class _Line(msgspec.Struct, frozen=True):
    capture_data: _Data = msgspec.field(name="captureData")


class _Nameless(Exception):
    """A request does not say whose rows it has."""


def read_captures(folder: Path, *, since: int, until: int, schema: FeatureSchema) -> CapturedRows:
    """Read every capture file below a folder: the rows with ``since`` <= time < ``until``, ns UTC.

    Only rows that end with a whole interval are kept, since neighbouring minutes share nearly all of their outcome. The
    first of several captures of one row stands: both variants may have been asked.

    Raises
    ------
    TooManyRows
        If there are more than :data:`MAX_CAPTURED_ROWS`.
    """
    found: dict[tuple[int, str], Float32] = {}
    lines = damaged = nameless = 0
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open("rb") as file:
            for line in _lines(file):
                lines += 1
                try:
                    names, times, rows = _read_line(line, schema)
                except _Nameless:
                    nameless += 1
                    continue
                except (msgspec.DecodeError, binascii.Error, RefusedRequest, ValueError):
                    damaged += 1
                    continue
                for place in np.flatnonzero(_wanted(times, since, until, schema)).tolist():
                    # A copy, or every kept row would keep its whole request.
                    found.setdefault((int(times[place]), names[place]), rows[place].copy())
                if len(found) > MAX_CAPTURED_ROWS:
                    raise TooManyRows(f"the captures hold more than {MAX_CAPTURED_ROWS} rows: judge fewer days")
    keys = sorted(found)
    return CapturedRows(
        instrument=tuple(name for _, name in keys),
        time=np.array([time for time, _ in keys], np.int64),
        rows=np.array([found[key] for key in keys], np.float32).reshape(len(keys), schema.width),
        lines=lines,
        damaged=damaged,
        nameless=nameless,
    )


def _wanted(times: Int64, since: int, until: int, schema: FeatureSchema) -> npt.NDArray[np.bool_]:
    wanted: npt.NDArray[np.bool_] = (
        (times >= since) & (times < until) & (times % (schema.interval * 1_000_000_000) == 0)
    )
    return wanted


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Give each line; one that is too long is given as nothing, which no reader takes."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) <= MAX_LINE_BYTES:
            if line.strip():
                yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield b""


def _read_line(line: bytes, schema: FeatureSchema) -> tuple[list[str], Int64, Float32]:
    given = msgspec.json.decode(line, type=_Line).capture_data.endpoint_input
    if given.observed_content_type.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise _Nameless
    if given.encoding != "BASE64":
        raise ValueError(f"an Arrow body as {given.encoding}")
    body = base64.b64decode(given.data, validate=True)
    rows, _ = read_rows_stream(body, schema=schema, max_rows=MAX_ROWS)
    return *_names(body), rows


def _names(body: bytes) -> tuple[list[str], Int64]:
    import pyarrow as pa

    with pa.ipc.open_stream(body) as stream:
        batch = stream.read_next_batch()
    types = {"venue": pa.string(), "symbol": pa.string(), "time": pa.int64()}
    for name, kind in types.items():
        place = batch.schema.get_field_index(name)
        if place < 0 or batch.schema.field(place).type != kind or batch.column(place).null_count:
            raise _Nameless
    venues, symbols = (batch.column(name).to_pylist() for name in ("venue", "symbol"))
    names = [f"{venue}:{symbol}" for venue, symbol in zip(venues, symbols, strict=True)]
    return names, batch.column("time").to_numpy()
