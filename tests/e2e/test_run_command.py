"""``tickwire run`` as people start it: a process of its own, stopped by Ctrl-C or by its clock."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from .captures import capture_trades
from .platform import Process, processes, wait_until

TICKWIRE = str(Path(sys.executable).with_name("tickwire"))
START_SECONDS = 180


class Run:
    """A ``tickwire run`` that is up: its process, what it wrote about itself, and what it started."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.state: dict[str, Any] = json.loads((folder / "run" / "run.json").read_text())
        self.started = [
            p for p in processes() if p.pid in _descendants(process.pid) or str(folder / "run") in p.command
        ]

    def end(self, number: int | None = None) -> tuple[dict[str, Any], str]:
        """Wait for the end, with number send a signal first, as a terminal does; give the summary and stderr.

        A terminal sends it to the whole group of processes in the foreground.
        """
        if number is not None:
            os.killpg(self.process.pid, number)
        out, errors = self.process.communicate(timeout=START_SECONDS)
        assert self.process.returncode == 0, errors + out
        return json.loads(out), errors

    def leftovers(self) -> list[Process]:
        """Give what it started and what still runs."""
        return [process for process in processes() if process in self.started]

    def open_ports(self) -> list[str]:
        """Give those of its addresses at which something still listens."""
        urls = [url for name, url in self.state.items() if name.endswith("_url") or name == "page"]
        addresses = [(parts.hostname, parts.port) for parts in map(urlsplit, urls) if parts.port]
        assert len(addresses) == 9
        return [f"{host}:{port}" for host, port in addresses if _listens(host, port)]


@contextmanager
def running(folder: Path, temporary: Path, *arguments: str) -> Iterator[Run]:
    """Start a run in a group of its own, and give it when it is up."""
    process = start(folder, *arguments, environment={"TMPDIR": str(temporary)})
    try:
        wait_until(
            lambda: (folder / "run" / "run.json").exists() or process.poll() is not None,
            seconds=START_SECONDS,
            what="the run is up",
        )
        assert process.poll() is None, process.communicate()
        yield Run(process, folder)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=START_SECONDS)


