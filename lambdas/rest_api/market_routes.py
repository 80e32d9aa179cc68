"""Routes to what is stored of the market: symbols, bars, and how complete they are."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.identity.user import READERS
from lambdas.postgres.database import Database
from lambdas.rest_api.application import Application
from lambdas.rest_api.bars import MAX_BARS, BarRow, read_bars
from lambdas.rest_api.continuity import MAX_GAPS, read_continuity
from lambdas.rest_api.cursors import Cursor, new_cursor, read_cursor
from lambdas.rest_api.parameters import End, Start, Symbol, Venue, check_range, since_epoch
from lambdas.rest_api.problems import Problem
from lambdas.rest_api.symbols import read_symbols, read_venues
from lambdas.rest_api.tables import ARROW, CSV, as_arrow, as_csv

_SETTLED = timedelta(days=1)
"""What is older changes only if a gap of it is filled after all."""

_SETTLED_SECONDS = 300


def add_routes(app: Application, *, database: Database) -> None:
    """Add the routes."""

    @app.resolver.get("/v1/venues")
    def venues() -> dict[str, Any]:
        """Give the venues that there is data of."""
        app.caller(READERS)
        return {"venues": database.run(read_venues)}

    @app.resolver.get("/v1/symbols")
    def symbols(venue: Venue | None = None) -> dict[str, Any]:
        """Give the symbols of a venue, or of all, with their last bar and what the last day was like."""
        app.caller(READERS)
        return {"symbols": database.run(lambda connection: read_symbols(connection, venue=venue))}

    @app.resolver.get("/v1/bars")
    def bars(
        venue: Venue,
        symbol: Symbol,
        interval: Literal["1s", "1m", "5m", "1h"],
        start: Start,
        end: End,
        limit: Annotated[int, Query(ge=1, le=MAX_BARS)] = 500,
        cursor: Cursor = None,
        format: Annotated[Literal["json", "csv", "arrow"] | None, Query(description="else by Accept")] = None,  # noqa: A002
    ) -> Response[Any]:
        """Give a symbol's bars of a range of at most 31 days; bars of 5m and 1h are made of those of 1m."""
        app.caller(READERS)
        check_range(start, end)
        query = {"venue": venue, "symbol": symbol, "interval": interval, "start": start, "end": end}
        position = read_cursor(cursor, query, int)
        first = start if position is None else since_epoch(int(position[0]))
        rows, following = database.run(
            lambda connection: read_bars(
                connection, venue=venue, symbol=symbol, interval=interval, start=first, end=end, limit=limit
            )
        )
        if end < datetime.now(UTC) - _SETTLED:
            app.keep(_SETTLED_SECONDS)
        next_page = None if following is None else new_cursor(query, [following])
        head = {"venue": venue, "symbol": symbol, "interval": interval}
        return _answer(head, rows, next_page, wanted=format or _accepted(app.resolver.current_event.headers))

    @app.resolver.get("/v1/continuity")
    def continuity(
        venue: Venue,
        symbol: Symbol,
        start: Start,
        end: End,
        limit: Annotated[int, Query(ge=1, le=MAX_GAPS)] = 100,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """Give how complete a symbol's record of a range of at most 31 days is."""
        app.caller(READERS)
        check_range(start, end)
        query = {"venue": venue, "symbol": symbol, "start": start, "end": end}
        after = read_cursor(cursor, query, int, int)
        found, last = database.run(
            lambda connection: read_continuity(
                connection, venue=venue, symbol=symbol, start=start, end=end, limit=limit, after=after
            )
        )
        return {**found, "next": None if last is None else new_cursor(query, last)}


def _accepted(headers: Mapping[str, str]) -> str:
    accepted = headers.get("accept", "")
    return "arrow" if ARROW in accepted else "csv" if CSV in accepted else "json"


def _answer(head: dict[str, str], rows: list[BarRow], next_page: str | None, *, wanted: str) -> Response[Any]:
    if wanted == "json":
        body = {**head, "bars": [row._asdict() for row in rows], "next": next_page}
        return Response(HTTPStatus.OK, "application/json", body)
    # The other formats have no place for it but a header (RFC 8288).
    headers: dict[str, str | list[str]] = {} if next_page is None else {"Link": f'<?cursor={next_page}>; rel="next"'}
    if wanted == "csv":
        return Response(HTTPStatus.OK, f"{CSV}; charset=utf-8", as_csv(BarRow, rows), headers=headers)
    if wanted == "arrow":
        # Encoded here: the validation of answers takes bytes for text.
        answer = Response(HTTPStatus.OK, ARROW, b64encode(as_arrow(BarRow, rows)).decode(), headers=headers)
        answer.base64_encoded = True
        return answer
    raise Problem(HTTPStatus.NOT_ACCEPTABLE, "There are JSON, CSV and Arrow.")
