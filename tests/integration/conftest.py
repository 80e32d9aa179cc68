"""Real servers on this machine, each started once a run: the AWS emulator and PostgreSQL."""

import json
import os
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from local.emulator import Emulator
from local.localstack import LocalStackEmulator
from local.postgres import LocalPostgres

PROJECT = Path(__file__).parents[2]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a service that the chosen emulator has not."""
    marked = [(item, set(marker.args)) for item in items for marker in item.iter_markers("services")]
    emulator: str = config.getoption("emulator")
    if not marked or emulator == "ministack":
        return
    offered = LocalStackEmulator.SERVICES if emulator == "localstack" else _services_of(emulator)
    for item, needed in marked:
        if missing := needed - offered:
            item.add_marker(pytest.mark.skip(reason=f"{emulator} has no {', '.join(sorted(missing))}"))


def _services_of(address: str) -> set[str]:
    """Ask a LocalStack that runs."""
    try:
        with urllib.request.urlopen(f"{address}/_localstack/health", timeout=10) as reply:
            services: dict[str, str] = json.load(reply)["services"]
    except (OSError, ValueError, KeyError) as error:
        raise pytest.UsageError(
            f"--emulator {address}: not ministack, not localstack, and no LocalStack answers"
        ) from error
    return {name for name, status in services.items() if status in {"available", "running"}}


@pytest.fixture(scope="session")
def emulator_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of the emulator of AWS: a fresh one, or the one that `--emulator` gives the address of."""
    choice: str = pytestconfig.getoption("emulator")
    if choice not in {"ministack", "localstack"}:
        yield choice
        return
    with Emulator() if choice == "ministack" else LocalStackEmulator(PROJECT / ".venv-localstack") as emulator:
        yield emulator.endpoint_url


@pytest.fixture
def aws(request: pytest.FixtureRequest, emulator_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The emulator, with the environment set so that every AWS client of this process uses it."""
    if request.node.get_closest_marker("services") is None:
        pytest.fail("say which services it needs, since not every emulator has all: @pytest.mark.services('kinesis')")
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
