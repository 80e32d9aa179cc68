"""The process: control plane and runtime behind one address, state in one folder."""

import contextlib
import json
import logging
import uuid
from pathlib import Path

import aiohttp
from aiohttp import web

from local.sagemaker import objects
from local.sagemaker.arguments import answered, read_arguments, service_model
from local.sagemaker.capture import Capture
from local.sagemaker.faults import ServiceError
from local.sagemaker.hosting import Hosting
from local.sagemaker.jobs import Jobs
from local.sagemaker.measures import Measures
from local.sagemaker.registry import Registry
from local.sagemaker.runtime import MAX_BODY_BYTES, Runtime
from local.sagemaker.servers import ModelServers
from local.sagemaker.store import Store

_LOGGER = logging.getLogger("tickwire.sagemaker")
_TARGET = "SageMaker."
_JSON = "application/x-amz-json-1.1"
_KEEP_ALIVE_SECONDS = 75.0


class Service:
    """SageMaker at one address; :meth:`start` it, and :meth:`close` it.

    S3 is where ``AWS_ENDPOINT_URL`` says. ``GET /local/endpoints/{name}?since=`` tells what CloudWatch would:
    :meth:`~local.sagemaker.measures.Measures.told`.
    """

    def __init__(self, folder: Path, *, port: int = 0, seed: int | None = None) -> None:
        self._folder = folder
        self._port = port
        self._seed = seed
        self._capture = Capture(objects.write, seed=seed)
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen on 127.0.0.1, serve what was served before, and give the port."""
        self._folder.mkdir(parents=True, exist_ok=True)
        service_model()
        store = Store(self._folder / "state.json")
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256), auto_decompress=False)
        self._hosting = Hosting(store, ModelServers(self._folder / "models", self._http))
        self._jobs = Jobs(store, self._folder / "jobs")
        self._operations = {**self._hosting.operations, **self._jobs.operations, **Registry(store).operations}
        self._runtime = Runtime(store, self._hosting, self._capture, self._http, seed=self._seed)
        self._capture.start()
        self._jobs.resume()
        self._hosting.resume()
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(
            [
                web.post("/", self._control),
                web.post("/endpoints/{name}/invocations", self._runtime.invoke),
                web.get("/local/endpoints/{name}", self._told),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=_KEEP_ALIVE_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, shutdown_timeout=2.0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def close(self) -> None:
        """Stop jobs and servers, and write what was captured."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._capture.stop)
            stack.push_async_callback(self._http.close)
            stack.push_async_callback(self._hosting.close)
            stack.push_async_callback(self._jobs.close)
            if self._runner is not None:
                stack.push_async_callback(self._runner.cleanup)

    async def _control(self, request: web.Request) -> web.Response:
        headers = {"x-amzn-RequestId": str(uuid.uuid4())}
        target = request.headers.get("X-Amz-Target", "")
        operation = target.removeprefix(_TARGET)
        try:
            if not target.startswith(_TARGET):
                raise ServiceError("UnknownOperationException", f"no operation of SageMaker: {target!r}")
            arguments = read_arguments(operation, await request.read())
            handler = self._operations.get(operation)
            if handler is None:
                raise ServiceError("UnknownOperationException", f"{operation} is not done on a laptop")
            body = answered(operation, handler(arguments))
        except ServiceError as error:
            body = {"__type": error.code, "message": str(error)}
            return web.Response(
                body=json.dumps(body).encode(), status=error.status, content_type=_JSON, headers=headers
            )
        return web.Response(body=json.dumps(body).encode(), content_type=_JSON, headers=headers)

    async def _told(self, request: web.Request) -> web.Response:
        measures = self._runtime.measures.get(request.match_info["name"], Measures())
        try:
            since = float(request.query.get("since", "0"))
        except ValueError:
            return web.json_response({"message": "since is seconds UTC"}, status=400)
        return web.json_response(measures.told(since))
