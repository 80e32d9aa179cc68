"""The emulator's process: it comes up, tells why it does not, and leaves nothing behind."""

import os
import socket
import time
import urllib.request
from pathlib import Path

import boto3
import pytest

from local.emulator import Emulator, EmulatorFailed


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def check_until(emulator: Emulator, deadline: float) -> None:
    while time.monotonic() < deadline:
        emulator.check()
        time.sleep(0.01)


def test_it_answers_and_is_gone_after_the_block(tmp_path: Path) -> None:
    with Emulator(log=tmp_path / "emulator.log") as emulator:
        pid = emulator.pid
        with urllib.request.urlopen(f"{emulator.endpoint_url}/_ministack/health") as reply:
            assert reply.status == 200
        s3 = boto3.client(
            "s3",
            endpoint_url=emulator.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        assert s3.list_buckets()["Buckets"] == []
    assert not is_alive(pid)
    assert (tmp_path / "emulator.log").stat().st_size > 0


def test_it_listens_on_this_machine_only() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing; asks which address of ours would be used to reach another machine.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its own")
        address = probe.getsockname()[0]
    with Emulator() as emulator, socket.socket() as other:
        other.settimeout(2)
        assert other.connect_ex((address, emulator.port)) != 0


def test_a_port_in_use_is_told_with_the_end_of_the_log() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmulatorFailed, match=rf"127\.0\.0\.1:{port} is already in use"):
            Emulator(port=port).start()


def test_its_temporary_folder_is_removed() -> None:
    emulator = Emulator()
    emulator.start()
    folder = emulator.log.parent
    assert folder.is_dir()
    emulator.stop()
    assert not folder.exists()


def test_an_emulator_that_died_is_noticed() -> None:
    emulator = Emulator()
    emulator.start()
    try:
        emulator.check()
        os.kill(emulator.pid, 9)
        with pytest.raises(EmulatorFailed, match="ended with status -9"):
            check_until(emulator, time.monotonic() + 10)
    finally:
        emulator.stop()


def test_one_that_was_not_started_has_no_pid() -> None:
    with pytest.raises(EmulatorFailed, match="not started"):
        _ = Emulator().pid
