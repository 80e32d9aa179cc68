"""The least that ``@connections`` can be: ``python -m benchmarks.fanout_server``.

Clients connect as WebSockets to ``/live/NAME``; a post to ``/live/@connections/NAME`` is a text frame for the client
of that name, or 410. It looks at no signature. One process, which says its port and, at the end, its CPU seconds.
"""

import asyncio
import json
import signal
import time
from base64 import b64encode
from hashlib import sha1
from typing import cast
from urllib.parse import unquote

import uvloop

from benchmarks.open_files import allow_open_files

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
_POST = b"POST /live/%40connections/"
_POST_PLAIN = b"POST /live/@connections/"
_LARGE = 65_536


def text_frame(payload: bytes) -> bytes:
    """Give an unmasked text frame (RFC 6455, section 5.2)."""
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    if len(payload) < _LARGE:
        return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
    return b"\x81\x7f" + len(payload).to_bytes(8, "big") + payload


class _Connection(asyncio.Protocol):
    """Either a client, once it has shaken hands, or one that posts."""

    clients: dict[str, asyncio.WriteTransport] = {}  # noqa: RUF012
    posts = 0

    def __init__(self) -> None:
        self._buffer = b""
        self._name: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are not of asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client."""
        if self._name is not None:
            self.clients.pop(self._name, None)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are whole."""
        if self._name is not None:
            # What a client of a benchmark says after its handshake is that it closes.
            return
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            if head.startswith(b"GET "):
                self._buffer = b""
                self._shake_hands(head)
                return
            length = int(_header(head, b"content-length") or b"0")
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._post(head, body)

    def _shake_hands(self, head: bytes) -> None:
        key = _header(head, b"sec-websocket-key") or b""
        accept = b64encode(sha1(key + _MAGIC).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
        )
        self._name = head.split(b" ", 2)[1].decode().rpartition("/")[2]
        self.clients[self._name] = self._transport

    def _post(self, head: bytes, body: bytes) -> None:
        path = head[: head.find(b" HTTP/")]
        client = self.clients.get(unquote(path[path.rfind(b"/") + 1 :].decode()))
        if not path.startswith((_POST, _POST_PLAIN)) or client is None:
            self._transport.write(_GONE)
            return
        type(self).posts += 1
        client.write(text_frame(body))
        self._transport.write(_OK)


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    value = head[at + len(name) + 3 :]
    return value.split(b"\r\n", 1)[0].strip()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=4_096)
    began = time.process_time()
    print(json.dumps({"event": "listening", "port": server.sockets[0].getsockname()[1]}), flush=True)
    await ended.wait()
    spent = time.process_time() - began
    print(json.dumps({"event": "stopped", "cpu_seconds": spent, "posts": _Connection.posts}), flush=True)


def main() -> None:
    """Serve until told to stop."""
    allow_open_files()
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
