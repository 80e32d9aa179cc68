"""Writes changes into the tables, on a connection that is in a transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from lambdas.postgres.database import Connection
from lambdas.postgres.text import storable
from lambdas.store_writer import conclusion_rows, ledger_rows
from lambdas.store_writer.changes import Changes, NoticeKey
from lambdas.store_writer.moments import moment, month_of
from tickwire.decimals import to_decimal
from tickwire.records import Bar, Notice, Progress, Quarantined

_CREATE_STAGE = "CREATE TEMPORARY TABLE bars_staged (LIKE bars INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
_STAGE_BARS = "COPY bars_staged FROM STDIN (FORMAT BINARY)"
_BAR_TYPES = (
    "text text int4 timestamptz numeric numeric numeric numeric numeric numeric numeric"
    " int8 int8 int8 int8 bool int8".split()
)
_UPSERT_BARS = """
INSERT INTO bars AS stored SELECT * FROM bars_staged
ON CONFLICT (venue, symbol, interval_seconds, start) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, buy_volume = excluded.buy_volume, notional = excluded.notional,
    trades = excluded.trades, first_id = excluded.first_id, last_id = excluded.last_id,
    revision = excluded.revision, final = excluded.final, latest_receive_ns = excluded.latest_receive_ns
WHERE excluded.revision > stored.revision
"""
_UPSERT_PROGRESS = """
INSERT INTO progress VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (venue, symbol) DO UPDATE SET
    first_id = excluded.first_id, last_id = excluded.last_id, accepted = excluded.accepted,
    duplicates = excluded.duplicates, quarantined = excluded.quarantined,
    quarantined_ids = excluded.quarantined_ids, missing = excluded.missing,
    missing_ranges = excluded.missing_ranges, time_ns = excluded.time_ns, absent = excluded.absent
"""
_INSERT_QUARANTINED = (
    "INSERT INTO quarantined VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_INSERT_NOTICE = "INSERT INTO notices VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"


def prepare(connection: Connection) -> None:
    """Create the connection's own staging table."""
    connection.execute(_CREATE_STAGE)


def months(bars: Iterable[Bar]) -> set[datetime]:
    """Give the first day of each UTC month in which a bar starts."""
    return {month_of(bar.start) for bar in bars}


def ensure_partition(connection: Connection, *, month: datetime) -> None:
    """Create the table for a month's bars where there is none."""
    connection.execute("SELECT ensure_bars_partition(%s)", [month.date()])


def write(connection: Connection, changes: Changes) -> None:
    """Write all changes. Repeating it changes nothing; an older revision never replaces a newer one."""
    if changes.bars:
        with connection.cursor().copy(_STAGE_BARS) as copy:
            copy.set_types(_BAR_TYPES)
            for bar in changes.bars.values():
                copy.write_row(_bar_row(bar))
        connection.execute(_UPSERT_BARS)
    _write_each(connection, _UPSERT_PROGRESS, [_progress_row(p) for p in changes.progress.values()])
    ledger_rows.write(connection, changes)
    _write_each(connection, _INSERT_QUARANTINED, [_quarantined_row(q) for q in changes.quarantined.values()])
    _write_each(connection, _INSERT_NOTICE, [_notice_row(*item) for item in changes.notices.items()])
    conclusion_rows.write(connection, changes.conclusions)


def _write_each(connection: Connection, statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.cursor().executemany(statement, rows)


def _bar_row(bar: Bar) -> tuple[Any, ...]:
    return (
        storable(bar.venue),
        storable(bar.symbol),
        bar.interval,
        moment(bar.start),
        *(to_decimal(price, bar.price_scale) for price in (bar.open, bar.high, bar.low, bar.close)),
        *(to_decimal(volume, bar.size_scale) for volume in (bar.volume, bar.buy_volume)),
        bar.notional,
        bar.trades,
        bar.first_id,
        bar.last_id,
        bar.revision,
        bar.final,
        bar.latest_receive,
    )


def _progress_row(progress: Progress) -> tuple[Any, ...]:
    return (
        storable(progress.venue),
        storable(progress.symbol),
        progress.first_id,
        progress.last_id,
        progress.accepted,
        progress.duplicates,
        progress.quarantined,
        progress.quarantined_ids,
        progress.missing,
        Jsonb(progress.missing_ranges),
        progress.time,
        progress.absent,
    )


def _quarantined_row(row: Quarantined) -> tuple[Any, ...]:
    return (
        storable(row.key),
        storable(row.venue),
        storable(row.symbol),
        row.trade_id,
        storable(row.rule),
        storable(row.detail),
        storable(row.price),
        storable(row.size),
        row.side,
        row.exchange_time,
        row.receive_time,
    )


def _notice_row(key: NoticeKey, notice: Notice) -> tuple[Any, ...]:
    return (*key, storable(notice.venue), storable(notice.kind), storable(notice.text), notice.count, notice.time)
