"""Real servers on this machine, each started once a run: the AWS emulator and PostgreSQL."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from local.emulator import Emulator
from local.postgres import LocalPostgres


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    """The address of a fresh MiniStack."""
    with Emulator() as emulator:
        yield emulator.endpoint_url


@pytest.fixture
def aws(emulator_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The emulator, with the environment set so that every AWS client of this process uses it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": emulator_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return emulator_url


@pytest.fixture(scope="session")
def postgres() -> Iterator[LocalPostgres]:
    """A fresh PostgreSQL server, in a short path since it listens on a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="tickwire-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with LocalPostgres(Path(folder) / "postgres") as server:
            yield server


@pytest.fixture
def database_url(postgres: LocalPostgres) -> Iterator[str]:
    """An empty database of that server."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield str(psycopg.conninfo.make_conninfo(postgres.url, dbname=name))
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def lambda_context() -> SimpleNamespace:
    """What Powertools reads of Lambda's context object."""
    return SimpleNamespace(
        function_name="test",
        memory_limit_in_mb=128,
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:test",
        aws_request_id="00000000-0000-0000-0000-000000000000",
        get_remaining_time_in_millis=lambda: 60_000,
    )
