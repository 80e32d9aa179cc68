"""How many clients updates reach, and what a delivery costs: ``python -m benchmarks.fanout``.

The broadcaster's own conflation, pacing and outbox post numbered updates to clients on WebSockets of this machine, one
key a client. Every client must see numbers without a hole up to its key's last, or the run fails. Between them stands
either the least that ``@connections`` can be (``--through server``: what the outbox can do), or the local cloud
(``--through emulator``: what a laptop's run can do). Neither is API Gateway, whose latency and quotas only AWS shows.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.fanout_emulator import new_api
from benchmarks.fanout_senders import Listeners, new_sender
from lambdas.broadcaster.conflation import Said
from lambdas.broadcaster.heads import Span
from lambdas.broadcaster.outbox import Delivered
from lambdas.broadcaster.pacing import Pacing
from lambdas.broadcaster.partition import Numbered
from lambdas.broadcaster.screens import Screens, Sender
from local.child_process import ChildProcess
from local.emulator import Emulator

QUOTA = 10_000
UNPACED = 10_000_000
_TOPIC = "bars.1s"
_STEP_SECONDS = 0.05
"""Between two invocations, where none is late."""
_BAR = (
    b'{"start":1700000000000,"open":"63551.02000000","high":"63571.02000000","low":"63541.02000000",'
    b'"close":"63551.12000000","vwap":"63552.10000000","volume":"1.31700000","buy_volume":"0.71700000",'
    b'"notional":"83697.1157000000000000","trades":31,"revision":%d,"final":false,"receive":1700000000123456789,'
    b'"amended":false}'
)


class ClientsMissedUpdates(RuntimeError):
    """A client saw a hole, or did not get its key's last update."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One run: ``posts_per_second`` is the quota of the one process that posts."""

    through: str
    by: str
    clients: int
    keys: int
    seconds: float
    posts_per_second: float


