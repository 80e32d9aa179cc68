"""SageMaker's contract for a serving container, as a plain ASGI application.

``GET /ping`` says that the model is loaded, ``POST /invocations`` answers rows (Amazon SageMaker AI
developer guide, "Custom inference code with hosting services"), ``GET /metrics`` says what was done so far. SageMaker
gives an invocation 60 s; one takes about a millisecond here.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from tickwire.model.explanation import Explanation, explain
from tickwire.model.predictor import Float32, Predictor
from tickwire.model.refused import RefusedRequest
from tickwire.model.requests import JSON, MAX_BODY_BYTES, RowsRequest, check_accept, read_request, write_answer
from tickwire.model.server_metrics import CONTENT_TYPE, ServerMetrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PATHS = {"/ping": "GET", "/invocations": "POST", "/metrics": "GET"}
_INLINE_BYTES = 64 * 3840
"""Of a body that is read and answered on the event loop, 64 rows as Arrow; a larger one takes its time in a thread, and
the next ping need not wait."""

_LOGGER = logging.getLogger("tickwire.model")


class ModelApplication:
    """Answers with one model, which was loaded before: whoever is answered by ``/ping`` may ask for predictions."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._metrics = ServerMetrics(predictor.description)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        kind = JSON
        try:
            kind, body = await self._answer(scope, receive)
            status = 200
        except RefusedRequest as refusal:
            status, body = refusal.status, msgspec.json.encode({"error": str(refusal)})
        except Exception:
            _LOGGER.exception("a request failed")
            status, body = 500, msgspec.json.encode({"error": "the request failed; the log says why"})
        self._metrics.request(scope["path"] if scope["path"] in _PATHS else "other", status)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Message, receive: Receive) -> tuple[str, bytes]:
        path, method = scope["path"], scope["method"]
        if path not in _PATHS:
            raise RefusedRequest(404, f"there are {', '.join(_PATHS)}, and no {path}")
        if method != _PATHS[path]:
            raise RefusedRequest(405, f"no {method} here")
        description = self._predictor.description
        if path == "/ping":
            return JSON, msgspec.json.encode({"name": description.name, "version": description.version})
        if path == "/metrics":
            return CONTENT_TYPE, self._metrics.text().encode()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _read_body(headers, receive)
        began = time.perf_counter()
        # Explanations are asked for in few bytes, and take longest.
        if len(body) > _INLINE_BYTES or b"explain" in body:
            request, answer = await asyncio.to_thread(self._invoke, headers, body)
        else:
            request, answer = self._invoke(headers, body)
        self._metrics.invocation(
            rows=len(request.rows),
            explained=len(request.rows) if request.explain else 0,
            seconds=time.perf_counter() - began,
        )
        return answer

    def _invoke(self, headers: Mapping[str, str], body: bytes) -> tuple[RowsRequest, tuple[str, bytes]]:
        description = self._predictor.description
        accept = headers.get("accept", JSON)
        request = read_request(headers.get("content-type", ""), body, schema=description.schema)
        check_accept(accept, explain=request.explain)
        probabilities, explanation = self._predict(request)
        return request, write_answer(probabilities, model=description, accept=accept, explanation=explanation)

    def _predict(self, request: RowsRequest) -> tuple[Float32, Explanation | None]:
        predictor = self._predictor
        explanation = None
        if request.explain:
            if predictor.reference is None:
                raise RefusedRequest(409, f"{predictor.description.name} came without what explanations compare with")
            explanation = explain(
                predictor.predict,
                request.rows,
                predictor.reference.background_row(),
                features=len(predictor.description.schema.names),
            )
        return predictor.predict(request.rows), explanation


async def _read_body(headers: dict[str, str], receive: Receive) -> bytes:
    """Read a request's body, and stop where it becomes too large."""
    refusal = RefusedRequest(413, f"a request has at most {MAX_BODY_BYTES} bytes")
    if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
        raise refusal
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedRequest(400, "the client went before its request was complete")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise refusal
        more = message.get("more_body", False)
    return bytes(body)
