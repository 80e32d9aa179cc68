"""The parameters that several routes share, with their limits."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime

from lambdas.rest_api.problems import Problem

Venue = Annotated[str, Query(pattern=r"^[a-z0-9-]{1,20}$", description="as in `binance`")]
Symbol = Annotated[str, Query(pattern=r"^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$", description="as in `BTC-USDT`")]
Start = Annotated[AwareDatetime, Query(description="RFC 3339, inclusive")]
End = Annotated[AwareDatetime, Query(description="RFC 3339, exclusive")]
Horizon = Annotated[int, Query(ge=1, le=86_400, description="seconds")]

HORIZON_SECONDS = 900
"""What the model predicts, and who names no horizon gets."""

LONGEST_RANGE = timedelta(days=31)


def check_range(start: datetime, end: datetime, *, longest: timedelta = LONGEST_RANGE) -> None:
    """Refuse a range that is empty or too long.

    Raises
    ------
    Problem
        422, with what to change.
    """
    if end <= start:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, '"end" must lie after "start".')
    if end - start > longest:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"A range may span {longest.days} days; ask in parts.")


def since_epoch(milliseconds: int) -> datetime:
    """Give the time that is so many ms after 1970, UTC.

    Raises
    ------
    Problem
        422 if there is no such time.
    """
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "That time is out of range.") from error


def milliseconds(moment: datetime) -> int:
    """Give a time as ms UTC, as the WebSocket API does."""
    return round(moment.timestamp() * 1000)
