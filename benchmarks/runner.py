"""Runs cases, each in processes of its own, with the peers in their own environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.cases import Case
from benchmarks.child import GO, KEEP_MEMORY, ONE_THREAD, READY
from benchmarks.results import Result

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
PATIENCE_SECONDS = 180
"""A case that takes longer has hung."""


class CaseFailed(Exception):
    """A case ended without a figure; the text is the end of what it said."""


class NoPeers(CaseFailed):
    """The peers' environment is not there."""


def run_case(case: Case, *, passes: int, seconds: float) -> Result:
    """Run one case: until ``passes`` passes took ``seconds`` of CPU.

    Raises
    ------
    NoPeers
        If it needs the peers' environment, which ``make setup-peers`` makes.
    CaseFailed
        If its outcome was not what it should be, or it hung.
    """
    if case.peer and not PEERS.exists():
        raise NoPeers("no .venv-peers: run `make setup-peers`")
    with TemporaryDirectory(prefix="tickwire-bench-") as folder:
        arguments = dict(case.arguments)
        if case.sample is None:
            arguments |= {"batch": case.batch, "symbols": case.symbols, "trades": case.trades}
        else:
            arguments = _sample(case, Path(folder))
        job = {"prepare": case.prepare, "arguments": arguments, "passes": passes, "seconds": seconds}
        return _result(case, _run(job | {"gate": case.processes > 1}, case))


def _sample(case: Case, folder: Path) -> dict[str, Any]:
    # Here, since a process that only runs other processes should not need the compiler.
    from benchmarks import samples
    from benchmarks.replay import self_signed

    arguments = dict(case.arguments)
    match case.sample:
        case "feed_sample":
            feed = arguments.pop("feed")
            return arguments | samples.feed_sample(folder, feed=feed, trades=case.trades, symbols=case.symbols)
        case "socket_sample":
            secure = {"certificate": self_signed(folder)} if arguments.pop("tls") else {}
            return arguments | secure | samples.socket_sample(folder, trades=case.trades, symbols=case.symbols)
        case _:
            return arguments | samples.bar_sample(folder, bars=case.trades, symbols=case.symbols)


def _run(job: dict[str, Any], case: Case) -> list[dict[str, Any]]:
    python = str(PEERS) if case.peer else sys.executable
    children = [
        subprocess.Popen(
            [python, "-m", "benchmarks.child", json.dumps(job)],
            cwd=ROOT,
            env=os.environ | ONE_THREAD | KEEP_MEMORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(case.processes)
    ]
    try:
        if job["gate"]:
            for child in children:
                assert child.stdout is not None
                if child.stdout.readline().strip() != READY:
                    raise CaseFailed(child.communicate(timeout=PATIENCE_SECONDS)[1][-2_000:])
        # All get the word before any is waited for.
        for child in children:
            if job["gate"] and child.stdin is not None:
                child.stdin.write(f"{GO}\n")
                child.stdin.flush()
        said = [child.communicate(timeout=PATIENCE_SECONDS) for child in children]
    except subprocess.TimeoutExpired as late:
        raise CaseFailed(f"no figure after {PATIENCE_SECONDS} s") from late
    finally:
        for child in children:
            child.kill()
    for child, (_, errors) in zip(children, said, strict=True):
        if child.returncode != 0:
            raise CaseFailed(errors[-2_000:])
    return [json.loads(out.splitlines()[-1]) for out, _ in said]


def _result(case: Case, figures: list[dict[str, Any]]) -> Result:
    first = figures[0]
    return Result(
        name=case.name,
        by=case.by,
        data=case.data,
        batch=case.batch,
        symbols=case.symbols,
        processes=case.processes,
        rows=first["rows"],
        cpu_seconds=sum(one["cpu_seconds"] for one in figures) / len(figures),
        wall_seconds=max(one["wall_seconds"] for one in figures),
        rows_per_cpu_second=sum(one["rows"] / one["cpu_seconds"] for one in figures) / len(figures),
        rows_per_second=sum(one["rows"] / one["wall_seconds"] for one in figures),
        peak_mib=max(one["peak_mib"] for one in figures),
        passes=min(one["passes"] for one in figures),
        facts=first["facts"],
    )
