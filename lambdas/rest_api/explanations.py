"""Why a model predicted what it did: the prediction's row is made again from the stored minutes, and explained.

That the row is the same is proved twice: the features of its newest bar are stored with the prediction, and the model
must give it the probability that it gave then. A minute that was amended later, or that was never in the table (it came
to the ring from the exchange's candles), shows by one of the two.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from lambdas.postgres.database import Connection
from tickwire.errors import TickwireError
from tickwire.features.bar_grid import COLUMNS
from tickwire.features.minute_bars import bars_of_minutes
from tickwire.features.minutes import MINUTE_NS, SLOTS, Minutes, minute_rows
from tickwire.forecast.explainer import EndpointExplainer
from tickwire.forecast.forecaster import Float32
from tickwire.forecast.rows import LiveRows, rows_of_bars
from tickwire.model.features import SCHEMA

METHOD = "Shapley values of sampled permutations, against the model's background row"

# Of float32: sums in another order, and a model on another processor.
_FEATURE_TOLERANCE, _PROBABILITY_TOLERANCE = 1e-5, 1e-5
_PREDICTION = """
SELECT probability, absent, model, version, variant, features
FROM predictions
WHERE venue = %s AND symbol = %s AND time = %s AND horizon_seconds = %s
"""
_MINUTES = """
SELECT (extract(epoch FROM start) / 60)::bigint, open::float8, high::float8, low::float8, close::float8,
    volume::float8, buy_volume::float8, notional::float8, trades::float8
FROM bars
WHERE venue = %s AND symbol = %s AND interval_seconds = 60 AND start >= %s AND start < %s
"""


class CannotExplain(TickwireError):
    """There is a prediction, and its row or its model is there no more; the message is a sentence for people."""


class PredictionKey(NamedTuple):
    """A prediction's key; ``time`` is the end of the newest minute that it knew, ``horizon`` seconds."""

    venue: str
    symbol: str
    horizon: int
    time: datetime


class StoredPrediction(NamedTuple):
    """What is stored of a prediction, and the minutes of the day before it."""

    probability: float | None
    absent: str
    model: str
    version: str
    variant: str
    features: Sequence[float | None]
    minutes: Minutes


def read_prediction(connection: Connection, key: PredictionKey) -> StoredPrediction | None:
    """Give a prediction with the minutes that its row was made of, or None if there is none."""
    where = [key.venue, key.symbol, key.time, key.horizon]
    row = connection.execute(_PREDICTION, where).fetchone()
    if row is None:
        return None
    day = [key.venue, key.symbol, key.time - timedelta(minutes=SLOTS), key.time]
    found = np.array(connection.execute(_MINUTES, day).fetchall(), np.float64).reshape(-1, 1 + len(COLUMNS))
    start = found[:, 0].astype(np.int64) * MINUTE_NS
    probability, absent, model, version, variant, features = row
    minutes = minute_rows(start, **dict(zip(COLUMNS, found[:, 1:].T, strict=True)))
    return StoredPrediction(probability, absent, model, version, variant, features, minutes)


def explain_prediction(stored: StoredPrediction, *, end: int, explainer: EndpointExplainer) -> dict[str, Any]:
    """Explain a prediction by the model that made it.

    ``probability`` and ``base``, which is that of the row that the model compares with, are 0 to 1. The contribution of
    each of ``features``, whose ``value`` is that of the newest bar (None where masked), adds up with ``base`` to the
    probability; so do ``bars``, a number for each bar of the row, oldest first.

    Parameters
    ----------
    end : the prediction's time, ns UTC, a full minute

    Raises
    ------
    CannotExplain
        If there was no probability, the row cannot be made again, or its variant serves another model now.
    ExplanationUnavailable, ExplanationRefused
        See :meth:`tickwire.forecast.explainer.EndpointExplainer.explain`.
    """
    if stored.probability is None:
        raise CannotExplain(f"There is no prediction of that time to explain: {stored.absent or 'only its outcome'}.")
    if not stored.variant:
        raise CannotExplain("The prediction does not say which variant made it.")
    again = rows_of_bars(bars_of_minutes(stored.minutes, end))
    if not _same_features(again, stored.features):
        raise CannotExplain("The prediction's rows cannot be made again: its minutes are not stored as it knew them.")
    answer = explainer.explain(again.rows[0], variant=stored.variant)
    if (answer.model, answer.version) != (stored.model, stored.version):
        raise CannotExplain(
            f"The prediction is of {stored.model} {stored.version}, and its variant {stored.variant} now serves"
            f" {answer.model} {answer.version}."
        )
    if abs(answer.probability - stored.probability) > _PROBABILITY_TOLERANCE:
        raise CannotExplain(
            "The prediction's rows cannot be made again: its model gives the stored minutes another probability."
        )
    newest = again.newest[0].tolist()
    return {
        "probability": stored.probability,
        "base": answer.base,
        "features": [
            {"name": name, "value": None if np.isnan(value) else value, "contribution": answer.contributions[name]}
            for name, value in zip(SCHEMA.names, newest, strict=True)
        ],
        "bars": list(answer.bars),
        "model": answer.model,
        "version": answer.version,
        "method": METHOD,
    }


def _same_features(again: LiveRows, stored: Sequence[float | None]) -> bool:
    known: Float32 = np.array([np.nan if one is None else one for one in stored], np.float32)
    newest = again.newest[0]
    return known.shape == newest.shape and bool(
        np.allclose(known, newest, rtol=_FEATURE_TOLERANCE, atol=_FEATURE_TOLERANCE, equal_nan=True)
    )
