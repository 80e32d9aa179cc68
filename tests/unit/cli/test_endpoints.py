import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tickwire.cli.endpoints import find_endpoints
from tickwire.cli.output import CommandError


def write_run(folder: Path, **changes: object) -> None:
    (folder / "run").mkdir()
    state = {"pid": os.getpid(), "endpoint_url": "http://127.0.0.1:4566", "page": "http://127.0.0.1:8080"}
    (folder / "run" / "run.json").write_text(json.dumps(state | changes))


def gone_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_running_platform_comes_before_the_environment(tmp_path):
    write_run(tmp_path, database_url="postgresql://local/", partitions=2, raw_stream="raw", exchange_url=None)
    found = find_endpoints(tmp_path, {"TICKWIRE_DATABASE_URL": "postgresql://other/"})
    assert (found.local, found.database_url, found.partitions, found.raw_stream, found.exchange_url) == (
        True, "postgresql://local/", 2, "raw", None,
    )  # fmt: skip
    assert found.endpoint_url == "http://127.0.0.1:4566"


def test_a_platform_that_has_ended_is_none(tmp_path):
    write_run(tmp_path, pid=gone_pid())
    with pytest.raises(CommandError, match="none of `tickwire run` is running"):
        find_endpoints(tmp_path, {})


def test_without_a_running_platform_the_environment_is_taken(tmp_path):
    environment = {
        "TICKWIRE_DATABASE_URL": "postgresql://db/tickwire",
        "TICKWIRE_DATABASE_IAM": "true",
        "TICKWIRE_PARTITIONS": "16",
        "TICKWIRE_RAW_STREAM": "",
    }
    found = find_endpoints(tmp_path, environment)
    assert (found.local, found.database_url, found.database_iam) == (False, "postgresql://db/tickwire", True)
    assert (found.partitions, found.raw_stream, found.endpoint_url) == (16, None, None)


def test_nothing_to_ask_says_what_to_do(tmp_path):
    with pytest.raises(CommandError, match=r"start one .* or set TICKWIRE_DATABASE_URL"):
        find_endpoints(tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})


def test_what_is_unknown_is_asked_for_by_its_variable_or_its_platform(tmp_path):
    with pytest.raises(CommandError, match="set TICKWIRE_RAW_STREAM"):
        find_endpoints(tmp_path, {"TICKWIRE_PARTITIONS": "1"}).require("raw_stream")
    write_run(tmp_path)
    with pytest.raises(CommandError, match="start it again"):
        find_endpoints(tmp_path, {}).require("raw_stream")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "endpoint_url": "y"}', "\xff"])
def test_a_state_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CommandError, match=r"run\.json: "):
        find_endpoints(tmp_path, {"TICKWIRE_DATABASE_URL": "postgresql://db/"})


def test_a_variable_of_the_wrong_type_is_named(tmp_path):
    with pytest.raises(CommandError, match="TICKWIRE_PARTITIONS='many'"):
        find_endpoints(tmp_path, {"TICKWIRE_PARTITIONS": "many"})


def test_clients_of_the_local_platform_need_no_credentials(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    write_run(tmp_path)
    client = find_endpoints(tmp_path, {}).aws_client("kinesis")
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert client._request_signer._credentials.access_key == "test"
