"""Routes to what is concluded from the market: indicators, predictions, signals, whales, anomalies, sentiment."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.identity.user import READERS
from lambdas.postgres.database import Database
from lambdas.rest_api.application import Application
from lambdas.rest_api.conclusions import (
    MAX_CONCLUSIONS,
    Page,
    read_anomalies,
    read_predictions,
    read_sentiment,
    read_signals,
    read_whales,
)
from lambdas.rest_api.cursors import Cursor, new_cursor, read_cursor
from lambdas.rest_api.latest import LatestIndicators
from lambdas.rest_api.parameters import (
    HORIZON_SECONDS,
    End,
    Horizon,
    Start,
    Symbol,
    Venue,
    check_range,
    since_epoch,
)
from lambdas.rest_api.problems import Problem
from lambdas.rest_api.track_record import read_track_record

Limit = Annotated[int, Query(ge=1, le=MAX_CONCLUSIONS)]
_Interval = Annotated[int, Query(ge=1, le=86_400, description="of the bar, seconds")]


def add_routes(app: Application, *, database: Database, indicators: LatestIndicators) -> None:
    """Add the routes."""

    @app.resolver.get("/v1/indicators")
    def latest_indicators(venue: Venue, symbol: Symbol, interval: _Interval = 60) -> dict[str, Any]:
        """Give a symbol's indicators after its newest closed bar."""
        app.caller(READERS)
        found = indicators.read(venue=venue, symbol=symbol, interval=interval)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"There are no indicators of {symbol} on {venue} at {interval} s.")
        return {"venue": venue, "symbol": symbol, "interval": interval, "start": found.start, "values": found.values}

    @app.resolver.get("/v1/predictions")
    def predictions(
        venue: Venue,
        symbol: Symbol,
        start: Start,
        end: End,
        horizon: Horizon = HORIZON_SECONDS,
        limit: Limit = 500,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Give a symbol's predictions of a range of at most 31 days, and what became of them."""
        of = {"venue": venue, "symbol": symbol, "horizon": horizon}
        found, following = _oldest_first(read_predictions, of, start, end, limit, cursor)
        return {**of, "predictions": found, "next": following}

    @app.resolver.get("/v1/signals")
    def signals(
        venue: Venue,
        symbol: Symbol,
        start: Start,
        end: End,
        horizon: Horizon = HORIZON_SECONDS,
        limit: Limit = 500,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Give a symbol's trading signals of a range of at most 31 days."""
        of = {"venue": venue, "symbol": symbol, "horizon": horizon}
        found, following = _oldest_first(read_signals, of, start, end, limit, cursor)
        return {**of, "signals": found, "next": following}

    @app.resolver.get("/v1/sentiment")
    def sentiment(start: Start, end: End, limit: Limit = 500, cursor: Cursor = None) -> dict[str, Any]:
        """Give the mood of the market, minute by minute, in a range of at most 31 days."""
        found, following = _oldest_first(read_sentiment, {}, start, end, limit, cursor)
        return {"sentiment": found, "next": following}

    @app.resolver.get("/v1/track-record")
    def track_record(
        venue: Venue, symbol: Symbol, start: Start, end: End, horizon: Horizon = HORIZON_SECONDS
    ) -> dict[str, Any]:
        """Give how often each version of the model was right on a symbol, in a range of at most 31 days."""
        app.caller(READERS)
        check_range(start, end)
        of: dict[str, Any] = {"venue": venue, "symbol": symbol, "horizon": horizon}
        records = database.run(lambda connection: read_track_record(connection, **of, start=start, end=end))
        return {**of, "records": records}

    @app.resolver.get("/v1/whales")
    def whales(
        start: Start,
        end: End,
        venue: Venue | None = None,
        symbol: Symbol | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Give the large trades and clusters of a range of at most 31 days, newest first."""
        kinds = (str, str, int, int)
        found, following = _newest_first(read_whales, kinds, venue, symbol, start, end, limit, cursor)
        return {"whales": found, "next": following}

    @app.resolver.get("/v1/anomalies")
    def anomalies(
        start: Start,
        end: End,
        venue: Venue | None = None,
        symbol: Symbol | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Give what was unusual in a range of at most 31 days, newest first."""
        kinds = (str, str, str, str)
        found, following = _newest_first(read_anomalies, kinds, venue, symbol, start, end, limit, cursor)
        return {"anomalies": found, "next": following}

    def _oldest_first(
        read: Callable[..., Page], of: dict[str, Any], start: Start, end: End, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        app.caller(READERS)
        check_range(start, end)
        query = {**of, "start": start, "end": end}
        position = read_cursor(cursor, query, int)
        first = start if position is None else since_epoch(int(position[0]))
        found, following = database.run(lambda connection: read(connection, **of, start=first, end=end, limit=limit))
        return found, None if following is None else new_cursor(query, following)

    def _newest_first(
        read: Callable[..., Page],
        kinds: tuple[type, ...],
        venue: str | None,
        symbol: str | None,
        start: Start,
        end: End,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[dict[str, Any]], str | None]:
        app.caller(READERS)
        check_range(start, end)
        query = {"venue": venue, "symbol": symbol, "start": start, "end": end}
        after = read_cursor(cursor, query, *kinds)
        found, following = database.run(lambda connection: read(connection, **query, limit=limit, after=after))
        return found, None if following is None else new_cursor(query, following)
