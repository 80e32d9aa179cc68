"""Serves the built dashboard on the loopback address, and the REST API beside it, as CloudFront does."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, web

from lambdas.identity.user import Role
from tickwire.errors import TickwireError

_MAX_BODY_BYTES = 1024 * 1024
# Of a request and of its answer, what CloudFront hands on.
_ASKED = ("Authorization", "Content-Type", "Accept", "If-None-Match", "Idempotency-Key")
_TOLD = ("Content-Type", "ETag", "Cache-Control", "Vary", "Link", "Location", "Retry-After")


class PortTaken(TickwireError):
    """Something else listens on the page's port."""


class Page:
    """The dashboard's files, ``/config.json``, ``/token`` and the REST API, from a thread of its own.

    It can be started before :attr:`config`, :attr:`rest_url` and :attr:`token` are known; until then what needs them is
    answered with 503. No other page may read any of it: nothing here speaks of CORS.
    """

    def __init__(self, folder: Path, *, port: int) -> None:
        self._folder = folder
        self._port = port
        self.config: dict[str, Any] | None = None
        self.rest_url: str | None = None
        self.token: Callable[[Role], str] | None = None
        self._session: ClientSession | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="page", daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The address to open in a browser."""
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start serving.

        Raises
        ------
        PortTaken
            If the port is in use.
        """
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)

    def stop(self) -> None:
        """Stop serving and end the thread."""
        if self._runner is not None:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_get("/config.json", self._configuration)
        app.router.add_get("/token", self._new_token)
        app.router.add_post("/ws-tickets", self._rest)
        app.router.add_route("*", "/v1/{route:.+}", self._rest)
        app.router.add_get("/", self._index)
        app.router.add_static("/assets", self._folder / "assets")
        # What has its name from the browser and not from the build: manifest, icons, service worker.
        app.router.add_get("/{file:[A-Za-z0-9.-]+}", self._file)
        self._session = ClientSession()
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            raise PortTaken(
                f"port {self._port} is in use; choose another one with --port, or --port 0 for any free one"
            ) from error
        self._port = self._runner.addresses[0][1]

    async def _configuration(self, request: web.Request) -> web.Response:
        if self.config is None:
            raise _still_starting()
        return web.json_response(self.config, headers={"Cache-Control": "no-store"})

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(self._folder / "index.html", headers={"Cache-Control": "no-store"})

    async def _file(self, request: web.Request) -> web.FileResponse:
        path = self._folder / request.match_info["file"]
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    async def _new_token(self, request: web.Request) -> web.Response:
        """Give the token that on AWS comes of the login; here one can be anybody: ``?role=viewer``."""
        if self.token is None:
            raise _still_starting()
        name = request.query.get("role", Role.OPERATOR.value)
        if name not in set(Role):
            raise web.HTTPUnprocessableEntity(text=f"there is no role {name[:20]!r}; there are {', '.join(Role)}")
        token = await asyncio.to_thread(self.token, Role(name))
        return web.json_response({"accessToken": token}, headers={"Cache-Control": "no-store"})

    async def _rest(self, request: web.Request) -> web.Response:
        if self.rest_url is None or self._session is None:
            raise _still_starting()
        headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
        body = await request.read()
        try:
            async with self._session.request(
                request.method, f"{self.rest_url}{request.raw_path}", headers=headers, data=body or None
            ) as reply:
                told = {name: reply.headers[name] for name in _TOLD if name in reply.headers}
                return web.Response(status=reply.status, body=await reply.read(), headers=told)
        except ClientError as error:
            raise web.HTTPBadGateway(text="the REST API does not answer") from error


def _still_starting() -> web.HTTPException:
    return web.HTTPServiceUnavailable(text="the platform is still starting", headers={"Retry-After": "5"})
