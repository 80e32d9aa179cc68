"""Runs one benchmark in a process of its own: ``python -m benchmarks.child '{"prepare": …}'`` prints a JSON line.

It runs in the peers' environment too, so it imports only what a benchmark itself needs.
"""

import importlib
import json
import os
import sys
from typing import Any

ONE_THREAD = dict.fromkeys(
    ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"), "1"
)
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "268435456"}
"""As in the images (their Dockerfiles say why), for peers as well."""
READY, GO = "ready", "go"


def main() -> None:
    """Prepare, check, wait for the word if it comes with others, measure, print."""
    os.environ.update(ONE_THREAD)
    from benchmarks.harness import measure, peak_mib, rehearse

    job: dict[str, Any] = json.loads(sys.argv[1])
    module, _, function = job["prepare"].partition(":")
    prepared = getattr(importlib.import_module(module), function)(**job["arguments"])
    rehearse(prepared)
    if job.get("gate"):
        # Processes that are measured together begin together.
        print(READY, flush=True)
        assert sys.stdin.readline().strip() == GO
    timing = measure(prepared, passes=job["passes"], seconds=job["seconds"])
    figures = {
        "rows": prepared.rows,
        "cpu_seconds": timing.cpu_seconds,
        "wall_seconds": timing.wall_seconds,
        "passes": timing.passes,
        "peak_mib": peak_mib(),
        "facts": prepared.facts,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
