"""Routes to what is stored of the market: bars, and how complete they are."""

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.identity.user import READERS
from lambdas.postgres.database import Database
from lambdas.rest_api.application import Application
from lambdas.rest_api.bars import MAX_BARS, read_bars
from lambdas.rest_api.continuity import MAX_GAPS, read_continuity
from lambdas.rest_api.parameters import End, Start, Symbol, Venue, check_range


def add_routes(app: Application, *, database: Database) -> None:
    """Add the routes."""

    @app.resolver.get("/v1/bars")
    def bars(
        venue: Venue,
        symbol: Symbol,
        interval: Literal["1s", "1m"],
        start: Start,
        end: End,
        limit: Annotated[int, Query(ge=1, le=MAX_BARS)] = 500,
    ) -> dict[str, Any]:
        """Give a symbol's bars of a range of at most 31 days."""
        app.caller(READERS)
        check_range(start, end)
        return database.run(
            lambda connection: read_bars(
                connection, venue=venue, symbol=symbol, interval=interval, start=start, end=end, limit=limit
            )
        )

    @app.resolver.get("/v1/continuity")
    def continuity(
        venue: Venue,
        symbol: Symbol,
        start: Start,
        end: End,
        limit: Annotated[int, Query(ge=1, le=MAX_GAPS)] = 100,
    ) -> dict[str, Any]:
        """Give how complete a symbol's record of a range of at most 31 days is."""
        app.caller(READERS)
        check_range(start, end)
        return database.run(
            lambda connection: read_continuity(
                connection, venue=venue, symbol=symbol, start=start, end=end, limit=limit
            )
        )
