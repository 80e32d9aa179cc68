"""A WebSocket exchange that sends what a test tells it to, byte for byte."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from aiohttp import WSMsgType, web

_KRAKEN_HEARTBEAT = '{"channel":"heartbeat"}'


class ScriptedExchange:
    """Serves any path; the first part of it names the feed, as at the local exchange.

    It runs in a thread of its own. Nothing is sent but the test's frames, and what keeps a quiet
    connection alive: ping frames, and Kraken's heartbeat.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-exchange", daemon=True)
        self._runner: web.AppRunner | None = None
        self._sockets: dict[str, list[web.WebSocketResponse]] = defaultdict(list)
        self._port = 0

    def __enter__(self) -> "ScriptedExchange":
        self._thread.start()
        self._call(self._start()).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close()).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def url(self, feed: str) -> str:
        """Give the address of a feed, as ``TICKWIRE_FEEDS`` takes it."""
        return f"ws://127.0.0.1:{self._port}/{feed}"

    def listeners(self, feed: str) -> int:
        """Give how many clients are connected to a feed."""
        return len(self._sockets[feed])

    def send(self, feed: str, frames: Iterable[str]) -> None:
        """Send text frames to every client of a feed; back when the sockets have taken them all."""
        self._call(self._send(feed, list(frames))).result(60)

    def _call(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/{feed}/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        for sockets in self._sockets.values():
            for socket in list(sockets):
                await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        feed = request.match_info["feed"]
        socket = web.WebSocketResponse(heartbeat=10, compress=False)
        await socket.prepare(request)
        beating = asyncio.create_task(self._beat(socket)) if feed == "kraken" else None
        self._sockets[feed].append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._sockets[feed].remove(socket)
            if beating is not None:
                beating.cancel()
        return socket

    async def _beat(self, socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await socket.send_str(_KRAKEN_HEARTBEAT)
            await asyncio.sleep(1)

    async def _send(self, feed: str, frames: list[str]) -> None:
        for socket in list(self._sockets[feed]):
            for frame in frames:
                await socket.send_str(frame)
