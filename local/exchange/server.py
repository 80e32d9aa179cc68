"""The server: WebSocket paths of the feeds, their REST histories, and the control API."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from local.exchange.connection import Connection
from local.exchange.control import Control
from local.exchange.faults.order import FaultOrder
from local.exchange.floor import Floor, steady_clock
from local.exchange.source import Source
from local.exchange.venues.protocol import Session, UnknownPath

_ENFORCE_SECONDS = 0.25
_FAULT_SECONDS = 0.01
_GONE_SECONDS = 0.05
_DRAIN_SECONDS = 2.0
_MAX_BURST_TRADES = 100_000
_MAX_MESSAGE_BYTES = 64 * 1024
"""Of a client; its longest message is a subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0


class Exchange:
    """A running exchange over one source; :meth:`start` it, and :meth:`close` it."""

    def __init__(
        self,
        source: Source,
        address: Address | None = None,
        *,
        clock: Callable[[], int] | None = None,
        seed: int = 1,
        faults: Sequence[FaultOrder] = (),
    ) -> None:
        """Take a source, where to listen, a clock in ns UTC (default: the steady one), and faults to make.

        Raises
        ------
        FaultRefused
            If a fault cannot be made on this source.
        """
        self.source = source
        self.floor = Floor(source, clock or steady_clock(), seed=seed)
        self.floor.faults.order(faults)
        self._control = Control(source, self.floor)
        self.finished = False
        self.failure: str | None = None
        """What broke the source."""
        self._address = address or Address()
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._playing: asyncio.Task[None] | None = None
        self._sockets: set[web.WebSocketResponse] = set()

    async def start(self) -> int:
        """Listen, start the source, and give the port.

        Raises
        ------
        OSError
            If the port is taken.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/control/state", self._state),
                web.get("/control/announced", self._announced),
                web.post("/control/stop", self._stop),
                web.post("/control/burst", self._burst),
                *self._control.routes(),
                web.get("/{feed}", self._connect),
                web.get("/{feed}/{path:.*}", self._connect),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_DRAIN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._address.host, self._address.port).start()
        self._playing = asyncio.create_task(self._play())
        self._tasks = [
            self._playing,
            asyncio.create_task(_every(1.0, self.floor.beat)),
            asyncio.create_task(_every(_ENFORCE_SECONDS, self.floor.enforce)),
            asyncio.create_task(_every(_ENFORCE_SECONDS / 10, self.floor.flush)),
            asyncio.create_task(_every(_FAULT_SECONDS, self.floor.faults.tick)),
        ]
        port: int = self._runner.addresses[0][1]
        return port

    async def wait(self) -> None:
        """Wait until the source has ended; raises what broke it."""
        if self._playing is not None:
            # Whoever waits may give up, the source may not.
            await asyncio.shield(self._playing)

    async def close(self) -> None:
        """Stop the source, send what is queued, and close every connection."""
        self.source.stop()
        if self._playing is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._playing], timeout=2 * _DRAIN_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(socket.close(code=WSCloseCode.GOING_AWAY, message=b"shutting down") for socket in list(self._sockets))
        )
        if self._runner is not None:
            await self._runner.cleanup()

    def state(self) -> dict[str, Any]:
        """Give what ``/control/state`` says."""
        floor = self.floor
        return {
            "source": self.source.name,
            "finished": self.finished,
            "failure": self.failure,
            "frames_sent": floor.frames_sent,
            "trades_announced": floor.announced.trades,
            "connections": len(floor.connections()),
            "cut": floor.cut,
            "catalogue": self.source.catalogue(),
            **self.source.report(),
        }

    async def _play(self) -> None:
        try:
            await self.source.run(self.floor)
        except Exception as failure:
            self.failure = f"{type(failure).__name__}: {failure}"
            raise
        self.floor.faults.send_late_frames()
        await asyncio.gather(*(connection.drain(_DRAIN_SECONDS) for connection in self.floor.connections()))
        self.finished = True

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        feed = request.match_info["feed"]
        protocol = self.floor.protocols.get(feed)
        if protocol is None:
            raise web.HTTPNotFound(text=f"no feed {feed}; there are {', '.join(self.floor.protocols)}")
        try:
            session = protocol.open("/" + request.match_info.get("path", ""), request.query)
        except UnknownPath as error:
            raise web.HTTPNotFound(text=f"{feed} has no path {error}") from error
        if self.floor.faults.refuses_connections(feed):
            raise web.HTTPServiceUnavailable(text="no new connections at present")
        # Pongs are watched here, so aiohttp must not swallow them; compression would cost the frames' bytes.
        socket = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=False, max_msg_size=_MAX_MESSAGE_BYTES, timeout=1.0
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        connection = Connection(session, protocol.venue, transport, self.floor.announced, now=self.floor.now())
        self._sockets.add(socket)
        self.floor.join(feed, connection)
        try:
            for outgoing in session.greeting(self.floor.now()):
                connection.send(outgoing)
            connection.flush()
            await self._converse(socket, feed, connection)
            await connection.drain(_DRAIN_SECONDS)
        finally:
            self.floor.leave(feed, connection)
            self._sockets.discard(socket)
        await socket.close()
        return socket

    async def _converse(self, socket: web.WebSocketResponse, feed: str, connection: Connection) -> None:
        """Answer a client until it goes."""
        while True:
            message = await socket.receive()
            now = self.floor.now()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG):
                await _while_half_open(connection)
                return
            if connection.is_half_open:
                continue
            if connection.received_too_much(now):
                self.floor.cut_off(connection, "too_many_messages")
                return
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                text = message.data if message.type is WSMsgType.TEXT else message.data.decode("utf-8", "replace")
                self._answer(feed, connection, connection.session, text)

    def _answer(self, feed: str, connection: Connection, session: Session, text: str) -> None:
        before = set(session.topics)
        for outgoing in session.receive(text, self.floor.now()):
            connection.send(outgoing)
        if session.topics != before:
            self.floor.resubscribed(feed)
        connection.flush()

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self.state())

    async def _announced(self, request: web.Request) -> web.Response:
        self.floor.flush()
        return web.json_response(self.floor.announced.report())

    async def _stop(self, request: web.Request) -> web.Response:
        self.source.stop()
        return web.json_response({"stopping": True})

    async def _burst(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            symbol, trades, milliseconds = str(body["symbol"]), int(body["trades"]), int(body["milliseconds"])
            if not 0 < trades <= _MAX_BURST_TRADES or milliseconds < 1:
                raise ValueError(f"trades must be 1 to {_MAX_BURST_TRADES}, milliseconds above 0")
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": f"want symbol, trades, milliseconds: {error}"}, status=400)
        try:
            key = self.source.burst(symbol, trades=trades, milliseconds=milliseconds)
        except LookupError as error:
            return web.json_response({"error": str(error.args[0])}, status=404)
        return web.json_response({"symbol": key, "trades": trades, "milliseconds": milliseconds})


async def _while_half_open(connection: Connection) -> None:
    """Leave a client that says goodbye without an answer until it goes, where its socket is half open."""
    while connection.is_half_open and not connection.is_closing:  # noqa: ASYNC110 - transports set no event
        await asyncio.sleep(_GONE_SECONDS)


async def _every(seconds: float, act: Any) -> None:
    """Call ``act`` at a fixed pace."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + seconds, loop.time())
        await asyncio.sleep(due - loop.time())
        act()
