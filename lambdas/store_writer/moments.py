"""Times as PostgreSQL has them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(nanoseconds: int) -> datetime:
    """Give a time in ns since 1970 UTC, cut to the microseconds that ``timestamptz`` holds."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)


def month_of(nanoseconds: int) -> datetime:
    """Give the first moment of the UTC month in which a time in ns since 1970 UTC lies."""
    return moment(nanoseconds).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
