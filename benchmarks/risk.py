"""Measures what a portfolio of twenty symbols costs to judge.

    python -m benchmarks.risk
    python -m benchmarks.risk --paths 100000 --symbols 5 --json

Milliseconds are of the processor, of one thread: the median of as many runs as fit into two seconds.
"""

import argparse
import json
import os

# Before numpy is loaded: one core is what is measured.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from tickwire.risk.covariance import shrunk_covariance
from tickwire.risk.measures import historical, of_losses, parametric
from tickwire.risk.monte_carlo import simulate_losses
from tickwire.risk.portfolio import judge

_SECONDS = 2.0
_HOURS = 720


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.risk", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbols", type=int, default=20, metavar="N", help="symbols of the portfolio (20)")
    parser.add_argument("--paths", type=int, default=10_000, metavar="N", help="simulated paths (10,000)")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    found = measure(options.symbols, options.paths)
    if options.json:
        print(json.dumps(found))
    else:
        for name, milliseconds in found.items():
            print(f"{name:28}{milliseconds:8.2f} ms")
    return 0


def measure(symbols: int, paths: int) -> dict[str, float]:
    """Give the processor's ms of each part, by name."""
    random = np.random.default_rng(1)
    mixed = random.normal(size=(symbols, symbols)) / symbols
    returns = random.standard_t(4, size=(_HOURS, symbols)) @ mixed * 0.01
    values = random.normal(size=symbols) * 10_000
    covariance, _ = shrunk_covariance(returns)
    parts: dict[str, Callable[[], object]] = {
        "covariance": lambda: shrunk_covariance(returns),
        "historical": lambda: historical(returns, values, confidence=0.99, horizon=24),
        "parametric": lambda: parametric(covariance, values, confidence=0.99, horizon=24),
        "Monte Carlo": lambda: of_losses(simulate_losses(covariance, values, horizon=24, paths=paths, seed=1), 0.99),
        "all of it": lambda: judge(returns, values, confidence=0.99, horizon=24, paths=paths, seed=1, reference=0),
    }
    return {name: _milliseconds(run) for name, run in parts.items()}


def _milliseconds(run: Callable[[], object]) -> float:
    run()
    took: list[float] = []
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        started = time.process_time()
        run()
        took.append(time.process_time() - started)
    return median(took) * 1_000


if __name__ == "__main__":
    raise SystemExit(main())
