"""One WebSocket from its handshake to its end: frames in, parsed rows out."""

import asyncio
import logging
import time
from collections.abc import Callable

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from ecs_tasks.ingestor.ends import Cause, End, end_of_socket
from ecs_tasks.ingestor.logs import log
from ecs_tasks.ingestor.streams import StreamWatch
from tickwire.venues.feed import MAX_FRAME_BYTES, Feed, ParsedFrames, RejectReason
from tickwire.venues.frame_buffer import FrameBuffer
from tickwire.venues.rate_budget import RateBudget, RateRules

FLUSH_ROWS = 4096
"""Rows parsed from one socket that are handed over at once, without awaiting the next flush."""
PARSE_FRAMES = 4096
"""Frames of one read of the socket that are parsed together at most."""
FEW_FRAMES = 3
"""Of fewer frames, a call of the kernel that reads many together costs more than to parse each."""
MAX_CONTROL_BYTES = 125
"""RFC 6455, 5.5: no control frame has a longer payload."""
MAX_SOCKET_FRAME_BYTES = 2 * MAX_FRAME_BYTES
"""Frames up to here are read, so that one too large for the parser is kept as a reject; above, the socket is cut."""


class Session(WSListener):
    """Parses the frames of one socket, all of one read of it together, and knows why it ended.

    ``hand_over`` is called with the session when much has been parsed; the host also takes
    ``parsed`` at every flush. ``ended`` gets the reason when the socket is gone; ``retire`` gets one
    as text when the venue asks for a new connection. ``halted`` is the venue's last word on whether
    it trades, None if it said none.
    """

    def __init__(self, feed: Feed, *, hand_over: Callable[["Session"], None]) -> None:
        self.feed = feed
        self.parsed = ParsedFrames()
        self.streams = StreamWatch(feed.liveness.stream_silence_seconds)
        self.started = self.last_frame = time.monotonic()
        self.last_frame_ns = 0
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[End] = loop.create_future()
        self.retire: asyncio.Future[str] = loop.create_future()
        self.halted: bool | None = None
        self._hand_over = hand_over
        self._transport: WSTransport | None = None
        self._fragments = bytearray()
        self._waiting: list[bytes] = []
        self._pinged = float("-inf")
        # The burst and what comes back in a second are together what may be sent in any second.
        refill = max(feed.messages_per_second // 2, 1)
        burst = max(feed.messages_per_second - refill, 1)
        self._messages = RateBudget(RateRules(burst=burst, per_second=refill))

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport; life is counted from here, however long the handshake took (picows)."""
        self._transport = transport
        self.started = self.last_frame = time.monotonic()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Parse what waits, which a fault in the frame behind it leaves, and say why the socket ended (picows)."""
        self._parse_waiting()
        if not self.ended.done():
            self.ended.set_result(end_of_socket(transport))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Keep a data frame until the read of the socket is through, answer a ping, follow a close (picows)."""
        # Most frames: whole, and too long for a control frame. To ask picows for the type costs more than all of this.
        if frame.payload_size > MAX_CONTROL_BYTES and frame.fin and not self._fragments:
            self._waiting.append(frame.get_payload_as_bytes())
            if frame.last_in_buffer or len(self._waiting) >= PARSE_FRAMES:
                self._parse_waiting()
            return
        self._parse_waiting()
        kind = frame.msg_type
        if kind == WSMsgType.PONG:
            # Answered by the venue's edge, which may live on when what is behind it is dead.
            return
        self.last_frame = time.monotonic()
        if kind == WSMsgType.TEXT or kind == WSMsgType.BINARY or kind == WSMsgType.CONTINUATION:
            payload = frame.get_payload_as_bytes()
            if not frame.fin or self._fragments:
                whole = self._assemble(payload, fin=frame.fin)
                if whole is None:
                    return
                payload = whole
            self._waiting.append(payload)
            self._parse_waiting()
        elif kind == WSMsgType.PING:
            # Not left to picows, which would answer without letting us count the frame as life.
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            if not transport.is_close_frame_sent:
                # Not left to picows' default, which would send the code 0 that no one may send.
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def send(self, frame: bytes) -> None:
        """Send a text frame, after those that wait for the venue's limit on messages."""
        wait = self._messages.reserve(time.monotonic_ns(), 1)
        if wait:
            asyncio.get_running_loop().call_later(wait, self._send_now, frame)
        else:
            self._send_now(frame)

    def probe(self, now: float, silence_seconds: float) -> None:
        """Ping a socket that was silent for half the time after which it is taken for dead, once a silence.

        If the other end has forgotten the connection (a restart, a dropped NAT entry) it resets it now,
        sooner than the silence would tell. An answer is no proof that the venue still has trades for us.
        """
        idle = now - self.last_frame >= silence_seconds / 2
        if idle and self._pinged < self.last_frame and self._transport is not None:
            self._pinged = now
            self._transport.send_ping()

    def pause(self) -> None:
        """Stop reading the socket: TCP's window fills and the venue's writes wait."""
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read again; the silence while paused was ours."""
        now = time.monotonic()
        self.last_frame = now
        self.streams.forgive(now)
        if self._transport is not None:
            self._transport.underlying_transport.resume_reading()

    def say_goodbye(self) -> None:
        """Send a close frame and go on reading until the venue answers it: what it sent before still arrives."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode.OK)

    def abort(self, end: End) -> None:
        """Cut the socket at once."""
        if not self.ended.done():
            self.ended.set_result(end)
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    async def why(self) -> End:
        """Give the reason of an ended socket, a fault in the protocol included."""
        end = await self.ended
        if self._transport is not None:
            try:
                await self._transport.wait_disconnected()
            except Exception as error:  # whatever made picows cut the socket
                return End(Cause.PROTOCOL_ERROR, f"cut: {type(error).__name__}: {error}"[:200])
        return end

    def take(self) -> ParsedFrames:
        """Give what was parsed since the last call."""
        parsed, self.parsed = self.parsed, ParsedFrames()
        return parsed

    def _parse_waiting(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self.last_frame = time.monotonic()
        # One time for all: they came out of one read of the socket.
        self.last_frame_ns = receive_time = time.time_ns()
        parsed = self.parsed
        rejects = len(parsed.rejects)
        if len(waiting) < FEW_FRAMES:
            for payload in waiting:
                self.feed.parse_guarded(payload, receive_time, parsed)
        else:
            self.feed.parse_frames(FrameBuffer.received(waiting, receive_time), parsed)
        for reject in parsed.rejects[rejects:]:
            if reject.reason is RejectReason.PARSER_FAILED:
                log(logging.ERROR, "the parser failed on a frame", feed=self.feed.name, error=reject.detail)
        for status in parsed.statuses:
            if status.halted is not None:
                self.halted = status.halted
            if status.reconnect and not self.retire.done():
                self.retire.set_result(f"venue asks: {status.text}")
        if parsed.replies:
            for reply in parsed.replies:
                self.send(reply)
            parsed.replies.clear()
        if len(parsed.trades) >= FLUSH_ROWS or parsed.rejects:
            self._hand_over(self)

    def _send_now(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.TEXT, frame)

    def _assemble(self, payload: bytes, *, fin: bool) -> bytes | None:
        """Gather the fragments of a message; what is beyond the limit is not kept, so the parser rejects it."""
        room = MAX_SOCKET_FRAME_BYTES - len(self._fragments)
        self._fragments += payload[:room]
        if not fin:
            return None
        whole = bytes(self._fragments)
        self._fragments.clear()
        return whole
