"""What training saw, as ``reference.json`` beside the model: what drift is measured against, and what explanations
compare a row with."""

import math
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from tickwire.features import Float64
from tickwire.model.rows import LabelledRows
from tickwire.model.schema import FeatureSchema, UnfitModel

REFERENCE_FILE = "reference.json"

_PERCENT = np.arange(101) / 100
# The medians of so many windows are those of all of them to a few percent of a standard deviation.
_MAX_WINDOWS = 8_192

Numbers = npt.NDArray[np.floating[Any]]


class Distribution(msgspec.Struct, frozen=True):
    """How n values were spread.

    Attributes
    ----------
    quantiles : 101, from 0 % to 100 %, of the values that are there; none where all are masked
    absent : share of the n that is masked
    count : n
    """

    quantiles: tuple[float, ...]
    absent: Annotated[float, msgspec.Meta(ge=0, le=1)]
    count: Annotated[int, msgspec.Meta(ge=1)]


class Reference(msgspec.Struct, frozen=True):
    """``reference.json``.

    Attributes
    ----------
    features : of the newest bar of each row, by the feature's name
    probability : what the model answered to those rows
    background : a row of the schema's width: the median of each of its numbers; None where it was always masked
    """

    features: dict[str, Distribution]
    probability: Distribution
    background: tuple[float | None, ...]

    def background_row(self) -> npt.NDArray[np.float32]:
        """Give the background as models take it: float32 (width,), NaN where it was always masked."""
        return np.array([math.nan if value is None else value for value in self.background], np.float32)


def distribution_of(values: Numbers) -> Distribution:
    """Describe n values, float (n,), NaN where masked; the quantiles are interpolated linearly.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not len(values):
        raise ValueError("no values to describe")
    there = values[np.isfinite(values)].astype(np.float64)
    quantiles = tuple(np.quantile(there, _PERCENT).tolist()) if len(there) else ()
    return Distribution(quantiles, 1 - len(there) / len(values), len(values))


def reference_of(rows: LabelledRows, probability: Float64, *, schema: FeatureSchema) -> Reference:
    """Describe the n rows that a model has learnt from, and its answers to them, float64 (n,).

    The background is the median of at most 8,192 windows, evenly spread over the rows.
    """
    newest = rows.newest()
    windows = rows.take(np.unique(np.linspace(0, len(rows) - 1, _MAX_WINDOWS).astype(np.intp))).windows()
    return Reference(
        features={name: distribution_of(newest[:, place]) for place, name in enumerate(schema.names)},
        probability=distribution_of(probability),
        background=tuple(_median(column) for column in windows.T),
    )


def write_reference(reference: Reference) -> bytes:
    """Give ``reference.json``."""
    return msgspec.json.encode(reference)


def read_reference(content: bytes, *, schema: FeatureSchema) -> Reference:
    """Read ``reference.json`` of a model for rows of ``schema``.

    Raises
    ------
    UnfitModel
        If the file cannot be read, or is for other rows.
    """
    try:
        reference = msgspec.json.decode(content, type=Reference)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnfitModel(f"{REFERENCE_FILE}: {error}") from error
    if tuple(reference.features) != schema.names or len(reference.background) != schema.width:
        raise UnfitModel(f"{REFERENCE_FILE}: it is for rows of other features")
    for name, distribution in (*reference.features.items(), ("probability", reference.probability)):
        quantiles = np.array(distribution.quantiles)
        if len(quantiles) not in (0, len(_PERCENT)) or np.any(np.diff(quantiles) < 0):
            raise UnfitModel(f"{REFERENCE_FILE}: {name} has no 101 rising quantiles")
    return reference


def _median(column: Numbers) -> float | None:
    there = column[np.isfinite(column)]
    return float(np.median(there)) if len(there) else None
