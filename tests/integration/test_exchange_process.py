"""``python -m local.exchange`` as a process: what it prints, how it stops, what it refuses."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local.exchange", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_where_it_listens_and_stops_on_sigterm() -> None:
    process = start("--seed", "5", "--rate", "50")
    try:
        assert process.stdout is not None
        listening = json.loads(process.stdout.readline())
        assert listening["event"] == "listening"
        with urllib.request.urlopen(f"http://127.0.0.1:{listening['port']}/control/state") as answer:
            assert json.load(answer)["source"] == "simulator"
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=20)
    finally:
        process.kill()

    stopped = json.loads(out)
    assert stopped["event"] == "stopped"
    assert stopped["state"]["finished"] is True
    assert (process.returncode, errors) == (0, "")


def test_a_file_that_is_no_capture_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")

    process = start("--source", "replay", str(path))
    out, errors = process.communicate(timeout=20)

    assert (process.returncode, out) == (2, "")
    assert errors.startswith("error: ")
    assert "notes.txt: not a capture" in errors


def test_a_port_in_use_is_refused_with_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in errors


def test_a_replay_without_files_is_refused() -> None:
    process = start("--source", "replay")
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 2
    assert "needs at least one capture file" in errors
