"""Writes conclusions into their tables, on a connection that is in a transaction."""

from collections.abc import Sequence
from ctypes import c_float
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.types.json import Jsonb

from lambdas.postgres.database import Connection
from lambdas.postgres.text import storable
from lambdas.store_writer.conclusions import Conclusions, Scored
from lambdas.store_writer.moments import moment
from tickwire.conclusions import Anomaly, Prediction, Sentiment, TradingSignal, Whale

# A prediction and its outcome each write their own columns, so that it does not matter which of them comes first.
_UPSERT_PREDICTION = """
INSERT INTO predictions
    (venue, symbol, time, horizon_seconds, close, probability, absent, model, version, variant, features)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::float8[])
ON CONFLICT (venue, symbol, time, horizon_seconds) DO UPDATE SET
    close = excluded.close, probability = excluded.probability, absent = excluded.absent, model = excluded.model,
    version = excluded.version, variant = excluded.variant, features = excluded.features
"""
_UPSERT_OUTCOME = """
INSERT INTO predictions
    (venue, symbol, time, horizon_seconds, close, probability, model, version, variant, closed_at, rose, scored_ns)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (venue, symbol, time, horizon_seconds) DO UPDATE SET
    closed_at = excluded.closed_at, rose = excluded.rose, scored_ns = excluded.scored_ns
"""
_UPSERT_WHALE = """
INSERT INTO whales AS stored VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (symbol, started, venues, side, first_id) DO UPDATE SET
    ended = excluded.ended, trades = excluded.trades, notional = excluded.notional, price = excluded.price,
    threshold = excluded.threshold, last_id = excluded.last_id
WHERE excluded.trades > stored.trades
"""
_INSERT_ANOMALY = "INSERT INTO anomalies VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_INSERT_SIGNAL = "INSERT INTO trading_signals VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_UPSERT_SENTIMENT = """
INSERT INTO sentiment AS stored VALUES (%s, %s, %s, %s)
ON CONFLICT (time) DO UPDATE SET index = excluded.index, symbols = excluded.symbols, parts = excluded.parts
WHERE excluded.symbols > stored.symbols
"""


def ensure_partitions(connection: Connection, *, month: datetime) -> None:
    """Create the tables for a month's conclusions where there are none."""
    connection.execute("SELECT ensure_conclusions_partition(%s)", [month.date()])


def write(connection: Connection, conclusions: Conclusions) -> None:
    """Write all of them. Repeating it changes nothing."""
    _write_each(connection, _UPSERT_PREDICTION, [_prediction_row(one) for one in conclusions.predictions])
    _write_each(connection, _UPSERT_OUTCOME, [_outcome_row(one) for one in conclusions.outcomes])
    _write_each(connection, _UPSERT_WHALE, [_whale_row(one) for one in conclusions.whales])
    _write_each(connection, _INSERT_ANOMALY, [_anomaly_row(one) for one in conclusions.anomalies])
    _write_each(connection, _INSERT_SIGNAL, [_signal_row(one) for one in conclusions.signals])
    # In order of time: several partitions may speak of a minute, and must never wait for each other in a ring.
    by_time = sorted(conclusions.sentiment, key=lambda one: one.time)
    _write_each(connection, _UPSERT_SENTIMENT, [_sentiment_row(one) for one in by_time])


def _write_each(connection: Connection, statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.cursor().executemany(statement, rows)


def _prediction_row(one: Prediction) -> tuple[Any, ...]:
    return (
        storable(one.venue),
        storable(one.symbol),
        moment(one.time),
        one.horizon,
        one.close,
        one.probability,
        storable(one.absent),
        storable(one.model),
        storable(one.version),
        storable(one.variant),
        [None if value is None else _single(value) for value in one.features],
    )


def _single(value: float) -> float:
    """Round to the nearest float32, as PostgreSQL does too; but it refuses what becomes 0 or infinite by that."""
    return c_float(value).value


def _outcome_row(scored: Scored) -> tuple[Any, ...]:
    one = scored.outcome
    return (
        storable(one.venue),
        storable(one.symbol),
        moment(one.time),
        one.horizon,
        one.close,
        one.probability,
        storable(one.model),
        storable(one.version),
        storable(one.variant),
        one.closed_at,
        one.rose,
        scored.time,
    )


def _whale_row(one: Whale) -> tuple[Any, ...]:
    return (
        [storable(venue) for venue in one.venues],
        storable(one.symbol),
        one.side,
        moment(one.started),
        moment(one.ended),
        one.trades,
        one.notional,
        one.price,
        one.threshold,
        one.first_id,
        one.last_id,
    )


def _anomaly_row(one: Anomaly) -> tuple[Any, ...]:
    return (
        storable(one.venue),
        storable(one.symbol),
        one.kind.value,
        moment(one.time),
        one.value,
        one.usual,
        storable(one.unit),
        storable(one.reason),
    )


def _signal_row(one: TradingSignal) -> tuple[Any, ...]:
    return (
        storable(one.venue),
        storable(one.symbol),
        moment(one.time),
        one.horizon,
        one.direction.value,
        one.confidence,
        one.price,
        one.invalidation,
        one.expected_move,
        storable(one.reason),
    )


def _sentiment_row(one: Sentiment) -> tuple[Any, ...]:
    parts = [{**msgspec.structs.asdict(part), "name": storable(part.name)} for part in one.parts]
    return (moment(one.time), one.index, one.symbols, Jsonb(parts))
