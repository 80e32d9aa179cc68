import json
import threading

import boto3
import psycopg
import pytest
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from lambdas.migrations import __main__ as command
from lambdas.migrations import handler as migrations_handler
from lambdas.migrations import runner
from lambdas.migrations.runner import MigrationChanged, apply

NAMES = [
    "create_store",
    "create_writer_role",
    "dead_letter_bodies",
    "continuity_ledger",
    "create_backfiller_role",
    "create_reader_role",
    "conclusions",
    "reading",
    "operators",
]


def tables(connection: psycopg.Connection) -> set[str]:
    query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    return {name for (name,) in connection.execute(query)}


def test_an_empty_database_gets_every_table_and_a_second_run_does_nothing(database_url):
    with psycopg.connect(database_url) as connection:
        assert apply(connection) == NAMES
        assert tables(connection) == {
            "schema_migrations", "stream_checkpoints", "bars", "progress", "gaps", "quarantined", "notices",
            "dead_letters", "ledger", "findings", "hours", "bar_repairs",
            "predictions", "trading_signals", "whales", "anomalies", "sentiment",
            "audit_log",
        }  # fmt: skip
        connection.commit()
        assert apply(connection) == []


def test_two_that_migrate_at_once_wait_for_each_other(database_url):
    applied: list[list[str]] = []
    together = threading.Barrier(4)

    def migrate() -> None:
        with psycopg.connect(database_url) as connection:
            together.wait()
            applied.append(apply(connection))

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(len, applied)) == [0, 0, 0, len(NAMES)]


def test_a_migration_that_was_edited_after_it_ran_is_refused(database_url, monkeypatch):
    with psycopg.connect(database_url) as connection:
        apply(connection)
    edited = [runner.Migration(m.version, m.name, m.sql + "\n-- edited") for m in runner.migrations()]
    monkeypatch.setattr(runner, "migrations", lambda: edited)
    with psycopg.connect(database_url) as connection, pytest.raises(MigrationChanged, match="0001"):
        apply(connection)


def test_a_migration_that_fails_leaves_nothing_behind(database_url, monkeypatch):
    broken = [*runner.migrations(), runner.Migration(9999, "broken", "CREATE TABLE half (); SELECT nonsense;")]
    monkeypatch.setattr(runner, "migrations", lambda: broken)
    with psycopg.connect(database_url) as connection:
        with pytest.raises(psycopg.Error):
            apply(connection)
        assert tables(connection) == set()


def test_the_command_says_what_it_did_and_fails_clearly(database_url, capsys):
    assert command.main([database_url]) == 0
    assert capsys.readouterr().out == "".join(f"applied {name}\n" for name in NAMES)
    assert command.main([database_url]) == 0
    assert capsys.readouterr().out == "up to date\n"
    assert command.main(["postgresql://127.0.0.1:1/none"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_the_function_applies_what_the_command_does(database_url, monkeypatch, lambda_context):
    monkeypatch.setenv("TICKWIRE_DATABASE_URL", database_url)
    monkeypatch.delenv("TICKWIRE_DATABASE_SECRET", raising=False)
    assert migrations_handler.handler({}, lambda_context) == {"applied": NAMES}


def test_the_function_logs_in_as_the_owner_that_the_secret_names(database_url, monkeypatch, lambda_context):
    parameters = conninfo_to_dict(database_url)
    address = make_conninfo("", **{**parameters, "user": "tickwire_writer", "password": "wrong"})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        secret = boto3.client("secretsmanager").create_secret(
            Name="owner", SecretString=json.dumps({"username": parameters["user"], "password": "p"})
        )
        monkeypatch.setenv("TICKWIRE_DATABASE_URL", address)
        monkeypatch.setenv("TICKWIRE_DATABASE_SECRET", secret["ARN"])
        migrations_handler.handler({}, lambda_context)
    with psycopg.connect(database_url) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert owners == [(parameters["user"],)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_month_of_bars_is_created_once_with_bounds_in_utc_whatever_the_session_zone(database_url, zone):
    with psycopg.connect(database_url) as connection:
        apply(connection)
        connection.execute(f"SET timezone = '{zone}'")
        for day in ("2024-12-31", "2024-12-01", "2025-01-15"):
            connection.execute("SELECT ensure_bars_partition(%s::date)", [day])
        connection.execute("SET timezone = 'UTC'")
        bounds = connection.execute(
            "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'"
            " ORDER BY relname"
        ).fetchall()
    assert bounds == [
        ("bars_202412", "FOR VALUES FROM ('2024-12-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')"),
        ("bars_202501", "FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')"),
    ]
