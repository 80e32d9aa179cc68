"""The ledger as the audit reads it: one consistent look at PostgreSQL, and what the audit writes back."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from lambdas.postgres.database import Connection, DatabaseSettings, connect
from lambdas.store_writer.multirange import ids_of, multirange_text
from lambdas.store_writer.writer import SINK
from tickwire.audit.compare import LedgerSymbol
from tickwire.cli.endpoints import Endpoints
from tickwire.cli.output import CommandError
from tickwire.intervals import IntervalSet

SymbolKey = tuple[str, str]
_HIGHEST = 2**63 - 1

_LEDGER = """
SELECT
    venue, symbol, ledger.partition, ledger.first_id, ledger.last_id, ledger.missing, ledger.quarantined, ledger.absent,
    progress.accepted, progress.missing, progress.quarantined_ids, progress.absent
FROM ledger JOIN progress USING (venue, symbol)
WHERE (%(venue)s::text IS NULL OR venue = %(venue)s) AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
ORDER BY venue, symbol
"""
_LAST_ID_BEFORE = """
SELECT venue, symbol, max(last_id) FROM hours
WHERE hour < date_trunc('hour', to_timestamp(%(since)s), 'UTC')
    AND (%(venue)s::text IS NULL OR venue = %(venue)s) AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
GROUP BY venue, symbol
"""
_CHECKPOINTS = "SELECT partition, source, counter FROM stream_checkpoints WHERE sink = %s"
_GAPS = """
SELECT first_id, last_id, cause, noticed_ns, after_time_ns FROM gaps
WHERE venue = %(venue)s AND symbol = %(symbol)s
  AND %(ids)s::int8multirange && id_range(first_id, last_id) ORDER BY noticed_ns
"""
_FINDINGS = """
SELECT first_id, last_id, evidence FROM findings
WHERE venue = %(venue)s AND symbol = %(symbol)s AND kind = %(kind)s
  AND %(ids)s::int8multirange && id_range(first_id, last_id) ORDER BY time_ns
"""
_HOUR_OF = """
SELECT (extract(epoch FROM min(hour)) * 1000000000)::bigint FROM hours
WHERE venue = %(venue)s AND symbol = %(symbol)s AND %(ids)s::int8multirange && id_range(first_id, last_id)
"""
_REOPENED = """
SELECT first_id, last_id FROM findings
WHERE venue = %(venue)s AND symbol = %(symbol)s AND kind = 'reopen' AND time_ns = %(time)s
  AND %(ids)s::int8multirange && id_range(first_id, last_id)
"""
_REASONS = """
SELECT trade_id, min(rule) FROM (
    SELECT trade_id, rule FROM quarantined WHERE venue = %(venue)s AND symbol = %(symbol)s
    UNION ALL
    SELECT (fields->'row'->>'trade_id')::bigint, reason FROM dead_letters
    WHERE kind = 'trade' AND venue = %(venue)s AND symbol = %(symbol)s
      AND fields->'row'->>'trade_id' ~ '^[0-9]{1,18}$'
) AS told
WHERE %(ids)s::int8multirange @> trade_id GROUP BY trade_id
"""
_WRITE_STORED = """
UPDATE ledger SET audited_at = now(),
    stored = stored - int8multirange(int8range(%(from_id)s, NULL, '[)')) + %(stored)s::int8multirange
