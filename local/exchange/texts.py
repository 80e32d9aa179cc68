"""Numbers and times as the venues write them."""

import datetime
from functools import lru_cache

from tickwire.decimals import format_fixed


def plain(value: int, places: int) -> str:
    """Write units of ``10**-places`` without trailing zeros: ``0.2``, ``63454``."""
    text = format_fixed(value, places)
    return text.rstrip("0").rstrip(".") if places else text


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")


def rfc3339(nanoseconds: int) -> str:
    """Write ns UTC with six fraction digits, the rest cut off: ``2026-07-07T22:58:17.164892Z``."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000:06d}Z"


def rfc3339_stripped(nanoseconds: int) -> str:
    """Write ns UTC with as many fraction digits as it needs: ``2026-09-30T02:39:59.4104Z``."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{_second(seconds)}{fraction}Z"
