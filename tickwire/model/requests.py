"""What a client may ask of a model: rows as JSON or as CSV, and the answer as JSON. Pure.

JSON, ``application/json``::

    {"schema": "0123456789abcdef", "rows": [[0.1, …], …]}

``schema`` is :attr:`FeatureSchema.digest` as the client knows it. CSV, ``text/csv``: a header of
:attr:`FeatureSchema.columns`, then a line a row. So either way rows that were made for another
model are refused, and not answered.
"""

import csv
import io
from typing import Annotated

import msgspec
import numpy as np

from tickwire.errors import TickwireError
from tickwire.model.predictor import Float32
from tickwire.model.schema import FeatureSchema, ModelDescription

MAX_BODY_BYTES = 1024 * 1024
MAX_ROWS = 1024


class RefusedRequest(TickwireError, ValueError):
    """A request that is the client's to mend.

    Attributes
    ----------
    status : the HTTP status, 400 to 499
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: str
    rows: Annotated[list[list[float]], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


class _Prediction(msgspec.Struct, frozen=True):
    probability: float


class _Model(msgspec.Struct, frozen=True):
    name: str
    version: str


class _Answer(msgspec.Struct, frozen=True):
    model: _Model
    schema: str
    predictions: list[_Prediction]


def read_rows(content_type: str, body: bytes, *, schema: FeatureSchema) -> Float32:
    """Read the rows of a request: float32 (n, width), n from 1 to :data:`MAX_ROWS`, all finite.

    Raises
    ------
    RefusedRequest
        400 if the body cannot be read, 409 if it was made for another schema, 413 if it is too
        large, 415 if it is neither JSON nor CSV.
    """
    if len(body) > MAX_BODY_BYTES:
        raise RefusedRequest(413, f"a request has at most {MAX_BODY_BYTES} bytes")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        rows = _json_rows(body, schema)
    elif kind == "text/csv":
        rows = _csv_rows(body, schema)
    else:
        raise RefusedRequest(415, f"content type {content_type!r}: there are application/json and text/csv")
    for number, row in enumerate(rows):
        if len(row) != schema.width:
            raise RefusedRequest(400, f"row {number} has {len(row)} numbers and not {schema.width}")
    with np.errstate(over="ignore"):
        matrix = np.asarray(rows, np.float64).astype(np.float32)
    unusable = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(unusable):
        raise RefusedRequest(400, f"row {unusable[0]} has a number that is not finite")
    return matrix


def write_answer(probabilities: Float32, *, model: ModelDescription) -> bytes:
    """Give the answer's JSON: which model answered, and a probability a row, in the rows' order."""
    predictions = [_Prediction(probability) for probability in probabilities.tolist()]
    return msgspec.json.encode(_Answer(_Model(model.name, model.version), model.digest, predictions))


def _json_rows(body: bytes, schema: FeatureSchema) -> list[list[float]]:
    try:
        request = msgspec.json.decode(body, type=_Rows)
    except msgspec.DecodeError as error:
        raise RefusedRequest(400, str(error)) from error
    if request.schema != schema.digest:
        raise RefusedRequest(409, f"rows of schema {request.schema!r}, and the model's is {schema.digest!r}")
    return request.rows


def _csv_rows(body: bytes, schema: FeatureSchema) -> list[list[float]]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode()), strict=True))
        header, rows = lines[0] if lines else [], [[float(text) for text in line] for line in lines[1:]]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise RefusedRequest(400, f"unreadable CSV: {error}") from error
    if tuple(header) != schema.columns:
        raise RefusedRequest(409, f"the CSV's header must be {','.join(schema.columns)}")
    if not 1 <= len(rows) <= MAX_ROWS:
        raise RefusedRequest(400, f"{len(rows)} rows, and a request has 1 to {MAX_ROWS}")
    return rows