WHERE venue = %(venue)s AND symbol = %(symbol)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The ledger at one moment.

    Attributes
    ----------
    symbols : by (venue, symbol)
    counters : partition → the record of trades-clean up to which the ledger has taken in everything
    events : partition → the record of market-events likewise
    totals_differ : symbols whose sets do not have the sizes that the validator's totals state
    time : ns UTC
    chosen : whether it is of one venue or symbol only
    """

    symbols: dict[SymbolKey, LedgerSymbol]
    counters: Mapping[int, int]
    events: Mapping[int, int]
    totals_differ: dict[SymbolKey, str]
    time: int
    chosen: bool = False

    @property
    def missing(self) -> int:
        """How many ids are missing."""
        return sum(symbol.missing.count for symbol in self.symbols.values())


@dataclass(frozen=True, slots=True)
class KnownGap:
    """Ids that became missing together; times in ns UTC, 0 where unknown."""

    first: int
    last: int
    cause: str
    noticed: int
    after_time: int


class LedgerReader:
    """Asks PostgreSQL, of one venue or one symbol if these are given."""

    def __init__(self, connection: Connection, *, venue: str | None, symbol: str | None) -> None:
        self._connection = connection
        self._chosen = {"venue": venue, "symbol": symbol}

    def look(self) -> Look:
        """Read sets and checkpoints in one snapshot of the database."""
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            moment = time.time_ns()
            rows = self._connection.execute(_LEDGER, self._chosen).fetchall()
            checkpoints = self._connection.execute(_CHECKPOINTS, [SINK]).fetchall()
        symbols = {}
        differ = {}
        for venue, symbol, partition, first, last, *sets, accepted, missing, quarantined, absent in rows:
            named = dict(zip(("missing", "quarantined", "absent"), map(ids_of, sets), strict=True))
            found = LedgerSymbol(venue=venue, symbol=symbol, partition=partition, first_id=first, last_id=last, **named)
            symbols[found.key] = found
            sizes = (found.accepted().count, *(ids.count for ids in named.values()))
            told = (accepted, missing, quarantined, absent)
            if sizes != told:
                names = ("accepted", "missing", "quarantined", "absent")
                differ[found.key] = ", ".join(
                    f"{name} {size} in the ledger and {total} in the totals"
                    for name, size, total in zip(names, sizes, told, strict=True)
                    if size != total
                )
        return Look(
            symbols=symbols,
            counters={partition: source for partition, source, _ in checkpoints},
            events={partition: counter for partition, _, counter in checkpoints},
            totals_differ=differ,
            time=moment,
            chosen=any(self._chosen.values()),
        )

    def first_ids(self, since: int) -> dict[SymbolKey, int]:
        """Give, of each symbol, the id after the last one whose trade happened before the hour of ``since`` (ns)."""
        rows = self._connection.execute(_LAST_ID_BEFORE, {**self._chosen, "since": since // 10**9}).fetchall()
        return {(venue, symbol): min(last + 1, _HIGHEST) for venue, symbol, last in rows}

    def gaps(self, key: SymbolKey, ids: IntervalSet) -> list[KnownGap]:
        """Give the gaps that some ids of a symbol lie in, by the time when they were noticed."""
        return [KnownGap(*row) for row in self._of_ids(_GAPS, key, ids)]

    def evidence(self, key: SymbolKey, ids: IntervalSet, kind: str) -> list[tuple[int, int, str]]:
        """Give (first, last, evidence) of the findings of a kind that some ids lie in."""
        return [(first, last, text) for first, last, text in self._of_ids(_FINDINGS, key, ids, kind=kind)]

    def hour_of(self, key: SymbolKey, trade_id: int) -> int:
        """Give the start (ns UTC) of the first hour that an accepted id can lie in, 0 where none is known."""
        ((start,),) = self._of_ids(_HOUR_OF, key, IntervalSet([(trade_id, trade_id)]))
        return int(start or 0)

    def reopened(self, key: SymbolKey, ids: IntervalSet, time_ns: int) -> IntervalSet:
        """Give the ids that the reopening of that time made missing."""
        return IntervalSet(sorted((first, last) for first, last in self._of_ids(_REOPENED, key, ids, time=time_ns)))

    def rules(self, key: SymbolKey, ids: IntervalSet) -> dict[int, str]:
        """Give the rule that each id broke, of those that a dead letter or a quarantined row names."""
        return dict(self._of_ids(_REASONS, key, ids))

    def write_stored(self, key: SymbolKey, stored: IntervalSet, from_id: int | None) -> None:
        """Keep which ids from ``from_id`` on were found in the lake."""
        lowest = -(2**63) if from_id is None else from_id
        with self._connection.transaction():
            self._connection.execute(
                _WRITE_STORED,
                {
                    "venue": key[0],
                    "symbol": key[1],
                    "from_id": lowest,
                    "stored": multirange_text(stored.ranges()),
                },
            )

    def _of_ids(
        self, query: LiteralString, key: SymbolKey, ids: IntervalSet, **more: str | int
    ) -> Sequence[tuple[Any, ...]]:
        if not ids:
            return []
        wanted = {"venue": key[0], "symbol": key[1], "ids": multirange_text(ids.ranges()), **more}
        with self._connection.transaction():
            return self._connection.execute(query, wanted).fetchall()


@contextmanager
def open_ledger(endpoints: Endpoints, *, venue: str | None, symbol: str | None) -> Iterator[LedgerReader]:
    """Connect to PostgreSQL.

    Raises
    ------
    CommandError
        If it cannot be reached, or has no ledger.
    """
    settings = DatabaseSettings(database_url=endpoints.require("database_url"), database_iam=endpoints.database_iam)
    try:
        with connect(settings) as connection:
            connection.autocommit = True
            # Reads of a whole ledger may take longer than what a function has.
            connection.execute("SET statement_timeout = '10min'")
            yield LedgerReader(connection, venue=venue, symbol=symbol)
    except psycopg.errors.UndefinedTable as error:
        raise CommandError("PostgreSQL has no ledger yet: apply its migrations") from error
    except psycopg.Error as error:
        raise CommandError(f"PostgreSQL: {error}") from error
