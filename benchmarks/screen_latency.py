"""How old a trade is when its bar reaches a screen: ``python -m benchmarks.screen_latency``.

The whole platform on this machine, a simulated market at ``--rate`` trades a second, and ``--clients`` on its WebSocket
API, each listening to one symbol. A sample is a provisional bar with a newer trade than the symbol's bars had before:
from the ingestor's receipt of that trade to the client's reading of the bar. What the trade took from the exchange to
the ingestor stands beside it, to the millisecond that the exchange stamps.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lambdas.identity.user import Role
from local.child_process import ChildFailed, ChildProcess
from local.stack import LocalPlatform, Source

TARGET_MS = {"p50": 300.0, "p99": 1_000.0}
_WARM_SECONDS = 15.0


def measure(*, rate: int, clients: int, seconds: float) -> dict[str, Any]:
    """Run the platform with clients once; gives the latencies in ms, and the load of this machine meanwhile.

    Raises
    ------
    TickwireError
        If a part of the platform, or a client, fails.
    """
    source = Source("simulated market", ("--source", "simulator", "--seed", "1", "--rate", str(rate)))
    with tempfile.TemporaryDirectory(prefix="tickwire-latency-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # The database's servers run as a user of their own, who must be able to enter.
        folder.chmod(0o755)
        # Nobody looks at the page.
        page = folder / "page"
        (page / "assets").mkdir(parents=True)
        platform = LocalPlatform(folder / "run", source=source, port=0, report=_report, dashboard=page)
        platform.start()
        try:
            _wait(platform, _WARM_SECONDS)
            token = platform.page.token
            if token is None:
                raise ChildFailed("the platform has no login for its clients")
            symbols = sorted(symbol for symbol in platform.watcher.delivered.progress)
            screens = ChildProcess(
                "screens",
                ["benchmarks.screen_clients", platform.websocket_url, str(clients), *symbols],
                environment={"TICKWIRE_TOKEN": token(Role.VIEWER)},
                log=folder / "screens.log",
            )
            screens.start()
            try:
                screens.wait_for("subscribed", seconds=60 + 3 * clients)
                _wait(platform, seconds)
                stages = dict(platform.watcher.delivered.stages)
                load = [round(one, 2) for one in os.getloadavg()]
                screens.stop()
                seen = screens.wait_for("stopped", seconds=5)
            finally:
                screens.stop()
        finally:
            platform.stop()
    return {
        "rate": rate,
        "clients": clients,
        "seconds": seconds,
        **{name: value for name, value in seen.items() if name != "event"},
        "stages_ms": stages,
        "target_ms": TARGET_MS,
        "met": all(seen["to_screen_ms"].get(name, float("inf")) <= most for name, most in TARGET_MS.items()),
        "load": load,
        "cores": os.cpu_count(),
    }


def _wait(platform: LocalPlatform, seconds: float) -> None:
    """Let the market run for a while, and notice what dies."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        platform.check()
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))


def _report(name: str, seconds: float) -> None:
    print(f"  {name} {seconds:.1f} s", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, and print a table or JSON; 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screen_latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000, help="trades a second (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of a table")
    options = parser.parse_args()
    one = measure(rate=options.rate, clients=options.clients, seconds=options.seconds)
    if options.json:
        print(json.dumps(one))
    else:
        print(f"{one['clients']} clients, {one['rate']:,} trades/s, {one['messages']:,} messages, load {one['load']}")
        print(f"exchange to socket, ms  {one['to_socket_ms']}")
        print(f"socket to screen, ms    {one['to_screen_ms']}   target {one['target_ms']}")
        print(f"hop by hop, ms          {one['stages_ms']}")
    return 0 if one["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
