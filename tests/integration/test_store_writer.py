"""Records of market-events in a real PostgreSQL, each stored once whatever happens on the way."""

import json
import os
import subprocess
import sys
import textwrap
import threading
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random

import psycopg
import pytest

from lambdas.migrations.runner import apply
from lambdas.store_writer import rows
from lambdas.store_writer.writer import StoreWriter
from tickwire.records import Bar, Gap, Header, Notice, Progress, Quarantined, Record, RecordKind

from .stores import Store, event

MINUTE = 60_000_000_000
AUGUST = 19_943 * 86_400_000_000_000  # 2024-08-08


def record(partition: int, counter: int, **changed: tuple[object, ...]) -> Record:
    """A record as the signals stage makes it: the bar of its minute is amended by every third record."""
    symbol = f"S{partition}-USD"
    start = AUGUST + counter // 3 * MINUTE
    close = 100_000_000 * counter + 1
    sections = {
        "bars": (
            Bar("v", symbol, 60, start, 8, 8, 1, close, 1, close, 30, 10, Decimal("0.30"), 3, 1, 9, counter, False, 7),
        ),
        "progress": (Progress("v", symbol, 1, counter, counter - 1, 0, 0, 0, 1, ((5, 5),), counter),),
        "gaps": (Gap("v", symbol, counter, counter, "id_jump", 1),),
        "quarantined": (Quarantined(f"{partition}-{counter}", "v", symbol, 1, "side", "?", "1.0", "2", 0, 1, 2),),
        "notices": (Notice("v", "connection", "lost", 1, 5),),
        **changed,
    }
    return Record(header=Header(RecordKind.EVENTS, partition, counter), **sections)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    store = Store(database_url)
    yield store
    store.database.close()


def test_a_record_becomes_rows_with_every_digit(store):
    result = store.writer.write_event(event(record(1, 1)))
    assert (result.response, result.records, result.repeats) == ({"batchItemFailures": []}, 1, 0)
    bar = store.query(
        "SELECT venue, symbol, interval_seconds, to_char(start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),"
        " open::text, close::text, volume::text, buy_volume::text, notional::text, trades, revision, final FROM bars"
    )
    prices = ("0.00000001", "1.00000001", "0.00000030", "0.00000010", "0.30")
    assert bar == [("v", "S1-USD", 60, "2024-08-08 00:00:00", *prices, 3, 1, False)]
    assert store.query("SELECT symbol, last_id, accepted, missing, missing_ranges FROM progress") == [
        ("S1-USD", 1, 0, 1, [[5, 5]])
    ]
    assert store.query("SELECT first_id, last_id, cause FROM gaps") == [(1, 1, "id_jump")]
    assert store.query("SELECT key, rule, price FROM quarantined") == [("1-1", "side", "1.0")]
    assert store.query("SELECT partition, counter, ordinal, kind FROM notices") == [(1, 1, 0, "connection")]
    assert store.query("SELECT sink, partition, counter FROM stream_checkpoints") == [("store_writer", 1, 1)]


def test_a_batch_that_comes_again_changes_nothing(store):
    batch = event(record(1, 1), record(2, 1), record(1, 2))
    store.writer.write_event(batch)
    before = store.contents()
    result = store.writer.write_event(batch)
    assert (result.records, result.repeats) == (0, 3)
    assert store.contents() == before


def test_an_amended_bar_replaces_its_earlier_revision_never_a_later_one(store):
    store.writer.write_event(event(record(1, 1)))
    store.writer.write_event(event(record(1, 2)))
    assert store.query("SELECT revision, close::text FROM bars") == [(2, "2.00000001")]
    older = record(1, 1).bars
    store.writer.write_event(event(record(1, 3, bars=older)))
    assert store.query("SELECT revision, close::text FROM bars") == [(2, "2.00000001")]


def test_a_jump_stops_its_partition_and_what_precedes_it_is_stored(store):
    result = store.writer.write_event(event(record(1, 1), record(2, 1), record(1, 3), record(2, 2), record(1, 4)))
    assert result.response == {"batchItemFailures": [{"itemIdentifier": "9002"}]}
    assert store.contents()["stream_checkpoints"] == [("store_writer", 1, 1), ("store_writer", 2, 2)]
    healed = store.writer.write_event(event(record(1, 2), record(1, 3), record(1, 4)))
    assert healed.response == {"batchItemFailures": []}
    assert len(store.contents()["gaps"]) == 6


def test_the_first_record_of_a_partition_must_be_number_one(store):
    assert store.writer.write_event(event(record(1, 2))).response["batchItemFailures"] != []
    assert store.contents()["gaps"] == []


def test_an_unreadable_record_stops_its_partition(store):
    batch = event(record(1, 1), record(1, 2), record(2, 1))
    batch["Records"][1]["kinesis"]["data"] = b64encode(b"garbage").decode()
    result = store.writer.write_event(batch)
    assert result.response == {"batchItemFailures": [{"itemIdentifier": "9001"}]}
    assert store.contents()["stream_checkpoints"] == [("store_writer", 1, 1), ("store_writer", 2, 1)]


