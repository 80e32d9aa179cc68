"""LocalStack's process: it has what it is said to have, is reached from this machine only, and leaves nothing."""

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local.emulator import EmulatorFailed
from local.localstack import LocalStackEmulator

# So that `make test-localstack` selects them.
pytestmark = pytest.mark.services(*LocalStackEmulator.SERVICES)

PROJECT = Path(__file__).parents[2]
INSTALLATION = PROJECT / ".venv-localstack"
QUESTIONS = {
    "cloudwatch": "list_metrics",
    "kinesis": "list_streams",
    "s3": "list_buckets",
    "secretsmanager": "list_secrets",
    "sqs": "list_queues",
    "ssm": "describe_parameters",
    "stepfunctions": "list_state_machines",
}


def client(service: str, endpoint_url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def localstack() -> Iterator[LocalStackEmulator]:
    if not INSTALLATION.exists():
        pytest.skip("LocalStack is not installed; `make setup-localstack` does it")
    with LocalStackEmulator(INSTALLATION) as localstack:
        yield localstack


def kinesis_port(localstack: LocalStackEmulator) -> int:
    """Where LocalStack's Kinesis, a process of its own, listens once it has been asked for something."""
    client("kinesis", localstack.endpoint_url).list_streams()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := re.search(r"Plain Mock Service on port (\d+)", localstack.log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(localstack.log_tail())


def answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


def test_one_that_is_not_installed_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmulatorFailed, match="run `make setup-localstack`"):
        LocalStackEmulator(tmp_path).start()


@pytest.mark.parametrize("service", sorted(LocalStackEmulator.SERVICES))
def test_each_service_that_it_is_said_to_have_answers(localstack: LocalStackEmulator, service: str) -> None:
    reply = getattr(client(service, localstack.endpoint_url), QUESTIONS[service])()
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_it_and_its_kinesis_listen_on_this_machine_only(localstack: LocalStackEmulator) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing; asks which address of ours would be used to reach another machine.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its own")
        outside = probe.getsockname()[0]
    for port in (localstack.port, kinesis_port(localstack)):
        assert answers("127.0.0.1", port)
        assert not answers(outside, port)


def test_nothing_is_left_when_it_has_stopped() -> None:
    if not INSTALLATION.exists():
        pytest.skip("LocalStack is not installed; `make setup-localstack` does it")
    with LocalStackEmulator(INSTALLATION) as localstack:
        port, pid, folder = kinesis_port(localstack), localstack.pid, localstack.log.parent
    assert not answers("127.0.0.1", port)
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_container_is_of_the_same_version_and_for_this_machine_only() -> None:
    (service,) = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"].values()
    locked = re.search(r"^localstack-core==(.+)$", (PROJECT / "requirements-localstack.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert service["image"] == f"localstack/localstack:{locked[1]}"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
