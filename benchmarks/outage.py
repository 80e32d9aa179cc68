"""A long outage of one venue's stream, filled from its history, while the other venues go on.

    python -m benchmarks.outage --seconds 600 --rate 1290 --out outage.json

Starts the local platform with a simulated market, cuts Binance's stream for so long while its market
trades on, and measures from the moment it is back: how long until every missed trade is stored, within
which of the venue's limits, and how fast live bars reach a screen before, during and after.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psycopg

from local.accounting import quantiles
from local.books import close_books
from local.completion import complete, made_ids
from local.stack import LocalPlatform, Source, fetch
from tickwire.intervals import IntervalSet

VENUE = "binance"
WARM_SECONDS = 20
SETTLED_SECONDS = 20


@dataclass(slots=True)
class Phase:
    """A part of the run, and the latency of live bars in it."""

    name: str
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    latency_ms: dict[str, float | None] = field(default_factory=dict)
    samples: int = 0


class Outage:
    """One run on a started platform."""

    def __init__(self, stack: LocalPlatform, *, seconds: float) -> None:
        self._stack = stack
        self._seconds = seconds
        self.phases: list[Phase] = []
        self._seen = 0

    def run(self) -> dict[str, Any]:
        """Go through all phases; gives the figures."""
        with self._phase("before"):
            self._wait(WARM_SECONDS)
        with self._phase("outage"):
            order = {"kind": "disconnect", "feed": VENUE, "mode": "abort", "refuse": self._seconds}
            body = json.dumps(order).encode()
            with urlopen(Request(f"{self._stack.exchange_url}/control/faults", body, method="POST"), timeout=10):
                pass
            self._wait(self._seconds)
        with self._phase("filling"):
            # What the venue's market has traded until now must be here, and nothing missing.
            due = made_ids(fetch(f"{self._stack.exchange_url}/control/truth")) or {}
            began = time.monotonic()
            while waits := self._waits(due):
                if time.monotonic() - began > 3 * self._seconds + 120:
                    raise RuntimeError(f"after {time.monotonic() - began:.0f} s: {waits}")
                self._wait(1.0)
        filled = self._stats()
        with self._phase("after"):
            self._wait(SETTLED_SECONDS)
        symbols = filled["symbols"].values()
        requests = sum(s["requests"] for s in symbols)
        seconds = self.phases[2].seconds
        return {
            "missed_trades": sum(s["trades"] for s in symbols),
            "seconds_to_fill": round(seconds, 1),
            "requests": requests,
            # Requests begin while the stream is still down: a look at the newest trades shows what is missing.
            "requests_a_minute": round(requests / (self.phases[1].seconds + seconds) * 60),
            "rate_limit_replies": filled["rate_limited"] + sum(s["rate_limited"] for s in symbols),
            "phases": [
                {"name": p.name, "seconds": round(p.seconds, 1), "latency_ms": p.latency_ms, "samples": p.samples}
                for p in self.phases
            ],
        }

    def _phase(self, name: str) -> "_Measured":
        return _Measured(self, Phase(name))

    def take_latency(self) -> list[float]:
        """Give the seconds of live bars that came since the last call."""
        seconds = self._stack.watcher.delivered.seconds
        taken, self._seen = seconds[self._seen :], len(seconds)
        return taken

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._stack.check()
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))

    def _waits(self, due: Mapping[str, IntervalSet]) -> str:
        """Say what is not here yet of the venue's ids; empty if all is."""
        with psycopg.connect(self._stack.postgres.url) as database:
            rows = database.execute("SELECT venue || ':' || symbol, last_id, missing FROM progress").fetchall()
        behind = [key for key, last_id, _ in rows if max(last for _, last in due[key].ranges()) > last_id]
        missing = sum(row[2] for row in rows)
        return f"{missing} ids missing, {len(behind)} symbols behind" if missing or behind else ""

    def _stats(self) -> dict[str, Any]:
        return dict(fetch(f"{self._stack.backfiller_url}/stats")["venues"][VENUE])


class _Measured:
    def __init__(self, outage: Outage, phase: Phase) -> None:
        self._outage = outage
        self._phase = phase

    def __enter__(self) -> None:
        self._outage.take_latency()
        self._phase.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        phase = self._phase
        phase.seconds = time.monotonic() - phase.started
        samples = self._outage.take_latency()
        phase.latency_ms, phase.samples = quantiles(samples), len(samples)
        self._outage.phases.append(phase)
        print(f"  {phase.name}: {phase.seconds:.0f} s, latency {phase.latency_ms}", file=sys.stderr, flush=True)


def main() -> int:
    """Run as the command line says; 1 if anything is not accounted for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="length of the outage (default: %(default)s)")
    parser.add_argument(
        "--rate", type=float, default=1290, help="trades a second over all venues; 78 %% are Binance's (%(default)s)"
    )
    parser.add_argument("--out", type=Path, help="file for the figures, as JSON")
    options = parser.parse_args()
    dashboard = Path(__file__).parents[1] / "dashboard" / "dist"
    source = Source("outage", ("--source", "simulator", "--seed", "5", "--rate", str(options.rate)))
    with tempfile.TemporaryDirectory(prefix="tickwire-outage-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        stack = LocalPlatform(
            Path(folder) / "run", source=source, port=0, report=lambda name, seconds: None, dashboard=dashboard
        )
        stack.start()
        try:
            figures = Outage(stack, seconds=options.seconds).run()
            fetch(f"{stack.exchange_url}/control/stop", method="POST")
            stack.wait_for_exchange(seconds=30)
            ingested = stack.stop_ingestor()
            figures["outstanding"] = str(complete(stack, seconds=300))
            truth = fetch(f"{stack.exchange_url}/control/truth")
            summary = close_books(stack, ingested=ingested, backfilled=stack.stop_backfiller(), truth=truth)
        finally:
            stack.stop()
    figures |= {name: summary[name] for name in ("trades", "gaps", "problems")}
    text = json.dumps(figures, indent=2)
    if options.out is not None:
        options.out.write_text(text + "\n")
    print(text)
    return 0 if summary["accounted"] else 1


if __name__ == "__main__":
    sys.exit(main())
