"""How long the model's server takes over HTTP on this machine: ``python -m benchmarks.serving``.

The shipped model in the server's own process, as SageMaker starts it, asked over one connection that is kept alive.
The times are a client's, with the body made beforehand; what runs beside it on a shared machine is in the upper
percentiles.
"""

import argparse
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tickwire.model.arrow_bodies import rows_stream
from tickwire.model.features import SCHEMA
from tickwire.model.requests import ARROW, JSON

SHIPPED = Path(__file__).parents[1] / "tickwire" / "model" / "shipped"
_START_SECONDS = 60
_TEXT = (
    "import pathlib, sys; from tickwire.model.serving import Bind, serve;"
    "sys.exit(serve(Bind('127.0.0.1', int(sys.argv[1])), pathlib.Path(sys.argv[2])))"
)


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--requests", type=int, default=500, help="of each kind (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=SHIPPED, metavar="DIR", help="another model than the shipped one")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of a table")
    options = parser.parse_args()
    with _server(options.model) as port:
        measured = [
            _measure(port, rows=rows, kind=kind, explain=explain, requests=max(20, options.requests // rows))
            for rows, kind, explain in (
                (1, JSON, False),
                (1, ARROW, False),
                (64, JSON, False),
                (64, ARROW, False),
                (100, ARROW, False),
                (1, JSON, True),
            )
        ]
    if options.json:
        print(json.dumps(measured))
        return 0
    for one in measured:
        print(
            f"{one['rows']:4d} rows  {'explained' if one['explain'] else '':9}  {one['kind']:36}"
            f"  p50 {one['p50_ms']:7.2f} ms   p99 {one['p99_ms']:7.2f} ms   ({one['requests']} requests)"
        )
    return 0


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-c", _TEXT, str(port), str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def _measure(port: int, *, rows: int, kind: str, explain: bool, requests: int) -> dict[str, object]:
    random = np.random.default_rng(rows)
    matrix = random.standard_normal((rows, SCHEMA.width)).astype(np.float32)
    if kind == ARROW:
        body = rows_stream(matrix, schema=SCHEMA, explain=explain)
    else:
        body = json.dumps({"schema": SCHEMA.digest, "rows": matrix.tolist(), "explain": explain}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    seconds = []
    for number in range(requests + 10):
        began = time.perf_counter()
        connection.request("POST", "/invocations", body, {"Content-Type": kind, "Accept": JSON})
        reply = connection.getresponse()
        reply.read()
        if reply.status != 200:
            raise SystemExit(f"HTTP {reply.status}")
        if number >= 10:
            seconds.append(time.perf_counter() - began)
    p50, p99 = np.percentile(seconds, (50, 99)) * 1e3
    return {
        "rows": rows,
        "kind": kind,
        "explain": explain,
        "requests": requests,
        "bytes": len(body),
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
