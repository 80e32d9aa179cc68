"""Predictions and trading signals of one symbol, and the mood of the market, from the tables of conclusions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

from lambdas.postgres.database import Connection
from lambdas.rest_api.parameters import milliseconds

MAX_CONCLUSIONS = 1_000

_PREDICTIONS = """
SELECT time, close, probability, absent, model, version, variant, closed_at, rose
FROM predictions
WHERE venue = %s AND symbol = %s AND horizon_seconds = %s AND time >= %s AND time < %s
ORDER BY time
LIMIT %s
"""
_SIGNALS = """
SELECT time, direction, confidence, price, invalidation, expected_move, reason
FROM trading_signals
WHERE venue = %s AND symbol = %s AND horizon_seconds = %s AND time >= %s AND time < %s
ORDER BY time
LIMIT %s
"""
_SENTIMENT = """
SELECT time, index, symbols, parts FROM sentiment WHERE time >= %s AND time < %s ORDER BY time LIMIT %s
"""
_PREDICTION_FIELDS = ("close", "probability", "absent", "model", "version", "variant", "closed_at", "rose")
_SIGNAL_FIELDS = ("direction", "confidence", "price", "invalidation", "expected_move", "reason")
_SENTIMENT_FIELDS = ("index", "symbols", "parts")


def read_predictions(
    connection: Connection, *, venue: str, symbol: str, horizon: int, start: datetime, end: datetime, limit: int
) -> dict[str, Any]:
    """Give the predictions for ``horizon`` seconds made in ``[start, end)``, oldest first, ``limit`` at most.

    ``time`` is ms UTC, what each knew last; ``probability`` is None where ``absent`` says why. ``closed_at`` and
    ``rose`` are what became of it: None while that is not known, ``rose`` also where the price was level.
    ``next`` is the ``time`` of the first that the limit left out, or None.
    """
    rows, following = _read(connection, _PREDICTIONS, [venue, symbol, horizon, start, end], _PREDICTION_FIELDS, limit)
    return {"venue": venue, "symbol": symbol, "horizon": horizon, "predictions": rows, "next": following}


def read_signals(
    connection: Connection, *, venue: str, symbol: str, horizon: int, start: datetime, end: datetime, limit: int
) -> dict[str, Any]:
    """Give the trading signals for ``horizon`` seconds of ``[start, end)``, as :func:`read_predictions` does.

    ``expected_move`` is a fraction of the price, after costs; ``invalidation`` a price, None where flat.
    """
    rows, following = _read(connection, _SIGNALS, [venue, symbol, horizon, start, end], _SIGNAL_FIELDS, limit)
    return {"venue": venue, "symbol": symbol, "horizon": horizon, "signals": rows, "next": following}


def read_sentiment(connection: Connection, *, start: datetime, end: datetime, limit: int) -> dict[str, Any]:
    """Give the index of each minute that ends in ``[start, end)``, as :func:`read_predictions` does.

    ``index`` is 0 (fear) to 100 (greed), the mean of the ``score`` of each of ``parts`` by its ``weight``.
    """
    rows, following = _read(connection, _SENTIMENT, [start, end], _SENTIMENT_FIELDS, limit)
    return {"sentiment": rows, "next": following}


def _read(
    connection: Connection, statement: LiteralString, parameters: Sequence[Any], fields: Sequence[str], limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    rows = connection.execute(statement, [*parameters, limit + 1]).fetchall()
    found = [{"time": milliseconds(row[0]), **dict(zip(fields, row[1:], strict=True))} for row in rows]
    return found[:limit], found[limit]["time"] if len(found) > limit else None
