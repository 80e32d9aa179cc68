"""Times as PostgreSQL has them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(nanoseconds: int) -> datetime:
    """Give a time in ns since 1970 UTC, cut to the microseconds that ``timestamptz`` holds."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
