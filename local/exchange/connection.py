"""One client's socket: a bounded queue of frames, and the account of which were written whole."""

import asyncio
from collections import deque
from collections.abc import Callable

from local.exchange.announced import Announced
from local.exchange.venues.protocol import Outgoing, Session

MAX_QUEUED_BYTES = 8 * 1024 * 1024
"""A client with more than this unread is too slow and is cut, as the real venues do."""
WRITE_BYTES = 256 * 1024
"""Frames are joined to writes of about this size: a write a frame would cost most of the server's time."""

_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89


def websocket_frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Give the final, unmasked frame of a server (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 65_536:
        return bytes((opcode, 126)) + size.to_bytes(2) + payload
    return bytes((opcode, 127)) + size.to_bytes(8) + payload


class Connection:
    """Queues frames and hands them to the transport only when all before were taken by the kernel.

    So at any time it is known which frames the kernel has whole: only those are announced. What
    a broken connection still held is not. This needs asyncio's own transports, which write at
    once; uvloop's write at the end of the loop's turn.
    """

    def __init__(
        self, session: Session, venue: str, transport: asyncio.Transport, announced: Announced, *, now: int
    ) -> None:
        self.session = session
        self.opened = now
        self.pinged = self.heard = now
        """ns UTC of the last ping frame to the client, and of the last message from it."""
        self.frames_written = 0
        self._venue = venue
        self._transport = transport
        self._announced = announced
        self._queue: deque[tuple[bytes, Outgoing | None]] = deque()
        self._queued_bytes = 0
        self._handed_bytes = 0
        self._in_flight: deque[tuple[int, Outgoing | None]] = deque()
        self._lose: Callable[[Outgoing], None] | None = None
        self._received_second = 0
        self._received = 0

    @property
    def backlog(self) -> int:
        """Bytes that the client's kernel has not taken."""
        return self._queued_bytes + self._transport.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    @property
    def is_half_open(self) -> bool:
        """Whether nothing is sent on it or heard from it any more, though the socket is open."""
        return self._lose is not None

    @property
    def is_slow(self) -> bool:
        return self._queued_bytes > MAX_QUEUED_BYTES

    def send(self, outgoing: Outgoing) -> None:
        """Queue a frame; :meth:`flush` sends it."""
        if self._lose is not None:
            self._lose(outgoing)
            return
        outgoing.holders += 1
        self._enqueue(websocket_frame(self.session.render(outgoing)), outgoing)

    def ping(self, now: int) -> None:
        """Queue a ping frame."""
        self.pinged = now
        self._enqueue(websocket_frame(str(now // 1_000_000).encode(), _PING), None)

    def say_goodbye(self, code: int) -> None:
        """Send what is queued, and a close frame: the client closes then."""
        self._enqueue(websocket_frame(code.to_bytes(2), _CLOSE), None)
        self.flush()

    def fall_silent(self, lose: Callable[[Outgoing], None]) -> None:
        """Send nothing more, and hand what should be sent to ``lose``."""
        for _, outgoing in self._queue:
            if outgoing is not None:
                outgoing.holders -= 1
                lose(outgoing)
        self._queue.clear()
        self._queued_bytes = 0
        self._lose = lose

    def _enqueue(self, wire: bytes, outgoing: Outgoing | None) -> None:
        self._queue.append((wire, outgoing))
        self._queued_bytes += len(wire)

    def flush(self) -> None:
        """Write as much as the kernel takes, and announce what it took whole."""
        self._settle()
        transport = self._transport
        while self._queue and not transport.get_write_buffer_size() and not transport.is_closing():
            parts = []
            size = 0
            while self._queue and size < WRITE_BYTES:
                wire, outgoing = self._queue.popleft()
                parts.append(wire)
                size += len(wire)
                self._in_flight.append((self._handed_bytes + size, outgoing))
            self._queued_bytes -= size
            self._handed_bytes += size
            transport.write(b"".join(parts))
            self._settle()

    def _settle(self) -> None:
        # A closing transport has thrown its buffer away, so that the buffer's size says nothing.
        if not self._in_flight or self._transport.is_closing():
            return
        taken = self._handed_bytes - self._transport.get_write_buffer_size()
        while self._in_flight and self._in_flight[0][0] <= taken:
            outgoing = self._in_flight.popleft()[1]
            if outgoing is None:
                continue
            self.frames_written += 1
            outgoing.written = True
            outgoing.holders -= 1
            for symbol, first, last in outgoing.trades:
                self._announced.add(f"{self._venue}:{symbol}", first, last)

    async def drain(self, seconds: float) -> None:
        """Send what is queued, for at most this many seconds."""
        deadline = asyncio.get_running_loop().time() + seconds
        self.flush()
        while (
            not self.is_half_open
            and (self._queue or self._in_flight)
            and not self._transport.is_closing()
            and asyncio.get_running_loop().time() < deadline
        ):
            await asyncio.sleep(0.002)
            self.flush()

    def cut(self) -> None:
        """Break the connection without a word."""
        self._transport.abort()

    def release(self) -> None:
        """Let go of what was not written, once the connection is gone."""
        for _, outgoing in (*self._in_flight, *self._queue):
            if outgoing is not None:
                outgoing.holders -= 1
        self._in_flight.clear()
        self._queue.clear()
        self._queued_bytes = 0

    def received_too_much(self, now: int) -> bool:
        """Count a message from the client; true where they exceed the venue's limit in one second."""
        self.heard = now
        second = now // 1_000_000_000
        if second != self._received_second:
            self._received_second, self._received = second, 0
        self._received += 1
        return self._received > self.session.incoming_per_second
