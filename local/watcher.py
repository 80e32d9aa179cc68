"""A client like any other on the WebSocket API, which measures what reaches a screen and when."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

_MAX_SAMPLES = 1_000_000


@dataclass(slots=True)
class Delivered:
    """What the client got so far.

    ``seconds`` has one sample for each provisional bar with a newer live trade than the symbol's bars
    had before: from the ingestor's receive time of that trade to the moment the update was read here.
    A bar that only trades from history were added to gives none.

    ``progress`` and ``continuity`` are the last ones, by ``venue:SYMBOL``; ``amended`` counts the bars
    that were computed again after they had been final.

    ``holes`` counts updates that began beyond the next number of their topic, symbol and source, where one was known.
    """

    holes: int = 0
    messages: int = 0
    bars: int = 0
    amended: int = 0
    seconds: list[float] = field(default_factory=list)
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    continuity: dict[str, dict[str, Any]] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    _received: dict[str, int] = field(default_factory=dict)
    _known: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def begin(self) -> None:
        """Hear that the connection is a new one, whose numbers begin with its snapshot."""
        self._known.clear()

    def take(self, message: dict[str, Any], *, now: int) -> None:
        """Count one of the server's messages, read at ``now`` (ns UTC)."""
        self.messages += 1
        live = message["type"] == "update" and not message.get("replay")
        for item in message.get("items", ()):
            self._number(item)
            if item["topic"] == "bars.1s" and live:
                for bar in item["data"]:
                    self.bars += 1
                    self.amended += bar["amended"]
                    self._sample(item["symbol"], bar, now)
            elif item["topic"] == "health":
                for fact in item["data"]:
                    self._health(item["symbol"], fact)

    def _number(self, item: dict[str, Any]) -> None:
        place = (item["topic"], item["symbol"])
        for source, number in item.get("positions", {}).items():
            self._known[*place, source] = max(number, self._known.get((*place, source), 0))
        if "source" in item:
            key = (*place, str(item["source"]))
            known = self._known.get(key, item["from"] - 1)
            self.holes += item["from"] > known + 1
            self._known[key] = max(known, item["to"])

    def _sample(self, symbol: str, bar: dict[str, Any], now: int) -> None:
        if bar["final"] or bar["receive"] <= self._received.get(symbol, 0):
            return
        self._received[symbol] = bar["receive"]
        if len(self.seconds) < _MAX_SAMPLES:
            self.seconds.append((now - bar["receive"]) / 1e9)

    def _health(self, symbol: str, fact: dict[str, Any]) -> None:
        match fact.get("kind"):
            case "progress":
                self.progress[symbol] = fact
            case "continuity":
                self.continuity[symbol] = fact
            case "latency":
                self.stages = fact["stage"]


class Watcher:
    """Subscribes to everything, from a thread of its own, and reconnects until stopped.

    ``token`` gives an access token, which a programme sends in a header; a page would need a ticket.
    """

    def __init__(self, url: str, *, token: Callable[[], str]) -> None:
        self._url = url
        self._token = token
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._task: asyncio.Task[None] | None = None
        self.delivered = Delivered()
        self.subscribed = threading.Event()

    def start(self) -> None:
        """Start the thread; :attr:`subscribed` is set once the server has answered."""
        self._thread.start()

    def stop(self) -> None:
        """Close the connection and end the thread."""
        task = self._task
        if task is not None:
            # It is closed already where the task failed.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(task.cancel)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._watch())
        try:
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
        finally:
            self._loop.close()

    async def _watch(self) -> None:
        while True:
            try:
                headers = {"Authorization": f"Bearer {await asyncio.to_thread(self._token)}"}
                async with (
                    aiohttp.ClientSession(headers=headers) as session,
                    session.ws_connect(self._url, max_msg_size=0) as socket,
                ):
                    self.delivered.begin()
                    await socket.send_json(
                        {"action": "subscribe", "topics": ["bars.1s", "trades", "health"], "symbols": ["*"]}
                    )
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            content = msgspec.json.decode(message.data)
                            self.delivered.take(content, now=time.time_ns())
                            if content["type"] == "subscribed":
                                self.subscribed.set()
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.5)
