"""What it costs to take frames off a socket; and from there to features, by the ingestor's own session."""

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSTransport, ws_connect

from benchmarks.chains import Chain, check_features
from benchmarks.frames import write_frames
from benchmarks.harness import Prepared
from benchmarks.market import market_rate, simulate
from benchmarks.replay import self_signed, serve
from benchmarks.replay_server import write_file
from ecs_tasks.ingestor.session import MAX_SOCKET_FRAME_BYTES, PARSE_FRAMES, Session
from tickwire.venues.registry import new_feed


class _Counting(WSListener):
    """Takes each frame as the ingestor's socket does, and nothing more."""

    def __init__(self, expected: int, *, copy: bool) -> None:
        self._expected = expected
        self._copy = copy
        self._frames: list[bytes] = []
        self._count = 0
        self.bytes = 0
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Keep a frame's payload, or only count it."""
        if not self._copy:
            self._count += 1
            if self._count == self._expected:
                self.done.set_result(self._count)
            return
        self._frames.append(frame.get_payload_as_bytes())
        if frame.last_in_buffer or len(self._frames) >= PARSE_FRAMES:
            self._count += len(self._frames)
            self.bytes += sum(map(len, self._frames))
            self._frames.clear()
            if self._count == self._expected:
                self.done.set_result(self._count)


class _Socket(asyncio.BufferedProtocol):
    """Reads bytes and looks at none: what the socket alone costs."""

    def __init__(self, expected: int) -> None:
        self._buffer = memoryview(bytearray(1 << 18))
        self._left = expected
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the room for what comes (asyncio)."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count what came (asyncio)."""
        self._left -= nbytes
        if self._left <= 0 and not self.done.done():
            self.done.set_result(0)


def trusting() -> ssl.SSLContext:
    """Give a context that takes the benchmark's own certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def receive(way: str, trades: int, symbols: int, batch: int = 0, tls: bool = False) -> Prepared:
    """Frames off a loopback socket; ``way`` is ``socket``, ``count`` or ``bytes``."""
    frames = write_frames(simulate(trades, symbols), "binance")
    path = Path(mkdtemp(prefix="tickwire-bench-")) / "frames"
    write_file(path, frames)
    port = serve(path, self_signed(path.parent) if tls else None)
    wire = path.stat().st_size - 4 * trades

    async def once() -> int:
        if way == "socket":
            transport, protocol = await asyncio.get_running_loop().create_connection(
                lambda: _Socket(wire), "127.0.0.1", port, ssl=trusting() if tls else None
            )
            transport.write(_HANDSHAKE)
            await protocol.done
            transport.abort()
            return trades
        listener: _Counting
        web_socket, listener = await _connect(lambda: _Counting(trades, copy=way == "bytes"), port, tls=tls)
        count = await listener.done
        web_socket.disconnect(graceful=False)
        assert way == "count" or listener.bytes == sum(map(len, frames)), "other bytes came than were sent"
        return count

    def check(count: int) -> None:
        assert count == trades, f"{count} frames, not {trades}"

    facts = {"bytes_a_frame": wire / trades}
    return Prepared(rows=trades, run=lambda _: uvloop.run(once()), check=check, facts=facts)


_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def _connect(listener: Callable[[], WSListener], port: int, *, tls: bool) -> tuple[WSTransport, Any]:
    scheme = "wss" if tls else "ws"
    return await ws_connect(
        listener,
        f"{scheme}://127.0.0.1:{port}/",
        ssl_context=trusting() if tls else None,
        max_frame_size=MAX_SOCKET_FRAME_BYTES,
        enable_auto_pong=False,
    )


def socket_to_features(batch: int, symbols: int, trades: int, tls: bool = False, feed: str = "binance") -> Prepared:
    """The ingestor's own session reads a socket; what it hands over is validated and becomes features."""
    # The session stamps frames with the clock, and rules compare that with the exchange's times.
    truth = simulate(trades, symbols, feed=feed, rate=market_rate(batch), start=time.time_ns())
    path = Path(mkdtemp(prefix="tickwire-bench-")) / "frames"
    write_file(path, write_frames(truth, feed))
    port = serve(path, self_signed(path.parent) if tls else None)
    reader = new_feed(feed)

    async def once(chain: Chain) -> Chain:
        done = asyncio.get_running_loop().create_future()

        def take(session: Session) -> None:
            chain.take(session.take().trades.batch())
            if chain.offered >= trades and not done.done():
                done.set_result(None)

        web_socket, session = await _connect(lambda: Session(reader, hand_over=take), port, tls=tls)
        # What is left when the stream pauses is taken at the flush, as the task does every few milliseconds.
        while not done.done():
            await asyncio.wait([done, session.ended], timeout=_FLUSH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            take(session)
            assert done.done() or not session.ended.done(), f"the socket ended: {await session.why()}"
        web_socket.disconnect(graceful=False)
        return chain

    def fresh() -> Chain:
        reader.reconnected()
        return Chain(truth)

    return Prepared(
        rows=trades,
        run=lambda chain: uvloop.run(once(chain)),
        fresh=fresh,
        check=lambda got: check_features(got, truth),
    )


_FLUSH_SECONDS = 0.05