@pytest.mark.parametrize("seed", range(6))
def test_however_batches_are_split_and_repeated_the_tables_are_the_same(store, seed):
    """The oracle: all records in one go."""
    random = Random(seed)
    streams = {partition: [record(partition, c) for c in range(1, 25)] for partition in range(3)}
    sent = dict.fromkeys(streams, 0)
    while any(done < len(streams[partition]) for partition, done in sent.items()):
        batch: list[Record] = []
        for partition, stream in streams.items():
            first = random.randint(0, sent[partition])
            last = random.randint(first, min(len(stream), first + 8))
            batch += stream[first:last]
            sent[partition] = max(sent[partition], last)
        response = store.writer.write_event(event(*batch)).response
        assert response == {"batchItemFailures": []}
    for partition, stream in streams.items():
        expected = stream[-1].header.counter
        assert ("store_writer", partition, expected) in store.contents()["stream_checkpoints"]
    # By hand: 24 records a partition; bars of minutes 0..8; counter c amends minute c // 3 with revision c.
    found = store.query(
        "SELECT symbol, (extract(epoch FROM start) - extract(epoch FROM timestamptz '2024-08-08Z'))::int / 60, revision"
        " FROM bars ORDER BY 1, 2"
    )
    assert found == [(f"S{p}-USD", m, min(3 * m + 2, 24)) for p in range(3) for m in range(9)]
    assert [len(store.contents()[table]) for table in ("gaps", "quarantined", "notices")] == [72, 72, 72]
    assert store.query("SELECT symbol, accepted FROM progress ORDER BY 1") == [(f"S{p}-USD", 23) for p in range(3)]


def test_twins_of_an_invocation_at_the_same_time_store_once(store):
    batch = event(*(record(partition, counter) for counter in range(1, 6) for partition in (2, 1)))
    together = threading.Barrier(3)
    stored: list[int] = []

    def invoke() -> None:
        database = store.new_database()
        together.wait()
        stored.append(StoreWriter(database).write_event(batch).records)
        database.close()

    threads = [threading.Thread(target=invoke) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(stored) == [0, 0, 10]
    assert len(store.contents()["gaps"]) == 10


def test_a_connection_that_the_server_closed_is_replaced(store):
    store.writer.write_event(event(record(1, 1)))
    store.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tickwire_writer'")
    assert store.writer.write_event(event(record(1, 2))).records == 1
    assert store.contents()["stream_checkpoints"] == [("store_writer", 1, 2)]


def test_a_connection_to_a_server_that_a_failover_made_a_reader_is_replaced(store):
    store.writer.write_event(event(record(0, 1)))
    store.database.run(lambda connection: connection.execute("SET default_transaction_read_only = on"))
    assert store.writer.write_event(event(record(0, 2))).response == {"batchItemFailures": []}
    assert store.contents()["stream_checkpoints"] == [("store_writer", 0, 2)]


def test_a_server_that_takes_no_writes_is_not_connected_to(store):
    name = psycopg.conninfo.conninfo_to_dict(store.url)["dbname"]
    with psycopg.connect(store.url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        store.writer.write_event(event(record(0, 1)))


def test_a_failure_in_the_transaction_stores_nothing_and_the_next_attempt_all(store, monkeypatch):
    write = rows.write

    def write_and_fail(connection: psycopg.Connection, changes: object) -> None:
        write(connection, changes)
        raise OSError("no space left")

    monkeypatch.setattr(rows, "write", write_and_fail)
    with pytest.raises(OSError, match="no space"):
        store.writer.write_event(event(record(1, 1)))
    assert all(not found for found in store.contents().values())
    monkeypatch.undo()
    assert store.writer.write_event(event(record(1, 1))).records == 1


def test_text_that_postgresql_cannot_hold_does_not_stop_a_partition(store):
    odd = record(1, 1, notices=(Notice("v", "frame_rejected", "a\x00b", 1, 5),))
    assert store.writer.write_event(event(odd)).records == 1
    assert store.query("SELECT text FROM notices") == [("a\ufffdb",)]


def test_a_writer_killed_in_its_transaction_leaves_nothing_and_the_retry_stores_all(store, tmp_path):
    batch = [record(1, counter) for counter in range(1, 6)]
    expected = killed_and_retried(store, tmp_path, batch)
    assert expected["stream_checkpoints"] == [("store_writer", 1, 5)]
    assert len(expected["gaps"]) == 5
    assert [row[-3] for row in expected["bars"]] == [2, 5]


def killed_and_retried(store: Store, tmp_path: Path, batch: list[Record]) -> dict[str, list[tuple]]:
    (tmp_path / "event.json").write_text(json.dumps(event(*batch)))
    script = textwrap.dedent(
        """
        import json, sys, time
        from lambdas.postgres.database import Database, DatabaseSettings, connect
        from lambdas.store_writer import rows
        from lambdas.store_writer.writer import StoreWriter

        write = rows.write

        def write_and_hang(connection, changes):
            write(connection, changes)
            print("written, not committed", flush=True)
            time.sleep(600)

        rows.write = write_and_hang
        database = Database(lambda: connect(DatabaseSettings(database_url=sys.argv[1])), prepare=rows.prepare)
        StoreWriter(database).write_event(json.load(open(sys.argv[2])))
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, store.url, str(tmp_path / "event.json")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    try:
        assert process.stdout.readline() == "written, not committed\n"
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
    assert all(not found for found in store.contents().values())
    # The retry waits until the server has noticed the death and let go of the checkpoint's row.
    assert store.writer.write_event(event(*batch)).records == len(batch)
    return store.contents()


def test_the_function_stores_and_reports(store, monkeypatch, lambda_context):
    monkeypatch.setenv("TICKWIRE_DATABASE_URL", store.url)
    sys.modules.pop("lambdas.store_writer.handler", None)
    from lambdas.store_writer.handler import handler

    assert handler(event(record(1, 1)), lambda_context) == {"batchItemFailures": []}
    assert handler(event(record(1, 3)), lambda_context) == {"batchItemFailures": [{"itemIdentifier": "9000"}]}
    assert store.contents()["stream_checkpoints"] == [("store_writer", 1, 1)]
