"""Requests over HTTP: what is sent, and what a venue cannot make us do."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

import tickwire
from ecs_tasks.backfiller.fetch import Fetcher
from tickwire.venues.history import MAX_BODY_BYTES, HistoryRequest, VenueUnavailable

REQUEST = HistoryRequest("/products/BTC-USD/trades", (("after", "5"), ("start", "2026-07-07T23:01:00Z")))
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def venue(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([web.get("/{path:.*}", handler)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/coinbase"
    finally:
        await runner.cleanup()


async def test_the_request_goes_below_the_path_prefix_with_its_query_and_our_name() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return web.Response(body=b"[]", headers={"X-MBX-USED-WEIGHT-1M": "7", "Set-Cookie": "a=b"})

    async with venue(handler) as url, Fetcher(timeout_seconds=5) as fetcher:
        reply = await fetcher.send(url, REQUEST)
        await fetcher.send(url, REQUEST)
    assert seen[0].raw_path == "/coinbase/products/BTC-USD/trades?after=5&start=2026-07-07T23%3A01%3A00Z"
    assert seen[0].headers["User-Agent"] == f"tickwire/{tickwire.__version__}"
    assert "Cookie" not in seen[1].headers
    assert (reply.status, reply.body, reply.header("x-mbx-used-weight-1m")) == (200, b"[]", "7")


async def test_a_redirect_is_a_reply_and_is_not_followed() -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with venue(handler) as url, Fetcher(timeout_seconds=5) as fetcher:
        assert (await fetcher.send(url, REQUEST)).status == 302
    assert len(paths) == 1


async def test_a_body_is_read_up_to_one_byte_beyond_the_limit_even_if_it_was_compressed() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = gzip.compress(bytes(4 * MAX_BODY_BYTES))
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async with venue(handler) as url, Fetcher(timeout_seconds=10) as fetcher:
        assert len((await fetcher.send(url, REQUEST)).body) == MAX_BODY_BYTES + 1


async def test_a_broken_or_silent_connection_is_a_venue_that_is_not_available() -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with venue(broken) as url, Fetcher(timeout_seconds=5) as fetcher:
        with pytest.raises(VenueUnavailable):
            await fetcher.send(url, REQUEST)

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"[")
        await closed.wait()
        return response

    closed = asyncio.Event()
    async with venue(silent) as url, Fetcher(timeout_seconds=0.2) as fetcher:
        with pytest.raises(VenueUnavailable, match="Timeout"):
            await fetcher.send(url, REQUEST)
        closed.set()
    async with Fetcher(timeout_seconds=5) as fetcher:
        with pytest.raises(VenueUnavailable, match="Cannot connect"):
            await fetcher.send(url, REQUEST)
