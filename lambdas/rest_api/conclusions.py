"""What is concluded from the market, from the tables of conclusions."""

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
_WHALES = """
SELECT started, ended, venues, symbol, side, trades, notional, price, threshold, first_id, last_id
FROM whales
WHERE started >= %(start)s AND started < %(end)s
    AND (%(venue)s::text IS NULL OR %(venue)s = ANY (venues)) AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(at)s::timestamptz IS NULL OR (started, symbol, side, first_id) < (%(at)s, %(name)s, %(side)s, %(first)s))
ORDER BY started DESC, symbol DESC, side DESC, first_id DESC
LIMIT %(limit)s
"""
_ANOMALIES = """
SELECT time, venue, symbol, kind, value, usual, unit, reason
FROM anomalies
WHERE time >= %(start)s AND time < %(end)s
    AND (%(venue)s::text IS NULL OR %(venue)s = ANY (string_to_array(venue, '/')))
    AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
    AND (%(at)s::timestamptz IS NULL OR (time, venue, symbol, kind) < (%(at)s, %(of)s, %(name)s, %(kind)s))
ORDER BY time DESC, venue DESC, symbol DESC, kind DESC
LIMIT %(limit)s
"""
_PREDICTION_FIELDS = ("close", "probability", "absent", "model", "version", "variant", "closed_at", "rose")
_SIGNAL_FIELDS = ("direction", "confidence", "price", "invalidation", "expected_move", "reason")
_SENTIMENT_FIELDS = ("index", "symbols", "parts")
_SIDES = {1: "buy", -1: "sell"}

Page = tuple[list[dict[str, Any]], list[str | int] | None]
"""What a page has, and where the next one begins: after (newest first) or with (oldest first) this sort key."""


def read_predictions(
    connection: Connection, *, venue: str, symbol: str, horizon: int, start: datetime, end: datetime, limit: int
) -> Page:
    """Give the predictions for ``horizon`` seconds made in ``[start, end)``, oldest first, ``limit`` at most.

    ``time`` is ms UTC, what each knew last; ``probability`` is None where ``absent`` says why. ``closed_at`` and
    ``rose`` are what became of it: None while that is not known, ``rose`` also where the price was level.
    """
    rows, following = _read(connection, _PREDICTIONS, [venue, symbol, horizon, start, end], _PREDICTION_FIELDS, limit)
    named = [{"id": f"{venue}:{symbol}:{horizon}:{row['time']}", **row} for row in rows]
    return named, following


def read_signals(
    connection: Connection, *, venue: str, symbol: str, horizon: int, start: datetime, end: datetime, limit: int
) -> Page:
    """Give the trading signals for ``horizon`` seconds of ``[start, end)``, as :func:`read_predictions` does.

    ``expected_move`` is a fraction of the price, after costs; ``invalidation`` a price, None where flat.
    """
    return _read(connection, _SIGNALS, [venue, symbol, horizon, start, end], _SIGNAL_FIELDS, limit)


def read_sentiment(connection: Connection, *, start: datetime, end: datetime, limit: int) -> Page:
    """Give the index of each minute that ends in ``[start, end)``, as :func:`read_predictions` does.

    ``index`` is 0 (fear) to 100 (greed), the mean of the ``score`` of each of ``parts`` by its ``weight``.
    """
    return _read(connection, _SENTIMENT, [start, end], _SENTIMENT_FIELDS, limit)


def read_whales(
    connection: Connection,
    *,
    venue: str | None,
    symbol: str | None,
    start: datetime,
    end: datetime,
    limit: int,
    after: Sequence[str | int] | None = None,
) -> Page:
    """Give the whales that began in ``[start, end)``, newest first, ``limit`` at most.

    ``started`` and ``ended`` are ms UTC, ``notional``, ``price`` and the ``threshold`` that it passed in the quote
    currency; ``after`` is the sort key of the last one of the page before.
    """
    at, name, side, first = after if after is not None else (None, None, None, None)
    where = {"venue": venue, "symbol": symbol, "start": start, "end": end, "limit": limit + 1}
    place = {"at": _moment(at), "name": name, "side": side, "first": first}
    rows = connection.execute(_WHALES, {**where, **place}).fetchall()
    found = [
        {
            "started": milliseconds(row[0]),
            "ended": milliseconds(row[1]),
            "venues": row[2],
            "symbol": row[3],
            "side": _SIDES.get(row[4], "unknown"),
            **dict(zip(("trades", "notional", "price", "threshold", "first_id", "last_id"), row[5:], strict=True)),
        }
        for row in rows[:limit]
    ]
    return found, [_exact(rows[limit - 1][0]), *rows[limit - 1][3:5], rows[limit - 1][9]] if len(rows) > limit else None


def read_anomalies(
    connection: Connection,
    *,
    venue: str | None,
    symbol: str | None,
    start: datetime,
    end: datetime,
    limit: int,
    after: Sequence[str | int] | None = None,
) -> Page:
    """Give the anomalies of ``[start, end)``, newest first, as :func:`read_whales` does.

    ``value`` and the bound ``usual`` that it passed are in ``unit``. The ``venue`` of prices that disagree is
    ``lowest/highest``.
    """
    at, of, name, kind = after if after is not None else (None, None, None, None)
    where = {"venue": venue, "symbol": symbol, "start": start, "end": end, "limit": limit + 1}
    rows = connection.execute(_ANOMALIES, {**where, "at": _moment(at), "of": of, "name": name, "kind": kind}).fetchall()
    fields = ("venue", "symbol", "anomaly", "value", "usual", "unit", "reason")
    found = [{"time": milliseconds(row[0]), **dict(zip(fields, row[1:], strict=True))} for row in rows[:limit]]
    return found, [_exact(rows[limit - 1][0]), *rows[limit - 1][1:4]] if len(rows) > limit else None


def _read(
    connection: Connection, statement: LiteralString, parameters: Sequence[Any], fields: Sequence[str], limit: int
) -> Page:
    rows = connection.execute(statement, [*parameters, limit + 1]).fetchall()
    found = [{"time": milliseconds(row[0]), **dict(zip(fields, row[1:], strict=True))} for row in rows]
    return found[:limit], [found[limit]["time"]] if len(found) > limit else None


def _exact(moment: datetime) -> str:
    """Give a time with its microseconds, by which rows are sorted."""
    return moment.isoformat()


def _moment(exact: str | int | None) -> datetime | None:
    return None if exact is None else datetime.fromisoformat(str(exact))
