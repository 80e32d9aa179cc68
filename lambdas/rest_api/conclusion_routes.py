"""Routes to what is concluded from the market: predictions, signals, sentiment."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.identity.user import READERS
from lambdas.postgres.database import Database
from lambdas.rest_api.application import Application
from lambdas.rest_api.conclusions import MAX_CONCLUSIONS, read_predictions, read_sentiment, read_signals
from lambdas.rest_api.parameters import HORIZON_SECONDS, End, Horizon, Start, Symbol, Venue, check_range


def add_routes(app: Application, *, database: Database) -> None:
    """Add the routes."""

    @app.resolver.get("/v1/predictions")
    def predictions(
        venue: Venue,
        symbol: Symbol,
        start: Start,
        end: End,
        horizon: Horizon = HORIZON_SECONDS,
        limit: Annotated[int, Query(ge=1, le=MAX_CONCLUSIONS)] = 500,
    ) -> dict[str, Any]:
        """Give a symbol's predictions of a range of at most 31 days, and what became of them."""
        app.caller(READERS)
        check_range(start, end)
        return database.run(
            lambda connection: read_predictions(
                connection, venue=venue, symbol=symbol, horizon=horizon, start=start, end=end, limit=limit
            )
        )

    @app.resolver.get("/v1/signals")
    def signals(
        venue: Venue,
        symbol: Symbol,
        start: Start,
        end: End,
        horizon: Horizon = HORIZON_SECONDS,
        limit: Annotated[int, Query(ge=1, le=MAX_CONCLUSIONS)] = 500,
    ) -> dict[str, Any]:
        """Give a symbol's trading signals of a range of at most 31 days."""
        app.caller(READERS)
        check_range(start, end)
        return database.run(
            lambda connection: read_signals(
                connection, venue=venue, symbol=symbol, horizon=horizon, start=start, end=end, limit=limit
            )
        )

    @app.resolver.get("/v1/sentiment")
    def sentiment(
        start: Start, end: End, limit: Annotated[int, Query(ge=1, le=MAX_CONCLUSIONS)] = 500
    ) -> dict[str, Any]:
        """Give the mood of the market, minute by minute, in a range of at most 31 days."""
        app.caller(READERS)
        check_range(start, end)
        return database.run(lambda connection: read_sentiment(connection, start=start, end=end, limit=limit))
