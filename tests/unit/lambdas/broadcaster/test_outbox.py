"""The outbox against an HTTP server that is slow, fails, refuses, or has no such client any more."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from botocore.credentials import Credentials
from botocore.exceptions import ConnectTimeoutError

from lambdas.broadcaster import outbox as module
from lambdas.broadcaster.outbox import CONCURRENCY, Outbox
from lambdas.broadcaster.pacing import Pacing
from lambdas.broadcaster.post_signer import PostSigner
from lambdas.broadcaster.posts import Posts

POST_SECONDS = 0.5
"""The patience of an outbox with slow connections; others wait for a machine that is busy."""


class Api:
    """``@connections`` on a socket of this machine, in a thread; ``plan`` has, by connection, what posts meet in turn.

    A number is a status, ``slow`` an answer that does not come, ``cut`` a connection that ends.
    """

    def __init__(self) -> None:
        self.plan: dict[str, list[int | str]] = {}
        self.always: dict[str, int | str] = {}
        self.heard: dict[str, list[bytes]] = {}
        self.asked: list[str] = []
        self.delay = 0.0
        self.under_way = self.most_under_way = 0
        self.sockets: set[object] = set()
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(10)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._ended = asyncio.Event()
        application = web.Application()
        application.router.add_post("/live/@connections/{connection_id}", self._post)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self._started.set()
        await self._ended.wait()
        await runner.cleanup()
        ending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _post(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
        connection_id = unquote(request.match_info["connection_id"])
        body = await request.read()
        self.asked.append(connection_id)
        self.sockets.add(request.transport)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            planned = self.plan.get(connection_id)
            step = planned.pop(0) if planned else self.always.get(connection_id, 200)
            if step == "slow":
                await asyncio.sleep(3_600)
            if step == "cut":
                assert request.transport is not None
                request.transport.close()
            if step == 200:
                self.heard.setdefault(connection_id, []).append(body)
                return web.Response()
            return web.json_response({"message": "…"}, status=step if isinstance(step, int) else 500)
        finally:
            self.under_way -= 1


class Rows:
    """Subscribers and connections, as far as an outbox needs them."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.removed: list[tuple[str, tuple[str, ...]]] = []
        self.away = False

    def forget(self, connection_id: str) -> list[str]:
        self.forgotten.append(connection_id)
        return [f"trades#{connection_id}"]

    def remove(self, connection_id: str, *, also: list[str]) -> None:
        if self.away:
            raise ConnectTimeoutError(endpoint_url="x")
        self.removed.append((connection_id, tuple(also)))


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.close()


def new_world(api: Api, *, seconds: float, share: float = 10_000) -> Iterator[Any]:
    signer = PostSigner(Credentials("AKID", "secret"), "eu-west-1", endpoint_url=f"http://127.0.0.1:{api.port}/live")
    posts, rows, pacing = Posts(signer, connections=CONCURRENCY, seconds=seconds), Rows(), Pacing(share)
    outbox = Outbox(posts, rows, rows, pacing=pacing)  # type: ignore[arg-type]
    yield SimpleNamespace(outbox=outbox, rows=rows, pacing=pacing)
    outbox.close()


@pytest.fixture
def world(api: Api) -> Iterator[Any]:
    yield from new_world(api, seconds=20.0)


@pytest.fixture
def impatient(api: Api) -> Iterator[Any]:
    yield from new_world(api, seconds=POST_SECONDS)


@pytest.fixture
def narrow(api: Api) -> Iterator[Any]:
    """One with a thousand posts a second."""
    yield from new_world(api, seconds=20.0, share=1_000)


def counts(delivered: Any) -> tuple[int, int, int, int]:
    return delivered.posted, delivered.dropped, delivered.gone, delivered.throttled


def test_every_connection_gets_its_messages_in_order(world: Any, api: Api) -> None:
    api.delay = 0.01
    messages = {f"c/{n}=": [b"%d:%d" % (n, part) for part in range(5)] for n in range(300)}
    assert counts(world.outbox.deliver(messages)) == (1_500, 0, 0, 0)
    assert api.heard == messages
    assert 1 < api.most_under_way <= CONCURRENCY


def test_connections_are_kept_from_one_delivery_to_the_next(world: Any, api: Api) -> None:
    for _ in range(20):
        world.outbox.deliver({"a": [b"1"], "b": [b"2"]})
    assert len(api.sockets) <= 2


