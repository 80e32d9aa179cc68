"""Errors as clients see them: ``application/problem+json`` (RFC 9457)."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A request cannot be answered; ``detail`` is a sentence for people."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def answer(status: HTTPStatus, detail: str, **more: object) -> Response[str]:
    """Give the response that tells of a problem; ``more`` are further members of it."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **more}
    return Response(status_code=int(status), content_type=CONTENT_TYPE, body=json.dumps(body))


def invalid(errors: Sequence[Any]) -> Response[str]:
    """Give the response that names each parameter that does not fit, without what was sent for it."""
    named = [{"parameter": str(error["loc"][-1]), "message": str(error["msg"])} for error in errors]
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, "Some parameters do not fit.", errors=named)
