"""``tickwire listen`` as it is called, against a server that says a little."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from lambdas.broadcaster.messages import TOPICS as SERVED
from tickwire.cli.listen import TOPICS
from tickwire.cli.main import main

TRADES = [{"id": 1, "price": "10.50", "flags": []}, {"id": 2, "price": "11.00", "flags": ["late"]}]


@pytest.fixture
def served() -> Iterator[str]:
    """Give the address of a WebSocket that tells two trades, and of a page that gives a token, in one server."""

    async def live(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] != "Bearer t":
            raise web.HTTPForbidden
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = message.json()
            item = {"topic": asked["topics"][0], "symbol": "v:A-B", "source": 1, "from": 1, "to": 2, "data": TRADES}
            await socket.send_json({"type": "update", "sent": 5, "items": [item]})
        return socket

    async def token(request: web.Request) -> web.Response:
        return web.json_response({"accessToken": "t"})

    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_get("/live", live)
    app.router.add_get("/token", token)
    runner = web.AppRunner(app)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_it_prints_a_line_for_each_object_and_ends_after_as_many_as_are_wanted(
    served: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKWIRE_TOKEN", "t")
    assert main(["listen", "trades", "--url", f"ws://{served}/live", "--count", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "trades v:A-B id=1 price=10.50",
        "trades v:A-B id=2 price=11.00 flags=['late']",
    ]


def test_it_finds_the_local_run_and_gets_its_token_there(
    served: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    run = {
        "pid": os.getpid(),
        "endpoint_url": "http://127.0.0.1:1",
        "websocket_url": f"ws://{served}/live",
        "page": f"http://{served}/",
    }
    (tmp_path / "run" / "run.json").write_text(json.dumps(run))
    assert main(["listen", "bars.1m", "--folder", str(tmp_path), "--json", "--count", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "kind": "update",
        "topic": "bars.1m",
        "symbol": "v:A-B",
        "data": TRADES,
        "sent": 5,
    }


def test_it_ends_after_a_while(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKWIRE_TOKEN", "t")
    assert main(["listen", "quotes", "--url", f"ws://{served}/live", "--seconds", "0.5"]) == 0


def test_without_a_token_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TICKWIRE_TOKEN", raising=False)
    assert main(["listen", "trades", "--url", "ws://127.0.0.1:9/live"]) == 1
    assert "set TICKWIRE_TOKEN" in capsys.readouterr().err


def test_a_token_that_is_not_taken_is_told(
    served: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKWIRE_TOKEN", "wrong")
    assert main(["listen", "trades", "--url", f"ws://{served}/live"]) == 1
    assert "does not take the token" in capsys.readouterr().err


def test_its_topics_are_those_that_say_something() -> None:
    assert set(TOPICS) == set(SERVED) - {"alerts"}
