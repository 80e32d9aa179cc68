"""``AWS_ENDPOINT_URL`` decides where the hosts' AWS clients go, and no code names another place.

But for a command on a platform of ``tickwire run``: that one's address stands in its ``run.json``.
"""

import ast
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ecs_tasks.ingestor.aws import client as ingestor_client
from lambdas.delivery.aws import aws_client
from lambdas.lake_committer.lake_table import glue_catalog
from tickwire.cli.endpoints import find_endpoints

PROJECT = Path(__file__).parents[3]
HOSTS = ("tickwire", "lambdas", "ecs_tasks")
ENDPOINT = "http://127.0.0.1:9"

NAMES_AN_ENDPOINT = {
    # A WebSocket API is posted to at an address of its own, which is a setting.
    "lambdas/delivery/aws.py",
    "lambdas/broadcaster/posts.py",
    "lambdas/websocket/handler.py",
    # A platform that runs on this machine wrote its address down; of others this one knows none.
    "tickwire/cli/endpoints.py",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


CLIENTS: dict[str, Callable[[], Any]] = {
    "functions": lambda: aws_client("kinesis", config=Config()),
    "ingestor": lambda: ingestor_client("kinesis", connections=1),
    "committer": lambda: glue_catalog().glue,
    "commands, on a deployed platform": lambda: find_endpoints(
        PROJECT / "no folder", {"TICKWIRE_PARTITIONS": "16"} | os.environ
    ).aws_client("kinesis"),
    "boto3, as the others use it": lambda: boto3.client("s3"),
}


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
def test_a_client_goes_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Any]) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    assert make().meta.endpoint_url == ENDPOINT


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
def test_a_client_goes_to_its_region_where_the_environment_names_no_endpoint(make: Callable[[], Any]) -> None:
    assert make().meta.endpoint_url.endswith("eu-west-1.amazonaws.com")


def test_the_lake_s_files_are_read_and_written_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    assert glue_catalog().properties["s3.endpoint"] == ENDPOINT
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:10")
    assert glue_catalog().properties["s3.endpoint"] == "http://127.0.0.1:10"


def test_a_command_s_client_of_one_service_goes_where_the_environment_says_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:10")
    endpoints = find_endpoints(tmp_path, {"TICKWIRE_PARTITIONS": "16"} | os.environ)
    assert endpoints.aws_client("s3").meta.endpoint_url == "http://127.0.0.1:10"
    assert endpoints.aws_client("sqs").meta.endpoint_url == ENDPOINT


def test_a_command_on_the_platform_of_this_machine_goes_to_the_address_in_its_run_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"pid": os.getpid(), "endpoint_url": "http://127.0.0.1:11"}))
    assert find_endpoints(tmp_path, os.environ).aws_client("s3").meta.endpoint_url == "http://127.0.0.1:11"


def sources() -> Iterator[tuple[str, ast.AST]]:
    for host in HOSTS:
        for path in sorted((PROJECT / host).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                yield path.relative_to(PROJECT).as_posix(), node


def test_no_host_names_an_endpoint_but_for_posts_to_clients_and_commands_on_the_local_platform() -> None:
    named = {
        path
        for path, node in sources()
        if isinstance(node, ast.Call) and any(keyword.arg == "endpoint_url" for keyword in node.keywords)
    }
    assert named == NAMES_AN_ENDPOINT


def test_no_host_has_an_address_of_aws_or_of_an_emulator_in_it() -> None:
    found = [
        (path, node.value)
        for path, node in sources()
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and any(part in node.value for part in ("amazonaws.com", ":4566", "localhost"))
    ]
    assert found == []
