"""Exchange time texts and numbers to int64 nanoseconds since the Unix epoch, UTC."""

import datetime
import re

from tickwire.errors import UnreadableTime

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
_EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
_NS_MAX = 2**63 - 1


def parse_rfc3339(text: str) -> int:
    """Turn ``2026-09-30T02:39:59.4104Z`` (0 to 9 fraction digits) into nanoseconds UTC.

    Raises
    ------
    UnreadableTime
        If the text is not RFC 3339 or the instant does not fit int64 nanoseconds
        (years 1678 to 2261), as with Coinbase's real ``0001-01-01T00:00:00.000000Z``.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise UnreadableTime(f"not an RFC 3339 time: {text[:40]!r}")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        days = datetime.date(int(year), int(month), int(day)).toordinal() - _EPOCH_ORDINAL
    except ValueError as error:
        raise UnreadableTime(f"no such day: {text!r}") from error
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        raise UnreadableTime(f"no such time of day: {text!r}")
    seconds = days * 86_400 + int(hour) * 3_600 + int(minute) * 60 + int(second)
    if zone != "Z":
        if int(zone[1:3]) > 23 or int(zone[4:6]) > 59:
            raise UnreadableTime(f"no such offset from UTC: {text!r}")
        offset = int(zone[1:3]) * 3_600 + int(zone[4:6]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    nanoseconds = seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))
    if not -_NS_MAX <= nanoseconds <= _NS_MAX:
        raise UnreadableTime(f"outside int64 nanoseconds: {text!r}")
    return nanoseconds


def from_epoch(value: int) -> int:
    """Turn a Unix time in s, ms, µs or ns, told apart by its magnitude, into nanoseconds.

    Binance switches every time field from 13 digits (ms) to 16 (µs) by a URL parameter, so the
    unit is read off the number and never off the configuration. Magnitudes are those of the
    years 2001 to 2286.

    Raises
    ------
    UnreadableTime
        If the number fits none of the four units.
    """
    digits = len(str(value)) if value > 0 else 0
    factor = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}.get(digits)
    if factor is None or value * factor > _NS_MAX:
        raise UnreadableTime(f"not a Unix time in s, ms, us or ns: {value}")
    return value * factor


def format_rfc3339(nanoseconds: int) -> str:
    """Write nanoseconds UTC as ``2026-09-30T02:39:59.410400000Z``, all nine digits."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return f"{moment.isoformat(timespec='seconds')}.{fraction:09d}Z"
