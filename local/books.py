"""Gathers a finished run's figures from the places that hold them, and draws up the summary."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from local.accounting import MAX_ID, SymbolBooks, audit, hop_latencies, quantiles
from local.completion import made_ids
from tickwire import envelope
from tickwire.columns import TradeFlag
from tickwire.intervals import IntervalSet
from tickwire.records import Progress

if TYPE_CHECKING:
    from local.stack import LocalPlatform

_MAX_RECORDS = 50_000


def close_books(
    stack: "LocalPlatform", *, ingested: Mapping[str, Any], backfilled: Mapping[str, Any], truth: dict[str, Any] | None
) -> dict[str, Any]:
    """Compare ingestor, backfiller, validator, lake, dead letters and exchange; give the summary as JSON types.

    ``ingested`` and ``backfilled`` are the statistics of ingestor and backfiller, ``truth`` is what the
    local exchange says of itself, or None.
    """
    import psycopg

    with psycopg.connect(stack.postgres.url) as database:
        progress = _progress(database)
        rules, quarantined_ids = _quarantined(database)
        rejected = _rejected(database)
        bars = _bars(database)
        absent = _absent(database)
        reopened = _reopened(database)
        gaps = _gaps(database)
    stored = _stored(stack)
    received = Counter({key: int(symbol["trades"]) for key, symbol in ingested["symbols"].items()})
    fetched = {
        f"{venue}:{symbol}": int(figures["trades"])
        for venue, told in backfilled["venues"].items()
        for symbol, figures in told["symbols"].items()
    }
    received.update(fetched)
    made = made_ids(truth)
    books = {
        key: SymbolBooks(
            received=received[key],
            progress=progress.get(key),
            stored=stored.get(key, _Stored()).ids,
            stored_rows=stored.get(key, _Stored()).rows,
            reopened=reopened.get(key, IntervalSet()),
            redriven=stored.get(key, _Stored()).redriven,
            made=None if made is None else made.get(key, IntervalSet()),
            quarantined_ids=frozenset(quarantined_ids.get(key, ())),
            absent=absent.get(key, IntervalSet()),
        )
        for key in {*received, *progress, *stored}
    }
    verdict = audit(books)
    delivered = stack.watcher.delivered
    return {
        "trades": {
            "received": sum(received.values()),
            "backfilled": sum(fetched.values()),
            "made": sum(_made_since(book) for book in books.values()) if made is not None else None,
            "absent": sum(p.absent for p in progress.values()),
            "duplicates": sum(p.duplicates for p in progress.values()),
            "quarantined": sum(p.quarantined for p in progress.values()),
            "stored": sum(book.stored.count for book in books.values()),
            "stored_twice": verdict.stored_twice,
            "missing": sum(p.missing for p in progress.values()),
            "unaccounted": verdict.unaccounted,
        },
        "quarantined_by_rule": rules,
        "rejected_frames_by_reason": rejected,
        "gaps": gaps,
        "bars": bars,
        "messages_delivered": delivered.messages,
        "bars_delivered": delivered.bars,
        "holes": delivered.holes,
        "latency_ms": {
            "stages": hop_latencies(list(_hops(stack))),
            "socket_to_screen": quantiles(delivered.seconds),
        },
        "ingestor": {name: ingested["published"][name] for name in ("records", "bytes", "retries")},
        "functions": {
            name: {
                "records": s.records,
                "invocations": s.invocations,
                "mean_ms": round(s.seconds_invoking / max(1, s.invocations) * 1000, 1),
                "errors": s.errors,
                "given_up": s.given_up,
            }
            for name, s in stack.function_statistics().items()
        },
        "symbols": {
            key: {
                "received": book.received,
                "stored": book.stored.count,
                "missing": book.progress.missing if book.progress else 0,
                "quarantined": book.progress.quarantined if book.progress else 0,
            }
            for key, book in sorted(books.items())
        },
        "problems": list(verdict.problems),
        "accounted": not verdict.problems,
    }


def _made_since(book: SymbolBooks) -> int:
    """Count the trades that the exchange has from the first one seen here on."""
    if book.made is None or book.progress is None:
        return 0
    return sum(last - first + 1 for first, last in book.made.within(book.progress.first_id, MAX_ID))


def _progress(database: Any) -> dict[str, Progress]:
    rows = database.execute(
        "SELECT venue, symbol, first_id, last_id, accepted, duplicates, quarantined, quarantined_ids, missing,"
        " missing_ranges, time_ns, absent FROM progress"
    )
    return {f"{row[0]}:{row[1]}": msgspec.convert(row, Progress) for row in rows}


def _absent(database: Any) -> dict[str, IntervalSet]:
    return _ranges(
        database.execute("SELECT venue || ':' || symbol, lower(r), upper(r) - 1 FROM ledger, unnest(absent) AS r")
    )


def _reopened(database: Any) -> dict[str, IntervalSet]:
    return _ranges(
        database.execute("SELECT venue || ':' || symbol, first_id, last_id FROM findings WHERE kind = 'reopen'")
    )


def _ranges(rows: Iterable[tuple[str, int, int]]) -> dict[str, IntervalSet]:
    found: dict[str, IntervalSet] = {}
    for key, first, last in rows:
        found.setdefault(key, IntervalSet()).add(first, last)
    return found


def _gaps(database: Any) -> dict[str, int]:
    """Count gaps, and the ids in them by what became of them."""
    row = database.execute(
        "SELECT count(*), count(*) FILTER (WHERE remaining > 0), coalesce(sum(live), 0)::bigint,"
        " coalesce(sum(history), 0)::bigint, coalesce(sum(absent), 0)::bigint, coalesce(sum(quarantined), 0)::bigint,"
        " coalesce(sum(remaining), 0)::bigint FROM gaps"
    ).fetchone()
    return dict(zip(("noticed", "open", "live", "history", "absent", "quarantined", "remaining"), row, strict=True))


def _quarantined(database: Any) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Count the dead letters of trades by rule, and list their ids by symbol."""
    rules: Counter[str] = Counter()
    ids: dict[str, list[int]] = {}
    rows = database.execute(
        "SELECT reason, venue, symbol, (fields->'row'->>'trade_id')::bigint FROM dead_letters WHERE kind = 'trade'"
    )
    for rule, venue, symbol, trade_id in rows:
        rules[rule] += 1
        ids.setdefault(f"{venue}:{symbol}", []).append(trade_id)
    return dict(rules), ids


