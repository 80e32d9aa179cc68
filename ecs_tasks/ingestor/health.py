"""``GET /health`` and ``GET /stats`` over HTTP/1.1, with bounds on what a client may send or hold."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

MAX_REQUEST_BYTES = 8 * 1024
MAX_CLIENTS = 32
TIMEOUT_SECONDS = 5.0
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}

Answer = Callable[[], tuple[int, dict[str, Any]]]
"""Gives a status code and the JSON body."""


class HealthServer:
    """Answers GET on fixed paths with JSON, one request a connection."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self._answers = answers
        self._clients = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, on a free port if ``port`` is 0; gives the port.

        Raises
        ------
        OSError
            If the port is taken.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_REQUEST_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients > MAX_CLIENTS:
                return
            async with asyncio.timeout(TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._respond(head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._clients -= 1
            writer.close()

    def _respond(self, head: bytes) -> bytes:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response(400, {"error": "not an HTTP/1.1 request"})
        method, path = words[0], words[1].partition(b"?")[0].decode("latin-1")
        answer = self._answers.get(path)
        if answer is None:
            return _response(404, {"error": f"there are {', '.join(self._answers)}"})
        if method not in (b"GET", b"HEAD"):
            return _response(405, {"error": "only GET"})
        return _response(*answer(), with_body=method == b"GET")


def _response(status: int, content: dict[str, Any], *, with_body: bool = True) -> bytes:
    body = json.dumps(content).encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
