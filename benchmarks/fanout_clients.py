"""Clients of the fan-out benchmark, all in one process: ``python -m benchmarks.fanout_clients URL COUNT``.

Each takes every message apart, and looks whether the numbers of its key go on without a hole. It says so when all are
connected, and at SIGTERM what they saw. With ``--ask``, a client first asks who it is, as behind an emulator it has to.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import msgspec
import numpy as np
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.open_files import allow_open_files

Listener = TypeVar("Listener", bound=WSListener)

_AT_ONCE = 64
_QUIET_SECONDS = 1.0
"""Without a message for so long, the last one has come."""
_MAX_SAMPLES = 2_000_000


class _Item(msgspec.Struct):
    topic: str
    symbol: str
    source: int
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")


class _Update(msgspec.Struct):
    sent: int
    items: list[_Item]


_read = msgspec.json.Decoder(_Update).decode


class Seen:
    """What all clients saw."""

    def __init__(self) -> None:
        self.messages = self.holes = self.repeats = self.bytes = 0
        self.known: dict[tuple[int, str, str, int], int] = {}
        self.latencies: list[int] = []
        self.intervals: list[float] = []
        self.by_tenth: Counter[int] = Counter()

    def take(self, client: int, payload: bytes) -> None:
        """Take one client's message."""
        update = _read(payload)
        self.messages += 1
        self.by_tenth[int(time.monotonic() * 10)] += 1
        self.bytes += len(payload)
        if len(self.latencies) < _MAX_SAMPLES:
            self.latencies.append(time.time_ns() - update.sent)
        for item in update.items:
            key = (client, item.topic, item.symbol, item.source)
            known = self.known.get(key, 0)
            self.holes += item.first > known + 1
            self.repeats += item.last <= known
            self.known[key] = max(known, item.last)


class _Client(WSListener):
    def __init__(self, number: int, seen: Seen, *, ask: bool) -> None:
        self._number = number
        self._seen = seen
        self._at = 0.0
        self.name: asyncio.Future[str] | None = asyncio.get_running_loop().create_future() if ask else None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count a message."""
        if frame.msg_type != WSMsgType.TEXT:
            return
        payload = frame.get_payload_as_bytes()
        if self.name is not None and not self.name.done():
            self.name.set_result(payload.decode())
            return
        now = time.perf_counter()
        if self._at and len(self._seen.intervals) < _MAX_SAMPLES:
            self._seen.intervals.append(now - self._at)
        self._at = now
        self._seen.take(self._number, payload)


def always(client: Listener) -> Callable[[], Listener]:
    """Give picows a listener that is made already."""
    # It hands the handshake to whatever takes arguments, also such as have defaults.
    return lambda: client


async def _run(url: str, count: int, *, ask: bool) -> None:
    seen, names, transports = Seen(), [""] * count, []
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    numbers = iter(range(count))

    async def connect() -> None:
        for number in numbers:
            address = url if ask else f"{url}/c{number}"
            client = _Client(number, seen, ask=ask)
            transport, _ = await ws_connect(always(client), address, websocket_handshake_timeout=60)
            transports.append(transport)
            if client.name is not None:
                transport.send(WSMsgType.TEXT, b'{"action":"who"}')
                names[number] = await asyncio.wait_for(client.name, 60)
            else:
                names[number] = f"c{number}"

    await asyncio.gather(*(connect() for _ in range(_AT_ONCE)))
    began = time.process_time()
    print(json.dumps({"event": "connected", "names": names}), flush=True)
    await ended.wait()
    before = -1
    while before != seen.messages:
        before = seen.messages
        await asyncio.sleep(_QUIET_SECONDS)
    print(json.dumps({"event": "stopped", **_report(seen, time.process_time() - began)}), flush=True)
    for transport in transports:
        transport.disconnect()


def _report(seen: Seen, cpu_seconds: float) -> dict[str, object]:
    last = [{"client": client, "symbol": symbol, "to": to} for (client, _, symbol, _), to in seen.known.items()]
    return {
        "messages": seen.messages,
        "bytes": seen.bytes,
        "holes": seen.holes,
        "repeats": seen.repeats,
        "latency_ms": percentiles(np.array(seen.latencies) / 1e6),
        "interval_ms": percentiles(np.array(seen.intervals) * 1e3),
        "busiest_second": max((sum(seen.by_tenth[at + n] for n in range(10)) for at in list(seen.by_tenth)), default=0),
        "cpu_seconds": cpu_seconds,
        "last": last,
    }


def percentiles(values: np.ndarray) -> dict[str, float]:
    """Give the median, the 99th percentile and the greatest; nothing of nothing."""
    if not len(values):
        return {}
    p50, p99, most = (float(round(value, 2)) for value in np.percentile(values, (50, 99, 100)))
    return {"p50": p50, "p99": p99, "max": most}


def main() -> int:
    """Connect and listen until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout_clients", description=__doc__)
    parser.add_argument("url", help="where clients connect")
    parser.add_argument("count", type=int, help="how many of them")
    parser.add_argument("--ask", action="store_true", help="ask the server for the names of the connections")
    options = parser.parse_args()
    allow_open_files()
    uvloop.run(_run(options.url, options.count, ask=options.ask))
    return 0


if __name__ == "__main__":
    sys.exit(main())
