"""Brings the rows of gaps down to what the ledger says is left of them.

A symbol's continuity tells at most :data:`~tickwire.records.MAX_GAPS` gaps. With more at once, some are
filled and never told of again; their ids are in the ledger's sets all the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from lambdas.postgres.database import Connection
from lambdas.postgres.text import storable
from lambdas.store_writer.changes import SymbolKey
from lambdas.store_writer.ledger_change import LedgerChange
from lambdas.store_writer.multirange import ids_of, multirange_text
from tickwire.intervals import IntervalSet

_READ_GAPS = """
SELECT first_id, last_id, noticed_ns, remaining, history FROM gaps
WHERE venue = %s AND symbol = %s AND closed_ns = 0 AND id_range(first_id, last_id) && %s::int8multirange
"""
_READ_SETS = """
SELECT missing * ids, absent * ids, quarantined * ids
FROM ledger, (SELECT int8multirange(id_range(%s, %s)) AS ids) AS place WHERE venue = %s AND symbol = %s
"""
_UPDATE_GAP = """
UPDATE gaps SET remaining = %s, live = %s, history = %s, absent = %s, quarantined = %s, closed_ns = %s
WHERE venue = %s AND symbol = %s AND first_id = %s AND last_id = %s AND noticed_ns = %s
"""


def settle(connection: Connection, key: SymbolKey, change: LedgerChange) -> None:
    """Write what is left of a symbol's open gaps that lost missing ids, after its ledger and its told gaps."""
    if not change.missing.removed:
        return
    symbol = storable(key[0]), storable(key[1])
    found = multirange_text(change.missing.removed.ranges())
    gaps = connection.execute(_READ_GAPS, [*symbol, found]).fetchall()
    if not gaps:
        return
    bounds = min(gap[0] for gap in gaps), max(gap[1] for gap in gaps)
    ((*sets,),) = connection.execute(_READ_SETS, [*bounds, *symbol]).fetchall()
    rows = [
        (*values, *symbol, *place)
        for place, values in _settled(gaps, [ids_of(ids) for ids in sets], change.from_history, change.time)
    ]
    if rows:
        connection.cursor().executemany(_UPDATE_GAP, rows)


def _settled(
    gaps: Sequence[tuple[Any, ...]], sets: Sequence[IntervalSet], from_history: IntervalSet, time: int
) -> Iterator[tuple[tuple[int, int, int], tuple[int, ...]]]:
    for first, last, noticed, remaining, history in gaps:
        missing, absent, quarantined = (_count(ids, first, last) for ids in sets)
        # Only downwards: ids that were reopened are missing too, and count for the gap that they make then.
        if missing < remaining:
            arrived = last - first + 1 - missing - absent - quarantined
            history = min(history + _count(from_history, first, last), arrived)
            closed = 0 if missing else time
            yield (first, last, noticed), (missing, arrived - history, history, absent, quarantined, closed)


def _count(ids: IntervalSet, first: int, last: int) -> int:
    return sum(end - start + 1 for start, end in ids.within(first, last))
