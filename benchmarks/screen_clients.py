"""Screens of the latency benchmark, all in one process: ``python -m benchmarks.screen_clients URL COUNT SYMBOL…``.

Each connects with the token in ``TICKWIRE_TOKEN``, as a programme does, and subscribes to the bars and trades of one
symbol. It says so when all are subscribed; at SIGTERM, how old the newest trade of each provisional bar was.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time

import msgspec
import numpy as np
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.fanout_clients import always, percentiles
from benchmarks.open_files import allow_open_files
from local.watcher import Delivered

_AT_ONCE = 4
_CONNECT_SECONDS = 60.0


class _Screen(WSListener):
    def __init__(self, to_socket: list[float]) -> None:
        self.delivered = Delivered()
        self.subscribed = asyncio.Event()
        self._to_socket = to_socket

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a message, at the moment at which it is read."""
        if frame.msg_type != WSMsgType.TEXT:
            return
        now = time.time_ns()
        message = msgspec.json.decode(frame.get_payload_as_bytes())
        self.delivered.take(message, now=now)
        if message["type"] == "snapshot":
            self.subscribed.set()
        elif message["type"] == "update":
            for item in message["items"]:
                if item["topic"] == "trades":
                    self._to_socket += [one["receive"] / 1e6 - one["time"] for one in item["data"] if not one["flags"]]


async def _run(url: str, count: int, symbols: list[str]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    to_socket: list[float] = []
    screens: list[_Screen] = []
    headers = {"Authorization": f"Bearer {os.environ['TICKWIRE_TOKEN']}"}
    numbers = iter(range(count))
    transports = []

    async def connect() -> None:
        for number in numbers:
            screen = _Screen(to_socket)
            transport, _ = await ws_connect(
                always(screen), url, extra_headers=headers, websocket_handshake_timeout=_CONNECT_SECONDS
            )
            symbol = symbols[number % len(symbols)]
            request = {"action": "subscribe", "topics": ["bars.1s", "trades"], "symbols": [symbol]}
            transport.send(WSMsgType.TEXT, json.dumps(request).encode())
            await asyncio.wait_for(screen.subscribed.wait(), _CONNECT_SECONDS)
            transports.append(transport)
            screens.append(screen)

    await asyncio.gather(*(connect() for _ in range(_AT_ONCE)))
    # What came while others still connected is not of so many clients.
    for screen in screens:
        screen.delivered.seconds.clear()
        screen.delivered.messages = 0
    print(json.dumps({"event": "subscribed"}), flush=True)
    await ended.wait()
    report = {
        "screens": sum(bool(screen.delivered.seconds) for screen in screens),
        "messages": sum(screen.delivered.messages for screen in screens),
        "to_screen_ms": percentiles(np.array([one for screen in screens for one in screen.delivered.seconds]) * 1e3),
        "to_socket_ms": percentiles(np.array(to_socket)),
    }
    print(json.dumps({"event": "stopped", **report}), flush=True)
    for transport in transports:
        transport.disconnect()


def main() -> int:
    """Connect, subscribe and listen until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screen_clients", description=__doc__)
    parser.add_argument("url", help="where clients connect")
    parser.add_argument("count", type=int, help="how many of them")
    parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="what they listen to, in turn")
    options = parser.parse_args()
    allow_open_files()
    uvloop.run(_run(options.url, options.count, options.symbols))
    return 0


if __name__ == "__main__":
    sys.exit(main())
