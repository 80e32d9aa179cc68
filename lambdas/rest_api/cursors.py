"""Where a list goes on: opaque to clients, and good for the query that it came from alone."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.rest_api.problems import Problem

MAX_CHARACTERS = 512

Cursor = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9_-]+$", max_length=MAX_CHARACTERS, description="`next` of the page before"),
]

Position = Sequence[str | int]
"""The sort key of the first row of the next page, or of the last one of this."""

_DIGEST = 8


def new_cursor(query: Mapping[str, object], position: Position) -> str:
    """Give the cursor of a place in what a query finds."""
    text = json.dumps([_digest(query), *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, query: Mapping[str, object], *kinds: type) -> list[str | int] | None:
    """Give the position of a cursor of this very query, None for no cursor.

    Raises
    ------
    Problem
        422 if it is none, comes from another query, or is not made of values of these ``kinds``.
    """
    if cursor is None:
        return None
    try:
        position: list[Any]
        digest, *position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError) as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, 'This is no "cursor".') from error
    if digest != _digest(query):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, 'The "cursor" comes from another query; begin without one.')
    # Not isinstance, by which True would be an int.
    if len(position) != len(kinds) or any(type(one) is not kind for one, kind in zip(position, kinds, strict=True)):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, 'This is no "cursor".')
    return position


def _digest(query: Mapping[str, object]) -> str:
    text = json.dumps({name: str(value) for name, value in query.items()}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:_DIGEST]
