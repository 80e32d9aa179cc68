"""Writes the continuity ledger: sets of ids, hours, gaps, findings, and bars to compute again.

The sets and the hours are changed by what the records say, so each record must be written exactly
once: the checkpoint of the same transaction sees to that. Gaps come as absolute values; of those that
no record tells of, because a symbol has too many at once, the ledger tells what is left.
"""

from collections.abc import Sequence
from typing import Any, LiteralString

from lambdas.postgres.database import Connection
from lambdas.postgres.text import storable
from lambdas.store_writer import gap_rows
from lambdas.store_writer.changes import Changes, GapKey
from lambdas.store_writer.ledger_change import LedgerChange
from lambdas.store_writer.moments import moment
from lambdas.store_writer.multirange import multirange_text
from tickwire.records import GapState

# A set that stays as it is is handed on untouched: a large one is then not written anew.
_UPSERT_LEDGER = """
INSERT INTO ledger AS held (
    venue, symbol, partition, counter, first_id, last_id, missing, quarantined, absent, accepted, backfilled, time_ns
) VALUES (
    %(venue)s, %(symbol)s, %(partition)s, %(counter)s, %(first_id)s, %(last_id)s, %(missing_added)s::int8multirange,
    %(quarantined_added)s::int8multirange, %(absent_added)s::int8multirange, %(accepted)s, %(backfilled)s, %(time)s
)
ON CONFLICT (venue, symbol) DO UPDATE SET
    partition = excluded.partition, counter = excluded.counter, first_id = excluded.first_id,
    last_id = excluded.last_id, accepted = excluded.accepted, backfilled = held.backfilled + excluded.backfilled,
    time_ns = excluded.time_ns,
    missing = CASE
        WHEN held.missing && %(missing_removed)s::int8multirange OR NOT excluded.missing <@ held.missing
        THEN held.missing - %(missing_removed)s::int8multirange + excluded.missing
        ELSE held.missing
    END,
    quarantined = CASE
        WHEN held.quarantined && %(quarantined_removed)s::int8multirange OR NOT excluded.quarantined <@ held.quarantined
        THEN held.quarantined - %(quarantined_removed)s::int8multirange + excluded.quarantined
        ELSE held.quarantined
    END,
    absent = CASE
        WHEN held.absent && %(absent_removed)s::int8multirange OR NOT excluded.absent <@ held.absent
        THEN held.absent - %(absent_removed)s::int8multirange + excluded.absent
        ELSE held.absent
    END
"""
_UPSERT_HOUR = """
INSERT INTO hours AS held VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (venue, symbol, hour) DO UPDATE SET
    trades = held.trades + excluded.trades, first_id = least(held.first_id, excluded.first_id),
    last_id = greatest(held.last_id, excluded.last_id)
"""
_NEW_GAP = """
INSERT INTO gaps (
    venue, symbol, first_id, last_id, noticed_ns, cause, after_time_ns, before_time_ns, remaining, live, history,
    absent, quarantined, closed_ns
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (venue, symbol, first_id, last_id, noticed_ns)
"""
_INSERT_GAP = _NEW_GAP + "DO NOTHING"
_UPSERT_GAP = (
    _NEW_GAP
    + """DO UPDATE SET
    cause = excluded.cause, after_time_ns = excluded.after_time_ns, before_time_ns = excluded.before_time_ns,
    remaining = excluded.remaining, live = excluded.live, history = excluded.history, absent = excluded.absent,
    quarantined = excluded.quarantined, closed_ns = excluded.closed_ns
"""
)
_INSERT_FINDING = "INSERT INTO findings VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_UPSERT_REPAIR = """
INSERT INTO bar_repairs AS held (venue, symbol, interval_seconds, start, partition, counter, trades)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (venue, symbol, interval_seconds, start) DO UPDATE SET
    partition = excluded.partition, counter = greatest(held.counter, excluded.counter),
    trades = held.trades + excluded.trades, requested_at = excluded.requested_at
"""


def write(connection: Connection, changes: Changes) -> None:
    """Write what the changes say of the ledger, each table's rows in the order of their keys.

    So two invocations that share some never wait for each other in a ring.
    """
    ledger = [_ledger_row(*item) for item in sorted(changes.ledger.items(), key=lambda item: item[0])]
    if ledger:
        connection.cursor().executemany(_UPSERT_LEDGER, ledger)
    _write_each(
        connection,
        _UPSERT_HOUR,
        [
            (storable(venue), storable(symbol), moment(start), change.trades, change.first_id, change.last_id)
            for (venue, symbol, start), change in sorted(changes.hours.items(), key=lambda item: item[0])
        ],
    )
    new = {
        key: GapState(
            first=gap.first,
            last=gap.last,
            cause=gap.cause,
            noticed=gap.noticed,
            after_time=gap.after_time,
            before_time=gap.before_time,
            remaining=gap.last - gap.first + 1,
            live=0,
            history=0,
            absent=0,
            quarantined=0,
            closed=0,
        )
        for key, gap in changes.gaps.items()
        if key not in changes.gap_states
    }
    _write_each(connection, _INSERT_GAP, [_gap_row(key, new[key]) for key in sorted(new)])
    _write_each(connection, _UPSERT_GAP, [_gap_row(key, changes.gap_states[key]) for key in sorted(changes.gap_states)])
    for key, ledger_change in sorted(changes.ledger.items(), key=lambda item: item[0]):
        gap_rows.settle(connection, key, ledger_change)
    _write_each(
        connection,
        _INSERT_FINDING,
        [
            (storable(venue), storable(symbol), first, last, kind, storable(finding.evidence), time, finding.after_time)
            for (venue, symbol, first, last, kind, time), finding in changes.findings.items()
        ],
    )
    _write_each(
        connection,
        _UPSERT_REPAIR,
        [
            (
                storable(venue),
                storable(symbol),
                interval,
                moment(start),
                repair.partition,
                repair.counter,
                repair.trades,
            )
            for (venue, symbol, interval, start), repair in sorted(changes.repairs.items(), key=lambda item: item[0])
        ],
    )


def _write_each(connection: Connection, statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.cursor().executemany(statement, rows)


def _ledger_row(key: tuple[str, str], change: LedgerChange) -> dict[str, Any]:
    row: dict[str, Any] = {
        "venue": storable(key[0]),
        "symbol": storable(key[1]),
        "partition": change.partition,
        "counter": change.counter,
        "first_id": change.first_id,
        "last_id": change.last_id,
        "accepted": change.accepted,
        "backfilled": change.backfilled,
        "time": change.time,
    }
    for name, ids in (("missing", change.missing), ("quarantined", change.quarantined), ("absent", change.absent)):
        row[f"{name}_removed"] = multirange_text(ids.removed.ranges())
        row[f"{name}_added"] = multirange_text(ids.added.ranges())
    return row


def _gap_row(key: GapKey, state: GapState) -> tuple[Any, ...]:
    venue, symbol, first, last, noticed = key
    return (
        storable(venue),
        storable(symbol),
        first,
        last,
        noticed,
        storable(state.cause),
        state.after_time,
        state.before_time,
        state.remaining,
        state.live,
        state.history,
        state.absent,
        state.quarantined,
        state.closed,
    )