class _Metered:
    """Counts what a sender does, and the CPU time that it takes."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.posted = self.dropped = self.throttled = 0
        self.cpu_seconds = 0.0

    def deliver(self, deliveries: Mapping[str, Sequence[bytes]]) -> Delivered:
        """Deliver, and count."""
        began = time.process_time()
        delivered = self._sender.deliver(deliveries)
        self.cpu_seconds += time.process_time() - began
        self.posted += delivered.posted
        self.dropped += delivered.dropped
        self.throttled += delivered.throttled
        return delivered


@dataclass(frozen=True, slots=True)
class _Server:
    address: str
    ask: bool
    cpu_seconds: Callable[[], float]


def measure(setting: Setting) -> dict[str, Any]:
    """Run once; gives the figures.

    Raises
    ------
    ClientsMissedUpdates
        If not every client got every update.
    """
    with tempfile.TemporaryDirectory(prefix="tickwire-fanout-") as folder, _server(setting, Path(folder)) as server:
        url = f"ws://{server.address}"
        arguments = ["benchmarks.fanout_clients", url, str(setting.clients), *(["--ask"] if server.ask else [])]
        clients = ChildProcess("clients", arguments, environment={}, log=Path(folder) / "clients.log")
        clients.start()
        try:
            names = clients.wait_for("connected", seconds=60 + setting.clients / 20)["names"]
            before = server.cpu_seconds()
            sent = _broadcast(setting, f"http://{server.address}", names)
            spent = server.cpu_seconds() - before
            clients.stop(seconds=60)
            seen = clients.wait_for("stopped", seconds=5)
        finally:
            clients.stop()
    _check(setting, sent, seen)
    posted = sent["posted"]
    return {
        "through": setting.through,
        "by": setting.by,
        "clients": setting.clients,
        "posts_per_second": None if setting.posts_per_second >= UNPACED else setting.posts_per_second,
        "deliveries": posted,
        "deliveries_a_second": round(posted / sent["seconds"]),
        "busiest_second": seen["busiest_second"],
        "outbox_us": round(sent["cpu_seconds"] / posted * 1e6, 1),
        "broadcaster_us": round(sent["all_cpu_seconds"] / posted * 1e6, 1),
        "server_us": round(spent / posted * 1e6, 1),
        "client_us": round(seen["cpu_seconds"] / posted * 1e6, 1),
        "interval_ms": seen["interval_ms"],
        "latency_ms": seen["latency_ms"],
        "bytes_a_message": round(seen["bytes"] / seen["messages"]),
        "load": [round(one, 2) for one in os.getloadavg()],
    }


@contextmanager
def _server(setting: Setting, folder: Path) -> Iterator[_Server]:
    if setting.through == "emulator":
        with Emulator(log=folder / "emulator.log") as emulator:
            path = new_api(emulator.endpoint_url)
            address = f"{emulator.endpoint_url.removeprefix('http://')}/{path}"
            yield _Server(address, ask=True, cpu_seconds=lambda: _cpu_seconds(emulator.pid))
        return
    server = ChildProcess("server", ["benchmarks.fanout_server"], environment={}, log=folder / "server.log")
    server.start()
    try:
        port = server.wait_for("listening", seconds=30)["port"]
        yield _Server(f"127.0.0.1:{port}/live", ask=False, cpu_seconds=lambda: _cpu_seconds(server.pid))
    finally:
        server.stop()


def _broadcast(setting: Setting, endpoint_url: str, names: Sequence[str]) -> dict[str, float]:
    """Say something new of every key at each step, until the time is over and all of it is posted."""
    keys = [(_TOPIC, f"binance:S{number}-USDT") for number in range(min(setting.keys, setting.clients))]
    listening = {key: frozenset(names[number :: len(keys)]) for number, key in enumerate(keys)}
    listeners, pacing = Listeners(listening), Pacing(setting.posts_per_second)
    made = new_sender(setting.by, endpoint_url, listeners, pacing)
    sender = _Metered(made)
    screens = Screens(listeners, sender, pace=pacing)
    all_posted = False
    number, began, cpu = 0, time.monotonic(), time.process_time()
    while (now := time.monotonic()) < began + setting.seconds:
        number += 1
        for key in keys:
            said = Said(0, 1, (number,), msgspec.Raw(_BAR % number))
            screens.add(0, Numbered(key, Span(number, number), [said]))
        all_posted = screens.flush().posted > 0
        time.sleep(max(0.0, now + _STEP_SECONDS - time.monotonic()))
    while not all_posted:
        all_posted = screens.flush().posted > 0
        time.sleep(_STEP_SECONDS)
    made.close()
    return {
        "number": number,
        "seconds": time.monotonic() - began,
        "all_cpu_seconds": time.process_time() - cpu,
        "cpu_seconds": sender.cpu_seconds,
        "posted": sender.posted,
        "dropped": sender.dropped + sender.throttled + listeners.gone,
    }


def _check(setting: Setting, sent: Mapping[str, float], seen: Mapping[str, Any]) -> None:
    late = [one for one in seen["last"] if one["to"] != sent["number"]]
    if sent["dropped"] or seen["holes"] or late or len(seen["last"]) != setting.clients:
        raise ClientsMissedUpdates(
            f"{seen['holes']} holes, {sent['dropped']:.0f} not posted, {len(late)} clients behind,"
            f" {setting.clients - len(seen['last'])} without any update"
        )


def _cpu_seconds(pid: int) -> float:
    """Give the CPU time of a process, user and system, as Linux counts it (proc(5), ``stat``)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, and print a table or JSON; 1 if a client missed an update."""
    options = _options()
    results = []
    for clients in options.clients:
        setting = Setting(
            options.through,
            options.by,
            clients,
            options.keys,
            options.seconds,
            UNPACED if options.unpaced else options.posts_per_second,
        )
        try:
            results.append(measure(setting))
        except ClientsMissedUpdates as error:
            print(f"{clients} clients: {error}", file=sys.stderr)
            return 1
    if options.json:
        print(json.dumps(results))
        return 0
    for one in results:
        print(
            f"{one['clients']:6,d} clients  {one['by']:8} through {one['through']:8}"
            f"  {one['deliveries_a_second']:6,d} deliveries/s  outbox {one['outbox_us']:5.0f} µs"
            f"  server {one['server_us']:5.0f} µs  client {one['client_us']:4.0f} µs"
            f"  interval p50 {one['interval_ms']['p50']:,.0f} p99 {one['interval_ms']['p99']:,.0f} ms"
            f"  sent to client p99 {one['latency_ms']['p99']:,.0f} ms  load {one['load'][0]}"
        )
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1_000, 10_000], help="(default: %(default)s)")
    parser.add_argument("--through", choices=("server", "emulator"), default="server", help="(default: %(default)s)")
    parser.add_argument("--by", choices=("outbox", "botocore"), default="outbox", help="(default: %(default)s)")
    parser.add_argument("--keys", type=int, default=100, help="topics and symbols (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="(default: %(default)s)")
    parser.add_argument("--posts-per-second", type=float, default=QUOTA, help="the quota (default: %(default)s)")
    parser.add_argument("--unpaced", action="store_true", help="as fast as it goes, whatever the quota")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of a table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