def test_a_server_that_hung_up_meanwhile_costs_nothing(world: Any, api: Api) -> None:
    world.outbox.deliver({"a": [b"1"]})
    (transport,) = api.sockets
    api._loop.call_soon_threadsafe(transport.close)  # type: ignore[attr-defined]
    assert counts(world.outbox.deliver({"a": [b"2"]})) == (1, 0, 0, 0)
    assert api.heard["a"] == [b"1", b"2"]


def test_nothing_to_deliver_asks_nobody(world: Any, api: Api) -> None:
    assert counts(world.outbox.deliver({})) == (0, 0, 0, 0)
    assert api.asked == []


def test_a_gone_connection_is_forgotten_and_its_rows_go(world: Any, api: Api) -> None:
    api.always["a"] = 410
    assert counts(world.outbox.deliver({"a": [b"1", b"2"], "b": [b"3"]})) == (1, 0, 1, 0)
    assert api.asked.count("a") == 1
    assert world.rows.removed == [("a", ("trades#a",))]


def test_rows_that_cannot_be_removed_are_left_to_expire(world: Any, api: Api) -> None:
    api.always["a"] = 410
    world.rows.away = True
    assert counts(world.outbox.deliver({"a": [b"1"]})) == (0, 0, 1, 0)
    assert world.rows.forgotten == ["a"]


@pytest.mark.parametrize("step", [500, 503, "cut"])
def test_a_fault_is_tried_again_once(world: Any, api: Api, step: int | str) -> None:
    api.plan = {"a": [step], "b": [step, step]}
    assert counts(world.outbox.deliver({"a": [b"1", b"2"], "b": [b"3", b"4"]})) == (2, 2, 0, 0)
    assert api.heard == {"a": [b"1", b"2"]}


def test_a_request_that_is_wrong_is_not_repeated(world: Any, api: Api) -> None:
    api.always["a"] = 403
    assert counts(world.outbox.deliver({"a": [b"1"]})) == (0, 1, 0, 0)
    assert api.asked == ["a"]


def test_refusals_slow_the_pace(world: Any, api: Api) -> None:
    api.plan["a"] = [429]
    api.always["b"] = 429
    before = world.pacing._rate(time.monotonic())
    assert counts(world.outbox.deliver({"a": [b"1"], "b": [b"2"]})) == (1, 1, 0, 3)
    assert world.pacing._rate(time.monotonic()) < 0.6 * before


def test_slow_connections_delay_nobody(impatient: Any, api: Api) -> None:
    """One post of each is waited for, beside the others' and not again in the same delivery."""
    slow = {f"s{n}": [b"1", b"2", b"3"] for n in range(CONCURRENCY // 2)}
    api.always = dict.fromkeys(slow, "slow")
    healthy = {f"h{n}": [b"1"] for n in range(200)}
    began = time.monotonic()
    assert counts(impatient.outbox.deliver(slow | healthy)) == (200, 3 * len(slow), 0, 0)
    assert time.monotonic() - began < 10 * POST_SECONDS
    assert all(count == 1 for count in Counter(api.asked).values())


def test_who_was_slow_comes_last_the_next_time(impatient: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONCURRENCY", 1)
    api.plan["s"] = ["slow"]
    impatient.outbox.deliver({"s": [b"1"], "h": [b"1"]})
    api.asked.clear()
    impatient.outbox.deliver({"s": [b"2"], "h": [b"2"]})
    assert api.asked == ["h", "s"]
    assert api.heard["s"] == [b"2"]


def test_what_is_not_begun_in_time_is_dropped_and_comes_first_the_next_time(
    world: Any, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONCURRENCY", 1)
    monkeypatch.setattr(module, "DELIVERY_SECONDS", 0.1)
    api.delay = 0.04
    everyone = {f"c{n}": [b"1"] for n in range(8)}
    posted, dropped, *_ = counts(world.outbox.deliver(everyone))
    assert 1 <= posted <= 4
    assert posted + dropped == 8
    left = everyone.keys() - set(api.asked)
    api.asked.clear()
    world.outbox.deliver(everyone)
    assert set(api.asked[:2]) <= left


def test_posts_of_a_delivery_are_spread(narrow: Any) -> None:
    began = time.monotonic()
    assert counts(narrow.outbox.deliver({f"c{n}": [b"1"] for n in range(500)})) == (500, 0, 0, 0)
    # The first 45 at once, the others at 900 a second.
    assert time.monotonic() - began > 0.5


def test_no_server_at_all_drops_everything_and_does_not_fail(world: Any, api: Api) -> None:
    api.close()
    assert counts(world.outbox.deliver({"a": [b"1"], "b": [b"2"]})) == (0, 2, 0, 0)
