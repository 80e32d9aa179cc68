"""A platform for one page alone: its files, a ticket, and a WebSocket with the updates that are asked for."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

MESSAGES_A_SECOND = 50
"""More than the broadcaster sends, so that what is measured errs on the dear side."""

_PRICES = {"bars.1s": 1, "bars.1m": 60}


class Feed:
    """Makes up a market of ``symbols`` and sends ``rate`` objects a second of what a connection subscribed to."""

    def __init__(self, symbols: Sequence[str], *, rate: int, seed: int = 1) -> None:
        self._symbols = tuple(symbols)
        self._rate = rate
        self._random = np.random.default_rng(seed)
        self._price = {symbol: 10.0 ** (1 + k % 5) for k, symbol in enumerate(self._symbols)}
        self._numbers: dict[tuple[str, str], int] = {}
        self._revision = itertools.count(1)
        self.sent = 0

    def messages(self, wanted: Sequence[tuple[str, str]], *, now: int) -> bytes:
        """Give one update of the share that a message has; ``now`` in ns UTC."""
        keys = [wanted[k] for k in self._random.integers(0, len(wanted), self._rate // MESSAGES_A_SECOND)]
        items = [self._item(topic, symbol, now) for topic, symbol in keys]
        self.sent += len(items)
        return json.dumps({"type": "update", "sent": now, "items": items}).encode()

    def keys(self, topics: Sequence[str], symbols: Sequence[str]) -> list[tuple[str, str]]:
        """Give what a subscription stands for, of the topics that prices have."""
        known = self._symbols if "*" in symbols else tuple(symbol for symbol in symbols if symbol in self._symbols)
        return [(topic, symbol) for topic in topics if topic in (*_PRICES, "trades", "quotes") for symbol in known]

    def _item(self, topic: str, symbol: str, now: int) -> dict[str, Any]:
        number = self._numbers[topic, symbol] = self._numbers.get((topic, symbol), 0) + 1
        price = self._price[symbol] = self._price[symbol] * float(np.exp(self._random.normal(0, 2e-4)))
        data = self._data(topic, price, number, now)
        return {"topic": topic, "symbol": symbol, "source": 0, "from": number, "to": number, "data": [data]}

    def _data(self, topic: str, price: float, number: int, now: int) -> dict[str, Any]:
        milliseconds = now // 1_000_000
        text = f"{price:.8f}"
        if topic == "trades":
            side = "buy" if number % 2 else "sell"
            return {"id": number, "price": text, "size": "0.50000000", "side": side, "time": milliseconds,
                    "receive": now, "flags": []}  # fmt: skip
        if topic == "quotes":
            return {"bid": text, "bid_size": "1.00000000", "ask": f"{price * 1.0001:.8f}", "ask_size": "1.00000000",
                    "time": milliseconds}  # fmt: skip
        width = 1_000 * _PRICES[topic]
        return {"start": milliseconds // width * width, "open": f"{price * 0.999:.8f}", "high": f"{price * 1.001:.8f}",
                "low": f"{price * 0.998:.8f}", "close": text, "vwap": text, "volume": "12.50000000",
                "buy_volume": "7.00000000", "notional": f"{price * 12.5:.8f}", "trades": number,
                "revision": next(self._revision), "final": False, "receive": now}  # fmt: skip


def application(folder: Path, feed: Feed, *, token: str) -> web.Application:
    """Give the server of the built page in ``folder``, fed by ``feed``; ``token`` is what the page shows for itself."""

    async def live(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        wanted: list[tuple[str, str]] = []
        sending = asyncio.create_task(_send(socket, feed, wanted))
        try:
            async for message in socket:
                if message.type != WSMsgType.TEXT:
                    break
                asked = message.json()
                if asked["action"] in ("subscribe", "resume") and asked.get("topics"):
                    topics, symbols = asked["topics"], asked["symbols"]
                    await socket.send_json({"type": "subscribed", "topics": topics, "symbols": symbols})
                    await socket.send_json({"type": "snapshot", "items": []})
                    wanted += feed.keys(topics, symbols)
                elif asked["action"] == "unsubscribe":
                    gone = set(feed.keys(asked["topics"], asked["symbols"]))
                    wanted[:] = [key for key in wanted if key not in gone]
                elif asked["action"] == "ping":
                    await socket.send_json({"type": "pong"})
        finally:
            sending.cancel()
        return socket

    async def config(request: web.Request) -> web.Response:
        address = f"ws://{request.host}/live"
        return web.json_response({"websocketUrl": address, "tokenUrl": "/token", "source": "benchmark"})

    async def page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / (request.match_info["file"] or "index.html"))

    async def give_token(request: web.Request) -> web.Response:
        return web.json_response({"accessToken": token})

    async def give_ticket(request: web.Request) -> web.Response:
        return web.json_response({"ticket": "one", "expires_in": 60}, status=201)

    app = web.Application()
    app.router.add_get("/live", live)
    app.router.add_get("/config.json", config)
    app.router.add_get("/token", give_token)
    app.router.add_post("/ws-tickets", give_ticket)
    app.router.add_static("/assets", folder / "assets")
    app.router.add_get("/{file:[^/]*}", page)
    return app


async def _send(socket: web.WebSocketResponse, feed: Feed, wanted: Sequence[tuple[str, str]]) -> None:
    """Send at an even pace; what the socket cannot take in time is made up for at once, so that the rate holds."""
    due = time.monotonic()
    while not socket.closed:
        if wanted:
            await socket.send_str(feed.messages(wanted, now=time.time_ns()).decode())
        due += 1 / MESSAGES_A_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
