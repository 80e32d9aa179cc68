"""A headless Chromium, driven over the Chrome DevTools protocol."""

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tickwire.errors import TickwireError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_START_SECONDS = 60
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


class NoBrowser(TickwireError):
    """There is no Chromium or Chrome, or it does not start."""


class PageFault(TickwireError):
    """The page does not do what was asked of it, or not in time."""


class Tab:
    """One page of the browser, and all that it complained about."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._trace: list[dict[str, Any]] = []
        self._traced = asyncio.Event()
        self.sent: list[str] = []
        """Messages that the page sent over WebSockets."""
        self.complaints: list[str] = []
        """Errors and warnings of the console, exceptions that nobody caught, and what could not be loaded."""

    async def open(self, url: str) -> None:
        """Go to an address, listening to what it says from the start."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """Give the JSON value of a JavaScript expression."""
        reply = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in reply:
            raise PageFault(str(reply["exceptionDetails"]))
        return reply["result"].get("value")

    async def wait_for(self, expression: str, *, seconds: float = 60) -> Any:
        """Poll an expression until it is truthy, and give it."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (value := await self.evaluate(expression)):
            text = await self.evaluate("document.body?.innerText")
            if asyncio.get_running_loop().time() > deadline:
                raise PageFault(f"not within {seconds:g} s: {expression}\n{text}")
            await asyncio.sleep(0.1)
        return value

    async def screenshot(self) -> bytes:
        """Give what is to be seen, as PNG."""
        picture: str = (await self.call("Page.captureScreenshot", format="png"))["data"]
        return base64.b64decode(picture)

    async def resize(self, width: int, height: int) -> None:
        """Make the page this large, in CSS pixels; below 500 wide it is a phone's."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    async def trace(self, seconds: float, *, categories: str) -> list[dict[str, Any]]:
        """Record what the browser does for a while; gives the events in the Trace Event Format."""
        self._trace, self._traced = [], asyncio.Event()
        await self.call("Tracing.start", categories=categories, transferMode="ReportEvents")
        await asyncio.sleep(seconds)
        await self.call("Tracing.end")
        await asyncio.wait_for(self._traced.wait(), 60)
        return self._trace

    async def read(self) -> None:
        """Take in what the browser says, until it is closed."""
        async for message in self._socket:
            content = message.json()
            if "id" in content:
                self._waiting.pop(content["id"]).set_result(content)
            else:
                self._listen(content["method"], content["params"])

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the DevTools protocol, and give its result."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        reply = await asyncio.wait_for(self._waiting[number], 30)
        if "error" in reply:
            raise PageFault(f"{method}: {reply['error']}")
        result: dict[str, Any] = reply["result"]
        return result

    def _listen(self, event: str, parameters: dict[str, Any]) -> None:
        if event == "Tracing.dataCollected":
            self._trace += parameters["value"]
        elif event == "Network.webSocketFrameSent":
            self.sent.append(parameters["response"]["payloadData"])
        elif event == "Tracing.tracingComplete":
            self._traced.set()
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(parameters["args"]))
        elif event == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(str(parameters["entry"]))
        elif event == "Network.loadingFailed":
            self.complaints.append(str(parameters))


def find_browser() -> str:
    """Give the path of Chromium or Chrome: what ``TICKWIRE_CHROMIUM`` names, or one that is installed.

    Raises
    ------
    NoBrowser
        If there is none.
    """
    named = os.environ.get("TICKWIRE_CHROMIUM")
    found = named or next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None and Path(_MAC).exists():
        found = _MAC
    if found is None:
        raise NoBrowser(f"none of {', '.join(_NAMES)} is installed; TICKWIRE_CHROMIUM may name another browser")
    return found


@contextmanager
def _browser(path: str) -> Iterator[int]:
    """Run a fresh browser; gives the port of its DevTools."""
    with tempfile.TemporaryDirectory(prefix="tickwire-browser-", ignore_cleanup_errors=True) as profile:
        flags = ["--headless=new", "--disable-gpu", "--no-first-run", "--window-size=1400,1000"]
        # Its sandbox refuses to run as root, as in containers.
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            [path, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        told = Path(profile) / "DevToolsActivePort"
        deadline = time.monotonic() + _START_SECONDS
        try:
            while not (told.exists() and told.read_text()):
                if process.poll() is not None:
                    raise NoBrowser(f"{path} ended with status {process.returncode}")
                if time.monotonic() > deadline:
                    raise NoBrowser(f"{path} did not start within {_START_SECONDS} s")
                time.sleep(0.05)
            yield int(told.read_text().splitlines()[0])
        finally:
            process.terminate()
            process.wait(20)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Tab]:
    """Open an address in a fresh browser."""
    with _browser(find_browser()) as port:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.put("/json/new?about:blank") as reply:
                address = (await reply.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                reading = asyncio.create_task(tab.read())
                await tab.open(url)
                yield tab
                await socket.close()
                await reading
