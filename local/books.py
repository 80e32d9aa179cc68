"""Gathers a finished run's figures from the places that hold them, and draws up the summary."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from local.accounting import SymbolBooks, audit, hop_latencies, quantiles
from tickwire import envelope
from tickwire.intervals import IntervalSet
from tickwire.records import Progress

if TYPE_CHECKING:
    from local.stack import LocalPlatform

_MAX_RECORDS = 50_000


def close_books(
    stack: "LocalPlatform", *, ingested: Mapping[str, Any], announced: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Compare ingestor, validator, lake, dead letters and exchange; give the summary as JSON types."""
    import psycopg

    with psycopg.connect(stack.postgres.url) as database:
        progress = _progress(database)
        rules, quarantined_ids = _quarantined(database)
        rejected = _rejected(database)
        bars = _bars(database)
    stored = _stored(stack)
    received = {key: int(symbol["trades"]) for key, symbol in ingested["symbols"].items()}
    books = {
        key: SymbolBooks(
            received=received.get(key, 0),
            progress=progress.get(key),
            stored=stored.get(key, (IntervalSet(), 0))[0],
            stored_rows=stored.get(key, (IntervalSet(), 0))[1],
            announced=_announced(announced, key),
            quarantined_ids=frozenset(quarantined_ids.get(key, ())),
        )
        for key in {*received, *progress, *stored, *(announced or {})}
    }
    verdict = audit(books)
    delivered = stack.watcher.delivered
    return {
        "trades": {
            "received": sum(received.values()),
            "announced": sum(int(a["trades"]) for a in announced.values()) if announced is not None else None,
            "duplicates": sum(p.duplicates for p in progress.values()),
            "quarantined": sum(p.quarantined for p in progress.values()),
            "stored": sum(book.stored.count for book in books.values()),
            "stored_twice": verdict.stored_twice,
            "missing": sum(p.missing for p in progress.values()),
            "unaccounted": verdict.unaccounted,
        },
        "quarantined_by_rule": rules,
        "rejected_frames_by_reason": rejected,
        "bars": bars,
        "messages_delivered": delivered.messages,
        "bars_delivered": delivered.bars,
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


def _announced(announced: Mapping[str, Any] | None, key: str) -> IntervalSet | None:
    if announced is None:
        return None
    return IntervalSet((first, last) for first, last in announced.get(key, {}).get("ranges", ()))


def _progress(database: Any) -> dict[str, Progress]:
    rows = database.execute(
        "SELECT venue, symbol, first_id, last_id, accepted, duplicates, quarantined, quarantined_ids, missing,"
        " missing_ranges, time_ns FROM progress"
    )
    return {f"{row[0]}:{row[1]}": msgspec.convert(row, Progress) for row in rows}


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


def _stored(stack: "LocalPlatform") -> dict[str, tuple[IntervalSet, int]]:
    """Read the ids of every trade in the lake; gives them and the number of rows by symbol."""
    ids: dict[str, tuple[IntervalSet, int]] = {}
    for batch in _lake_batches(stack):
        for venue, symbol, trade_id in zip(*(batch.column(k).to_pylist() for k in range(3)), strict=True):
            key = f"{venue}:{symbol}"
            known, rows = ids.get(key) or (IntervalSet(), 0)
            known.add(trade_id, trade_id)
            ids[key] = known, rows + 1
    return ids


def _lake_batches(stack: "LocalPlatform") -> Iterator[Any]:
    from pyiceberg.exceptions import NoSuchTableError

    from lambdas.lake_committer.lake_table import glue_catalog
    from tickwire.lake import TABLE

    try:
        table = glue_catalog().load_table((stack.output("LakeDatabaseName"), TABLE))
    except NoSuchTableError:
        return
    yield from table.scan(selected_fields=("venue", "symbol", "trade_id")).to_arrow_batch_reader()


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
