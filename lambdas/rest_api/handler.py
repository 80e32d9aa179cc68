"""Every route of the HTTP API."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
import psycopg
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from lambdas.delivery.aws import aws_client
from lambdas.delivery.settings import read_settings
from lambdas.identity.tickets import LIFE_SECONDS, Tickets
from lambdas.identity.user import READERS, Role, User
from lambdas.postgres.database import Database, DatabaseSettings, connect_for_reading
from lambdas.rest_api.bars import MAX_BARS, read_bars
from lambdas.rest_api.caller import caller_of
from lambdas.rest_api.conclusions import MAX_CONCLUSIONS, read_predictions, read_sentiment, read_signals
from lambdas.rest_api.continuity import MAX_GAPS, read_continuity
from lambdas.rest_api.parameters import HORIZON_SECONDS, End, Horizon, Start, Symbol, Venue, check_range
from lambdas.rest_api.problems import Problem, answer, invalid

_LONGEST = timedelta(days=31)


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's environment, beside the database's."""

    tickets_table: str


logger = Logger()
metrics = Metrics(namespace="Tickwire")
tracer = Tracer(patch_modules=["botocore"])
app = APIGatewayHttpResolver(enable_validation=True)

_settings = read_settings(DatabaseSettings)
database = Database(lambda: connect_for_reading(_settings))
tickets = Tickets(
    aws_client("dynamodb", config=Config(connect_timeout=1, read_timeout=3)),
    read_settings(FunctionSettings).tickets_table,
)


@app.post("/ws-tickets", status_code=HTTPStatus.CREATED)
def new_ticket() -> dict[str, Any]:
    """Give a ticket that opens one WebSocket within ``expires_in`` seconds."""
    return {"ticket": tickets.issue(_caller(READERS)), "expires_in": LIFE_SECONDS}


@app.get("/v1/bars")
def bars(
    venue: Venue,
    symbol: Symbol,
    interval: Literal["1s", "1m"],
    start: Start,
    end: End,
    limit: Annotated[int, Query(ge=1, le=MAX_BARS)] = 500,
) -> dict[str, Any]:
    """Give a symbol's bars of a range of at most 31 days."""
    _caller(READERS)
    check_range(start, end, longest=_LONGEST)
    return database.run(
        lambda connection: read_bars(
            connection, venue=venue, symbol=symbol, interval=interval, start=start, end=end, limit=limit
        )
    )


@app.get("/v1/continuity")
def continuity(
    venue: Venue,
    symbol: Symbol,
    start: Start,
    end: End,
    limit: Annotated[int, Query(ge=1, le=MAX_GAPS)] = 100,
) -> dict[str, Any]:
    """Give how complete a symbol's record of a range of at most 31 days is."""
    _caller(READERS)
    check_range(start, end, longest=_LONGEST)
    return database.run(
        lambda connection: read_continuity(connection, venue=venue, symbol=symbol, start=start, end=end, limit=limit)
    )


@app.get("/v1/predictions")
def predictions(
    venue: Venue,
    symbol: Symbol,
    start: Start,
    end: End,
    horizon: Horizon = HORIZON_SECONDS,
    limit: Annotated[int, Query(ge=1, le=MAX_CONCLUSIONS)] = 500,
) -> dict[str, Any]:
    """Give a symbol's predictions of a range of at most 31 days, and what became of them."""
    _caller(READERS)
    check_range(start, end, longest=_LONGEST)
    return database.run(
        lambda connection: read_predictions(
            connection, venue=venue, symbol=symbol, horizon=horizon, start=start, end=end, limit=limit
        )
    )


@app.get("/v1/signals")
def signals(
    venue: Venue,
    symbol: Symbol,
    start: Start,
    end: End,
    horizon: Horizon = HORIZON_SECONDS,
    limit: Annotated[int, Query(ge=1, le=MAX_CONCLUSIONS)] = 500,
) -> dict[str, Any]:
    """Give a symbol's trading signals of a range of at most 31 days."""
    _caller(READERS)
    check_range(start, end, longest=_LONGEST)
    return database.run(
        lambda connection: read_signals(
            connection, venue=venue, symbol=symbol, horizon=horizon, start=start, end=end, limit=limit
        )
    )


@app.get("/v1/sentiment")
def sentiment(start: Start, end: End, limit: Annotated[int, Query(ge=1, le=MAX_CONCLUSIONS)] = 500) -> dict[str, Any]:
    """Give the mood of the market, minute by minute, in a range of at most 31 days."""
    _caller(READERS)
    check_range(start, end, longest=_LONGEST)
    return database.run(lambda connection: read_sentiment(connection, start=start, end=end, limit=limit))


@app.get("/v1/health")
def health() -> dict[str, str]:
    """Say that requests are answered and the database is read; the one route without a login."""
    database.run(lambda connection: connection.execute("SELECT 1").fetchone())
    return {"status": "ok"}


def _caller(roles: frozenset[Role]) -> User:
    authorizer = app.current_event.request_context.authorizer
    return caller_of((authorizer.jwt_claim if authorizer is not None else None) or {}, roles=roles)


def _problem(problem: Problem) -> Response[str]:
    return answer(problem.status, problem.detail)


def _invalid(error: RequestValidationError) -> Response[str]:
    return invalid(error.errors())


def _database_away(error: psycopg.OperationalError) -> Response[str]:
    # It also stands for a query that took longer than the role may take.
    logger.exception("database did not answer")
    metrics.add_metric(name="DatabaseUnavailable", unit=MetricUnit.Count, value=1)
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, "The database did not answer; please try again.")


def _not_found(error: NotFoundError) -> Response[str]:
    return answer(HTTPStatus.NOT_FOUND, "There is no such route.")


def _failed(error: Exception) -> Response[str]:
    logger.exception("request failed")
    metrics.add_metric(name="RequestsFailed", unit=MetricUnit.Count, value=1)
    return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side; please try again.")


for _failure, _tell in (
    (Problem, _problem),
    (RequestValidationError, _invalid),
    (psycopg.OperationalError, _database_away),
    (NotFoundError, _not_found),
    (Exception, _failed),
):
    app.exception_handler(_failure)(_tell)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the HTTP API."""
    answered: dict[str, Any] = app.resolve(event, context)
    return answered
