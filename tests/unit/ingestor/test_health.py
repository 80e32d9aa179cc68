"""The HTTP responder: answers, refusals and limits."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from ecs_tasks.ingestor import health
from ecs_tasks.ingestor.health import HealthServer


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = HealthServer({"/health": lambda: (503, {"status": "unhealthy"}), "/stats": lambda: (200, {"n": 1})})
    yield await server.start("127.0.0.1", 0)
    await server.stop()


async def ask(port: int, request: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], body


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /stats HTTP/1.1", b"HTTP/1.1 200 OK"),
        (b"GET /health?verbose HTTP/1.1", b"HTTP/1.1 503 Service Unavailable"),
        (b"GET /../etc/passwd HTTP/1.1", b"HTTP/1.1 404 Not Found"),
        (b"POST /stats HTTP/1.1", b"HTTP/1.1 405 Method Not Allowed"),
        (b"hello", b"HTTP/1.1 400 Bad Request"),
    ],
)
async def test_requests_get_their_status_and_a_json_body(port: int, request_line: bytes, status: bytes) -> None:
    head, body = await ask(port, request_line + b"\r\nHost: x\r\n\r\n")
    assert head == status
    assert isinstance(json.loads(body), dict)


async def test_head_has_no_body(port: int) -> None:
    assert await ask(port, b"HEAD /stats HTTP/1.1\r\n\r\n") == (b"HTTP/1.1 200 OK", b"")


async def test_an_endless_request_is_cut(port: int) -> None:
    assert (await ask(port, b"GET /stats HTTP/1.1\r\nX: " + b"a" * 20_000))[0] == b""


async def test_a_client_that_says_nothing_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.05)
    assert (await ask(port, b""))[0] == b""


async def test_clients_beyond_the_limit_are_turned_away(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MAX_CLIENTS", 1)
    _, waiting = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0.05)
    assert (await ask(port, b""))[0] == b""
    waiting.close()