def start(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    command = [TICKWIRE, "run", "--folder", str(folder), *arguments]
    return subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def query(folder: Path, sql: str) -> subprocess.CompletedProcess[str]:
    command = [TICKWIRE, "query", sql, "--json", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_run_answers_queries_refuses_a_second_one_and_ends_in_order_on_ctrl_c(
    run_folder: Path, tmp_path: Path
) -> None:
    with running(run_folder, tmp_path, "--json", "--port", "0") as run:
        with urlopen(run.state["page"], timeout=10) as page:
            assert b"<title>Tickwire</title>" in page.read()

        second = start(run_folder, "--port", "0")
        _, refusal = second.communicate(timeout=60)
        assert second.returncode == 1
        assert refusal.strip().count("\n") == 0
        assert f"another run (process {run.process.pid}) uses {run_folder}" in refusal
        assert f"its page is {run.state['page']}" in refusal

        answers: list[int] = []

        def some_are_stored() -> bool:
            asked = query(run_folder, "SELECT count(*) AS trades FROM trades")
            answers.extend(row["trades"] for row in json.loads(asked.stdout or "[]"))
            return bool(answers) and answers[-1] > 0

        wait_until(some_are_stored, seconds=60, what="trades in the lake")
        summary, errors = run.end(signal.SIGINT)

    assert errors == ""
    assert summary["accounted"] is True
    assert summary["problems"] == []
    assert 0 < answers[-1] <= summary["trades"]["stored"]
    assert summary["trades"]["stored"] == summary["trades"]["made"]
    assert_nothing_left(run, tmp_path)


@pytest.mark.slow
def test_a_run_ends_by_itself_with_a_summary(run_folder: Path, tmp_path: Path) -> None:
    with running(run_folder, tmp_path, "--json", "--port", "0", "--seconds", "5", "--rate", "500") as run:
        summary, errors = run.end()

    assert errors == ""
    assert json.loads((run_folder / "summary.json").read_text()) == summary
    trades = summary["trades"]
    assert trades["received"] == trades["stored"] + trades["duplicates"] + trades["quarantined"]
    assert trades["stored"] > 1_000
    assert (trades["missing"], trades["unaccounted"], trades["stored_twice"]) == (0, 0, 0)
    assert summary["accounted"] is True
    assert sum(symbol["stored"] for symbol in summary["symbols"].values()) == trades["stored"]
    assert summary["bars"].keys() == {"1s", "60s"}
    assert summary["bars_delivered"] > 0
    assert summary["messages_delivered"] > 0
    assert summary["holes"] == 0
    assert summary["latency_ms"]["stages"].keys() == {"validator", "signals"}
    for latency in (*summary["latency_ms"]["stages"].values(), summary["latency_ms"]["socket_to_screen"]):
        assert 0 < latency["p50"] <= latency["p99"]
    assert all(function["errors"] == function["given_up"] == 0 for function in summary["functions"].values())
    assert summary["quarantined_by_rule"] == summary["rejected_frames_by_reason"] == {}
    assert_nothing_left(run, tmp_path)


@pytest.mark.slow
def test_a_replay_ends_when_the_recordings_do_and_stores_all_of_them(
    run_folder: Path, tmp_path: Path, captures: list[Path]
) -> None:
    files = [str(path) for path in captures]
    process = start(run_folder, "--json", "--port", "0", "--replay", *files, "--speed", "0")
    out, errors = process.communicate(timeout=START_SECONDS)

    assert (process.returncode, errors) == (0, "")
    summary = json.loads(out)
    assert summary["trades"]["stored"] == len(capture_trades(captures))
    assert summary["trades"]["missing"] == summary["trades"]["unaccounted"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("-m ecs_tasks.ingestor", "the ingestor ended with status -9"),
        ("-m ecs_tasks.backfiller", "the backfiller ended with status -9"),
        ("-m local.exchange", "the exchange ended with status -9"),
        ("-m local.emulator_process", "the emulator ended with status -9"),
        ("valkey-server 127.0.0.1", "Valkey ended with status -9"),
        ("bin/postgres -D", "PostgreSQL has ended"),
    ],
    ids=["ingestor", "backfiller", "exchange", "emulator", "valkey", "postgres"],
)
def test_a_run_of_which_a_part_dies_says_which_and_stops_the_rest(
    run_folder: Path, tmp_path: Path, command: str, words: str
) -> None:
    with running(run_folder, tmp_path, "--json", "--port", "0") as run:
        (victim,) = [process for process in run.started if command in process.command]
        os.kill(victim.pid, signal.SIGKILL)
        out, errors = run.process.communicate(timeout=START_SECONDS)

    assert (run.process.returncode, out) == (1, "")
    assert errors.startswith(f"tickwire run: {words}")
    assert "Traceback" not in errors
    assert_nothing_left(run, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_starts_stops_what_was_started(
    run_folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(run_folder, "--port", "0", environment={"TMPDIR": str(tmp_path)})
    wait_until(
        lambda: any(p.parent == process.pid and "local.emulator_process" in p.command for p in processes()),
        seconds=START_SECONDS,
        what="the emulator is being started",
    )
    family = _descendants(process.pid)
    started = [p for p in processes() if p.pid in family]

    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=START_SECONDS)

    assert process.returncode == 130
    assert errors.splitlines()[-1] == "tickwire run: interrupted"
    assert "Traceback" not in errors
    assert [p for p in processes() if p in started or str(run_folder / "run") in p.command] == []


@pytest.mark.slow
def test_a_page_whose_port_is_in_use_is_refused_with_a_sentence(run_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(run_folder, "--json", "--port", str(port))
        out, errors = process.communicate(timeout=START_SECONDS)

    assert (process.returncode, out) == (1, "")
    assert f"port {port} is in use; choose another one with --port" in errors
    assert "Traceback" not in errors
    assert [p for p in processes() if str(run_folder / "run") in p.command] == []


@pytest.mark.slow
def test_without_node_a_first_run_says_what_to_install(run_folder: Path, tmp_path: Path) -> None:
    # Another folder, so that no templates of an earlier run are there; a path with the basic tools only.
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "env", "uname"):
        found = next(Path(folder, tool) for folder in ("/bin", "/usr/bin") if Path(folder, tool).exists())
        (tools / tool).symlink_to(found)
    folder = run_folder / "no-node"

    process = start(folder, "--json", "--port", "0", environment={"PATH": str(tools)})
    out, errors = process.communicate(timeout=START_SECONDS)

    assert (process.returncode, out) == (1, "")
    assert "there is no `node`: install Node.js 20 or later" in errors
    assert "Traceback" not in errors
    assert [p for p in processes() if str(folder) in p.command] == []


def assert_nothing_left(run: Run, temporary: Path) -> None:
    """Check that no process, listener or temporary folder outlives a run."""
    assert len(run.started) >= 5
    assert run.leftovers() == []
    assert run.open_ports() == []
    # PostgreSQL's wheel keeps its lock there where the system has no folder for such files.
    assert [path.name for path in temporary.iterdir() if path.name != ".lockfile"] == []
    assert not (run.folder / "run" / "run.json").exists()


def _descendants(pid: int) -> set[int]:
    parents = {process.pid: process.parent for process in processes()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _listens(host: str | None, port: int | None) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex((host, port)) == 0
