"""SageMaker's contract for a serving container, as a plain ASGI application.

``GET /ping`` says that the model is loaded, ``POST /invocations`` answers rows (Amazon SageMaker AI
developer guide, "Custom inference code with hosting services"). SageMaker gives an invocation 60 s; one takes
about a millisecond here.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from tickwire.model.predictor import Predictor
from tickwire.model.requests import MAX_BODY_BYTES, RefusedRequest, read_rows, write_answer

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LOGGER = logging.getLogger("tickwire.model")


class ModelApplication:
    """Answers with one model, which was loaded before: whoever is answered by ``/ping`` may ask for predictions."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            body = await self._answer(scope, receive)
            status = 200
        except RefusedRequest as refusal:
            status, body = refusal.status, msgspec.json.encode({"error": str(refusal)})
        except Exception:
            _LOGGER.exception("a request failed")
            status, body = 500, msgspec.json.encode({"error": "the request failed; the log says why"})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Message, receive: Receive) -> bytes:
        description = self._predictor.description
        match scope["path"], scope["method"]:
            case "/ping", "GET":
                return msgspec.json.encode({"name": description.name, "version": description.version})
            case "/invocations", "POST":
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
                body = await _read_body(headers, receive)
                rows = read_rows(headers.get("content-type", ""), body, schema=description.schema)
                return write_answer(self._predictor.predict(rows), model=description)
            case (("/ping" | "/invocations"), method):
                raise RefusedRequest(405, f"no {method} here")
            case path, _:
                raise RefusedRequest(404, f"there are /ping and /invocations, and no {path}")


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