def _rejected(database: Any) -> dict[str, int]:
    rows = database.execute("SELECT reason, count(*) FROM dead_letters WHERE kind <> 'trade' GROUP BY reason")
    return dict(rows.fetchall())


def _bars(database: Any) -> dict[str, int]:
    rows = database.execute("SELECT interval_seconds, count(*) FROM bars GROUP BY interval_seconds ORDER BY 1")
    return {f"{seconds}s": count for seconds, count in rows}


@dataclass(slots=True)
class _Stored:
    """What the lake has of a symbol."""

    ids: IntervalSet = field(default_factory=IntervalSet)
    rows: int = 0
    redriven: int = 0


def _stored(stack: "LocalPlatform") -> dict[str, _Stored]:
    """Read the ids of every trade in the lake, by symbol."""
    found: dict[str, _Stored] = {}
    for batch in _lake_batches(stack):
        for venue, symbol, trade_id, flags in zip(*(batch.column(k).to_pylist() for k in range(4)), strict=True):
            stored = found.setdefault(f"{venue}:{symbol}", _Stored())
            stored.ids.add(trade_id, trade_id)
            stored.rows += 1
            stored.redriven += bool(flags & TradeFlag.REDRIVEN)
    return found


def _lake_batches(stack: "LocalPlatform") -> Iterator[Any]:
    from pyiceberg.exceptions import NoSuchTableError

    from lambdas.lake_committer.lake_table import glue_catalog
    from tickwire.lake import TABLE

    try:
        table = glue_catalog().load_table((stack.output("LakeDatabaseName"), TABLE))
    except NoSuchTableError:
        return
    yield from table.scan(selected_fields=("venue", "symbol", "trade_id", "flags")).to_arrow_batch_reader()


def _hops(stack: "LocalPlatform") -> Iterator[tuple[tuple[str, int], ...]]:
    import boto3

    kinesis = boto3.client("kinesis", endpoint_url=stack.emulator.endpoint_url)
    name = stack.output("EventsStream")
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        seen = 0
        while iterator and seen < _MAX_RECORDS:
            reply = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            if not reply["Records"]:
                break
            seen += len(reply["Records"])
            iterator = reply.get("NextShardIterator")
            for record in reply["Records"]:
                for data in envelope.split(record["Data"]):
                    yield envelope.decode(data).header.hops
