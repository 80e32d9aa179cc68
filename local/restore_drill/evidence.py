"""What the stores hold, and whether that is what the market sent."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

import boto3
import psycopg
from psycopg.conninfo import make_conninfo

from lambdas.lake_committer.lake_table import glue_catalog
from lambdas.migrations.runner import apply
from lambdas.postgres.database import Database
from lambdas.store_writer import rows as store_rows
from lambdas.store_writer.writer import StoreWriter
from local.restore_drill.consumer import Consumer
from local.restore_drill.market import PARTITIONS, Market, SymbolKey
from local.restore_drill.platform import DrillPlatform
from tickwire.audit.report import AuditReport
from tickwire.cli.audit_checks import Patience
from tickwire.cli.audit_lake import LakeReader
from tickwire.cli.audit_ledger import LedgerReader
from tickwire.cli.audit_run import Audit, Options, Places
from tickwire.cli.audit_state import StateReader
from tickwire.cli.endpoints import Endpoints
from tickwire.intervals import IntervalSet
from tickwire.lake import TABLE
from tickwire.validation.sequence import TradeSequence

Ids = dict[SymbolKey, IntervalSet]

# All that the store writer writes, but for the moments at which it did, and what an audit wrote.
_TABLES = {
    "bars": "SELECT * FROM bars ORDER BY venue, symbol, interval_seconds, start",
    "progress": "SELECT * FROM progress ORDER BY venue, symbol",
    "ledger": "SELECT venue, symbol, partition, counter, first_id, last_id, missing::text, quarantined::text,"
    " absent::text, accepted, backfilled, time_ns FROM ledger ORDER BY venue, symbol",
    "hours": "SELECT * FROM hours ORDER BY venue, symbol, hour",
    "gaps": "SELECT * FROM gaps ORDER BY venue, symbol, first_id, last_id, noticed_ns",
    "findings": "SELECT * FROM findings ORDER BY venue, symbol, first_id, last_id, kind, time_ns",
    "quarantined": "SELECT * FROM quarantined ORDER BY key",
    "notices": "SELECT * FROM notices ORDER BY partition, counter, ordinal",
    "bar_repairs": "SELECT venue, symbol, interval_seconds, start, partition, counter, trades FROM bar_repairs"
    " ORDER BY venue, symbol, interval_seconds, start",
    "stream_checkpoints": "SELECT sink, partition, counter, source FROM stream_checkpoints ORDER BY sink, partition",
}


@dataclass(frozen=True, slots=True)
class Holdings:
    """The ids that each store calls accepted, by symbol."""

    ledger: Ids
    lake: Ids
    validator: Ids

    def lacking(self, before: "Holdings") -> dict[str, dict[str, list[tuple[int, int]]]]:
        """Give, by store and symbol, the ids that were held before and are not now; only stores that lack some."""
        found = {}
        for store in ("ledger", "lake", "validator"):
            ours: Ids = getattr(self, store)
            theirs: Ids = getattr(before, store)
            lost = {
                ":".join(key): list(ids.difference(ours.get(key, IntervalSet())).ranges())
                for key, ids in sorted(theirs.items())
            }
            if any(lost.values()):
                found[store] = {key: ranges for key, ranges in lost.items() if ranges}
        return found


def holdings(platform: DrillPlatform) -> Holdings:
    """Ask each store for itself."""
    with psycopg.connect(platform.database_url, autocommit=True) as connection:
        look = LedgerReader(connection, venue=None, symbol=None).look()
    lake = _lake(platform)
    counters = lake.counters()
    stored = lake.ids(until=counters, venue=None, symbol=None, since=None)
    states = StateReader(platform.state_url).validator(range(PARTITIONS))
    return Holdings(
        ledger={key: symbol.accepted() for key, symbol in look.symbols.items()},
        lake={key: found.ids for key, found in stored.items()},
        validator={
            key: _accepted(symbol.sequence) for state in states.values() for key, symbol in state.symbols.items()
        },
    )


def audit(platform: DrillPlatform) -> AuditReport:
    """Run the project's audit once; nothing moves meanwhile, so it waits for nothing."""
    with psycopg.connect(platform.database_url, autocommit=True) as connection:
        places = Places(
            ledger=LedgerReader(connection, venue=None, symbol=None),
            lake=_lake(platform),
            states=StateReader(platform.state_url),
            exchange=None,
        )
        return Audit(places, Options(), Patience(0, sleep=lambda _: None), lambda _: None).run()


def dead_letters(platform: DrillPlatform) -> frozenset[str]:
    """Give the keys of the dead letters."""
    with psycopg.connect(platform.database_url) as connection:
        return frozenset(key for (key,) in connection.execute("SELECT key FROM dead_letters").fetchall())


def proofs(platform: DrillPlatform, market: Market) -> dict[str, bool]:
    """Hold the stores against each other and against what the market sent, each statement true or false."""
    report = audit(platform)
    held = holdings(platform)
    rows = _rows(platform)
    return {
        "the audit finds every id stored or quarantined": report.complete,
        "the ledger holds exactly what was sent": held.ledger == market.accepted,
        "the lake holds exactly what was sent": held.lake == market.accepted,
        "no trade is in the lake twice": len(rows) == len(set(rows)),
        "the validator agrees": held.validator == market.accepted,
        "every table is as if nothing had happened": tables(platform.database_url) == _undisturbed(platform),
    }


def tables(url: str) -> dict[str, str]:
    """Give a digest of each table that the store writer writes."""
    with psycopg.connect(url) as connection:
        return {
            name: sha256(repr(connection.execute(query).fetchall()).encode()).hexdigest()
            for name, query in _TABLES.items()
        }


def _undisturbed(platform: DrillPlatform) -> dict[str, str]:
    """Give the digests of an empty database into which all of market-events is written from its first record on."""
    with psycopg.connect(platform.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS undisturbed")
        connection.execute("CREATE DATABASE undisturbed")
    url = make_conninfo(platform.database_url, dbname="undisturbed")
    with psycopg.connect(url) as connection:
        apply(connection)
    with closing(Database(lambda: psycopg.connect(url), prepare=store_rows.prepare)) as database:
        writer = StoreWriter(database)
        Consumer(
            boto3.client("kinesis"),
            name="undisturbed",
            stream=platform.events_stream,
            function=lambda event: {number: str(why) for number, why in writer.write_event(event).failures.items()},
        ).run()
        return tables(url)


def _rows(platform: DrillPlatform) -> list[tuple[str, str, int]]:
    """Give (venue, symbol, trade id) of each row of the lake."""
    table = glue_catalog().load_table((platform.glue_database, TABLE))
    columns = table.scan(selected_fields=("venue", "symbol", "trade_id")).to_arrow()
    return list(zip(*(columns[name].to_pylist() for name in ("venue", "symbol", "trade_id")), strict=True))


def _lake(platform: DrillPlatform) -> LakeReader:
    return LakeReader(Endpoints(lake_database=platform.glue_database))


def _accepted(sequence: TradeSequence) -> IntervalSet:
    ids = IntervalSet([(sequence.first_id, sequence.last_id)])
    for other in (sequence.missing, sequence.quarantined_ids, sequence.absent):
        ids = ids.difference(other)
    return ids


def counted(lacking: Mapping[str, Mapping[str, list[tuple[int, int]]]]) -> dict[str, int]:
    """Give how many ids each store lacks."""
    return {
        store: sum(last - first + 1 for ranges in symbols.values() for first, last in ranges)
        for store, symbols in lacking.items()
    }
