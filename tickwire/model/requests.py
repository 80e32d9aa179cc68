"""What a client may ask of a model: rows as JSON, CSV or Arrow, and the answer as JSON or Arrow. Pure.

JSON, ``application/json``, null where masked::

    {"schema": "0123456789abcdef", "rows": [[0.1, null, …], …], "explain": false}

``schema`` is :attr:`FeatureSchema.digest` as the client knows it. CSV, ``text/csv``: a header of
:attr:`FeatureSchema.columns`, then a line a row, nothing between two commas where masked. Arrow:
:mod:`tickwire.model.arrow_bodies`. So either way rows that were made for another model are refused, and not answered.
"""

import csv
import io
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from tickwire.model import arrow_bodies
from tickwire.model.explanation import Explanation
from tickwire.model.predictor import Float32
from tickwire.model.refused import RefusedRequest
from tickwire.model.schema import FeatureSchema, ModelDescription

MAX_BODY_BYTES = 6 * 1024 * 1024
"""1,024 rows as Arrow take 4 MB; as JSON some 600 rows have room."""
MAX_ROWS = 1024
MAX_EXPLAINED_ROWS = 16
"""Each is answered 190 times over."""

JSON, CSV, ARROW = "application/json", "text/csv", arrow_bodies.CONTENT_TYPE


@dataclass(frozen=True, slots=True, eq=False)
class RowsRequest:
    """Rows, float32 (n, width), n from 1 to :data:`MAX_ROWS`, NaN where masked, and whether to explain the answers."""

    rows: Float32
    explain: bool = False


class _Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: str
    rows: Annotated[list[list[float | None]], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]
    explain: bool = False


class _Explained(msgspec.Struct, frozen=True):
    base: float
    contributions: dict[str, float]
    bars: list[float]


class _Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    probability: float
    explanation: _Explained | None = None


class _Model(msgspec.Struct, frozen=True):
    name: str
    version: str


class _Answer(msgspec.Struct, frozen=True):
    model: _Model
    schema: str
    predictions: list[_Prediction]


def read_request(content_type: str, body: bytes, *, schema: FeatureSchema) -> RowsRequest:
    """Read a request.

    Raises
    ------
    RefusedRequest
        400 if the body cannot be read, 409 if it was made for another schema, 413 if it is too
        large, 415 if it is none of the three.
    """
    if len(body) > MAX_BODY_BYTES:
        raise RefusedRequest(413, f"a request has at most {MAX_BODY_BYTES} bytes")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == ARROW:
        request = RowsRequest(*arrow_bodies.read_rows_stream(body, schema=schema, max_rows=MAX_ROWS))
    elif kind == JSON:
        request = _json_request(body, schema)
    elif kind == CSV:
        request = RowsRequest(_matrix(_csv_rows(body, schema), schema))
    else:
        raise RefusedRequest(415, f"content type {content_type!r}: there are {JSON}, {CSV} and {ARROW}")
    unusable = np.flatnonzero(np.isinf(request.rows).any(axis=1))
    if len(unusable):
        raise RefusedRequest(400, f"row {unusable[0]} has a number that is not finite")
    if request.explain and len(request.rows) > MAX_EXPLAINED_ROWS:
        raise RefusedRequest(413, f"at most {MAX_EXPLAINED_ROWS} rows are explained at once")
    return request


def check_accept(accept: str, *, explain: bool) -> None:
    """Refuse what no answer can be.

    Raises
    ------
    RefusedRequest
        406 if explanations are wanted as Arrow.
    """
    if explain and _wants_arrow(accept):
        raise RefusedRequest(406, f"explanations come as {JSON} alone")


def write_answer(
    probabilities: Float32, *, model: ModelDescription, accept: str = JSON, explanation: Explanation | None = None
) -> tuple[str, bytes]:
    """Give the answer's content type and body: which model answered, and a probability a row, in the rows' order.

    ``accept`` passed :func:`check_accept`.
    """
    if _wants_arrow(accept):
        return ARROW, arrow_bodies.answer_stream(probabilities, model=model)
    predictions = [_Prediction(probability) for probability in probabilities.tolist()]
    if explanation is not None:
        names = model.schema.names
        predictions = [
            _Prediction(one.probability, _Explained(explanation.base, dict(zip(names, row, strict=True)), bars))
            for one, row, bars in zip(
                predictions, explanation.contributions.tolist(), explanation.bars.tolist(), strict=True
            )
        ]
    return JSON, msgspec.json.encode(_Answer(_Model(model.name, model.version), model.digest, predictions))


def _wants_arrow(accept: str) -> bool:
    """Say whether Arrow is named before JSON, or alone."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    return next((kind == ARROW for kind in kinds if kind in (ARROW, JSON)), False)


def _json_request(body: bytes, schema: FeatureSchema) -> RowsRequest:
    try:
        request = msgspec.json.decode(body, type=_Rows)
    except msgspec.DecodeError as error:
        raise RefusedRequest(400, str(error)) from error
    if request.schema != schema.digest:
        raise RefusedRequest(409, f"rows of schema {request.schema!r}, and the model's is {schema.digest!r}")
    return RowsRequest(_matrix(request.rows, schema), request.explain)


def _csv_rows(body: bytes, schema: FeatureSchema) -> list[list[float | None]]:
    try:
        lines = list(csv.reader(io.StringIO(body.decode()), strict=True))
        header = lines[0] if lines else []
        rows = [[float(text) if text else None for text in line] for line in lines[1:]]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise RefusedRequest(400, f"unreadable CSV: {error}") from error
    if tuple(header) != schema.columns:
        raise RefusedRequest(409, f"the CSV's header must be {schema.columns[0]}, {schema.columns[1]}, …")
    if not 1 <= len(rows) <= MAX_ROWS:
        raise RefusedRequest(400, f"{len(rows)} rows, and a request has 1 to {MAX_ROWS}")
    return rows


def _matrix(rows: list[list[float | None]], schema: FeatureSchema) -> Float32:
    for number, row in enumerate(rows):
        if len(row) != schema.width:
            raise RefusedRequest(400, f"row {number} has {len(row)} numbers and not {schema.width}")
    with np.errstate(over="ignore"):
        # None becomes NaN.
        return np.asarray(rows, np.float64).astype(np.float32)
