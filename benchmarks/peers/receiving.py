"""websockets and aiohttp: clients that take the same frames off the same loopback socket."""

# mypy: disable-error-code="import-not-found"
# The newest websockets is in the peers' environment alone.

import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import uvloop
from websockets.asyncio.client import connect

from benchmarks.harness import Prepared
from benchmarks.replay import serve

_QUEUE = 4_096


async def _websockets(url: str, count: int, context: ssl.SSLContext | None) -> int:
    size = 0
    settings: dict[str, Any] = {"compression": None, "max_queue": _QUEUE, "ping_interval": None, "ssl": context}
    async with connect(url, **settings) as socket:
        for _ in range(count):
            size += len(await socket.recv(decode=False))
        socket.transport.abort()
    return size


async def _aiohttp(url: str, count: int, context: ssl.SSLContext | None) -> int:
    size = 0
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, compress=0, max_msg_size=0, autoping=False, ssl=context or True) as socket,
    ):
        for _ in range(count):
            # Asked for bytes, lest it decode a text that a parser of bytes would encode again.
            size += len((await socket.receive()).data)
    return size


_CLIENTS: dict[str, Callable[[str, int, ssl.SSLContext | None], Coroutine[Any, Any, int]]] = {
    "websockets": _websockets,
    "aiohttp": _aiohttp,
}


def prepare(
    library: str, frames: str, count: int, payload_bytes: int, certificate: tuple[str, str] | None = None
) -> Prepared:
    """Give the benchmark of one client; ``payload_bytes`` are those of all frames together."""
    from pathlib import Path

    port = serve(Path(frames), certificate)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    url = f"{'wss' if certificate else 'ws'}://127.0.0.1:{port}/"

    def run(_: object) -> int:
        size: int = uvloop.run(_CLIENTS[library](url, count, context))
        return size

    def check(size: int) -> None:
        assert size == payload_bytes, f"{size} bytes came, not {payload_bytes}"

    return Prepared(rows=count, run=run, check=check)
