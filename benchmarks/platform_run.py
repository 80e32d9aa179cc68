"""The whole platform on this machine, from an exchange's socket to a screen, for its latency."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SECONDS, RATE = 60, 1_000
_PATIENCE_SECONDS = 400


def measure_platform(*, seconds: int = SECONDS, rate: int = RATE) -> dict[str, Any]:
    """Run ``tickwire run`` with a simulated market; gives its latencies and whether its books close.

    Raises
    ------
    RuntimeError
        If it failed, or did not account for every trade.
    """
    command = [str(Path(sys.executable).with_name("tickwire")), "run", "--json", "--port", "0"]
    with TemporaryDirectory(prefix="tickwire-bench-", ignore_cleanup_errors=True) as folder:
        # The database's servers run as a user of their own, who must be able to enter.
        Path(folder).chmod(0o755)
        command += ["--folder", f"{folder}/run", "--seconds", str(seconds), "--rate", str(rate)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"tickwire run ended with {done.returncode}: {done.stderr[-1_000:]}")
    summary = json.loads(done.stdout)
    return {
        "seconds": seconds,
        "rate": rate,
        "trades": summary["trades"]["made"],
        "stored": summary["trades"]["stored"],
        "missing": summary["trades"]["missing"],
        "latency_ms": summary["latency_ms"],
    }
