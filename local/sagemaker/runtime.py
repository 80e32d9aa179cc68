"""The runtime: one invocation, from the variant that gets it to the line that captures it."""

import logging
import random
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from local.sagemaker.arguments import ACCOUNT
from local.sagemaker.capture import Capture, Message, now
from local.sagemaker.hosting import Hosting
from local.sagemaker.measures import Measures
from local.sagemaker.servers import ModelServer
from local.sagemaker.store import Row, Store

_LOGGER = logging.getLogger("tickwire.sagemaker")
_HEADER = "X-Amzn-SageMaker-"
_TIMEOUT_SECONDS = 60.0
"""What SageMaker gives a model for an answer."""

MAX_BODY_BYTES = 25 * 1024 * 1024
"""Of a request (Amazon SageMaker AI API reference, InvokeEndpoint)."""

_UNSERVED = 500


@dataclass(frozen=True, slots=True)
class _Refusal(Exception):
    code: str
    message: str
    status: int = 400


class Runtime:
    """Answers ``POST /endpoints/{name}/invocations``; ``measures`` has what it counted, by endpoint."""

    def __init__(
        self, store: Store, hosting: Hosting, capture: Capture, http: aiohttp.ClientSession, *, seed: int | None = None
    ) -> None:
        self._store = store
        self._hosting = hosting
        self._capture = capture
        self._http = http
        self._random = random.Random(seed)  # noqa: S311 - who gets a request is no secret
        self.measures: dict[str, Measures] = {}

    async def invoke(self, request: web.Request) -> web.Response:
        """Answer one invocation as SageMaker does."""
        name = request.match_info["name"]
        try:
            variant, server = self._choose(name, request.headers.get(f"{_HEADER}Target-Variant"))
        except _Refusal as refusal:
            return _error(refusal.code, refusal.status, {"Message": refusal.message})
        asked = Message(request.headers.get("Content-Type", "application/octet-stream"), await request.read())
        started, at = time.perf_counter(), now()
        status, answer = await self._ask(server, asked, request)
        measures = self.measures.setdefault(name, Measures())
        measures.add(variant, status=status, seconds=time.perf_counter() - started)
        if status >= 300:
            text = answer.body.decode(errors="replace")
            said = f"Received client error ({status})" if status < 500 else f"Received server error ({status})"
            message = f'{said} from primary with message "{text}". See the log of {variant} in the folder of the run.'
            return _error(
                "ModelError", 424, {"Message": message, "OriginalMessage": text, "OriginalStatusCode": status}
            )
        captured = self._captured(name)
        if captured is not None:
            identity = request.headers.get(f"{_HEADER}Inference-Id")
            self._capture.add(captured, f"{name}/{variant}", asked, answer, at=at, inference_id=identity)
        headers = {"Content-Type": answer.content_type, "x-Amzn-Invoked-Production-Variant": variant}
        if own := request.headers.get(f"{_HEADER}Custom-Attributes"):
            headers[f"{_HEADER}Custom-Attributes"] = own
        return web.Response(body=answer.body, headers=headers)

    def _choose(self, name: str, target: str | None) -> tuple[str, ModelServer]:
        row = self._store["endpoints"].get(name)
        if row is None:
            raise _Refusal("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        servers = self._hosting.routes.get(name)
        if not servers:
            raise _Refusal("ServiceUnavailable", f"Endpoint {name} is {row['EndpointStatus']}", 503)
        if target is not None:
            if target not in servers:
                raise _Refusal("ValidationError", f"Variant {target} not found in endpoint {name}")
            return target, servers[target]
        weights = [variant["CurrentWeight"] for variant in row["ProductionVariants"]]
        names = [variant["VariantName"] for variant in row["ProductionVariants"]]
        if sum(weights) <= 0:
            raise _Refusal("ValidationError", f"No variant of endpoint {name} has a weight above 0")
        (chosen,) = self._random.choices(names, weights)
        return chosen, servers[chosen]

    async def _ask(self, server: ModelServer, asked: Message, request: web.Request) -> tuple[int, Message]:
        headers = {"Content-Type": asked.content_type}
        for name in ("Accept", f"{_HEADER}Custom-Attributes"):
            if name in request.headers:
                headers[name] = request.headers[name]
        try:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
            address = f"{server.url}/invocations"
            async with self._http.post(address, data=asked.body, headers=headers, timeout=timeout) as reply:
                content_type = reply.headers.get("Content-Type", "application/octet-stream")
                return reply.status, Message(content_type, await reply.read())
        except (TimeoutError, aiohttp.ClientError) as error:
            _LOGGER.warning("%s does not answer: %s", server.child.name, error)
            return _UNSERVED, Message("text/plain", f"the model does not answer: {error!r}".encode())

    def _captured(self, name: str) -> dict[str, Any] | None:
        row: Row = self._store["endpoints"].get(name, {})
        config = self._store["configurations"].get(row.get("EndpointConfigName", ""), {})
        captured: dict[str, Any] | None = config.get("DataCaptureConfig")
        return captured


def _error(code: str, status: int, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=status, headers={"x-amzn-ErrorType": code})
