"""What every function behind the HTTP API has in common: validation, who calls, caching, and errors as problems."""

from base64 import b64decode
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import psycopg
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.identity.user import Role, User
from lambdas.rest_api.caller import caller_of
from lambdas.rest_api.problems import Problem, answer, invalid

MAX_BODY_CHARACTERS = 64 * 1024


class Application:
    """A resolver of routes.

    Attributes
    ----------
    resolver : what routes are added to, and what resolves an event
    """

    def __init__(self, *, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self.resolver = APIGatewayHttpResolver(enable_validation=True)
        self._fresh_seconds = 0
        failures: tuple[tuple[type[Exception], Any], ...] = (
            (Problem, self._problem),
            (RequestValidationError, self._invalid),
            (psycopg.OperationalError, self._database_away),
            (NotFoundError, self._not_found),
            (RecursionError, self._too_deep),
            (RequestUnsupportedContentType, self._not_json),
            (Exception, self._failed),
        )
        for failure, tell in failures:
            self.resolver.exception_handler(failure)(tell)

    def caller(self, roles: frozenset[Role]) -> User:
        """Give who sent the request at hand, if it has one of ``roles``.

        Raises
        ------
        Problem
            401 without an access token, 403 without one of the roles.
        """
        authorizer = self.resolver.current_event.request_context.authorizer
        return caller_of((authorizer.jwt_claim if authorizer is not None else None) or {}, roles=roles)

    def keep(self, seconds: int) -> None:
        """Let the caller keep the answer at hand for some time, since it will not change."""
        self._fresh_seconds = seconds

    def resolve(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one request; what the caller has already is not sent again (RFC 9110, section 13.1.2)."""
        self._fresh_seconds = 0
        try:
            answered: dict[str, Any] = self.resolver.resolve(_readable(event), context)
        except Problem as problem:
            told = self._problem(problem)
            answered = {
                "statusCode": told.status_code,
                "headers": {"Content-Type": told.content_type},
                "body": told.body,
                "isBase64Encoded": False,
            }
        if event["requestContext"]["http"]["method"] != "GET" or answered["statusCode"] != HTTPStatus.OK:
            answered["headers"]["Cache-Control"] = "no-store"
            return answered
        tag = f'"{sha256(answered["body"].encode()).hexdigest()[:32]}"'
        kept = f"max-age={self._fresh_seconds}" if self._fresh_seconds else "no-cache"
        # Private: another user may not have the roles.
        answered["headers"] |= {"ETag": tag, "Cache-Control": f"private, {kept}", "Vary": "Accept"}
        if _names(event, tag):
            answered |= {"statusCode": int(HTTPStatus.NOT_MODIFIED), "body": "", "isBase64Encoded": False}
            answered["headers"].pop("Content-Type", None)
        return answered

    def _problem(self, problem: Problem) -> Response[str]:
        return answer(problem.status, problem.detail)

    def _invalid(self, error: RequestValidationError) -> Response[str]:
        return invalid(error.errors())

    def _database_away(self, error: psycopg.OperationalError) -> Response[str]:
        # It also stands for a query that took longer than the role may take.
        self._logger.exception("database did not answer")
        self._metrics.add_metric(name="DatabaseUnavailable", unit=MetricUnit.Count, value=1)
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, "The database did not answer; please try again.")

    def _not_found(self, error: NotFoundError) -> Response[str]:
        return answer(HTTPStatus.NOT_FOUND, "There is no such route.")

    def _too_deep(self, error: RecursionError) -> Response[str]:
        return answer(HTTPStatus.BAD_REQUEST, "The body is nested too deeply.")

    def _not_json(self, error: RequestUnsupportedContentType) -> Response[str]:
        return answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body has to be application/json.")

    def _failed(self, error: Exception) -> Response[str]:
        self._logger.exception("request failed")
        self._metrics.add_metric(name="RequestsFailed", unit=MetricUnit.Count, value=1)
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side; please try again.")


def _names(event: dict[str, Any], tag: str) -> bool:
    """Say whether If-None-Match names a tag; API Gateway gives headers in lower case."""
    asked = (event.get("headers") or {}).get("if-none-match", "")
    return asked.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in asked.split(",")}


def _readable(event: dict[str, Any]) -> dict[str, Any]:
    """Give the event with its body as text, if it has one.

    Raises
    ------
    Problem
        413 or 400, if it is too large or no text.
    """
    body = event.get("body")
    if body is None:
        return event
    if len(body) > MAX_BODY_CHARACTERS:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have {MAX_BODY_CHARACTERS:,} characters.")
    if not event.get("isBase64Encoded"):
        return event
    # API Gateway does so with what it takes for binary.
    try:
        return {**event, "body": b64decode(body, validate=True).decode(), "isBase64Encoded": False}
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is no text.") from error
