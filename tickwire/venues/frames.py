"""Why a frame cannot be read: one way for every venue to say it, naming the field and its value."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from tickwire.decimals import parse_fixed
from tickwire.errors import InexactDecimal, TickwireError, UnreadableTime
from tickwire.timestamps import from_epoch, parse_rfc3339
from tickwire.venues.feed import MAX_FRAME_BYTES, FrameReject, ParsedFrames, RejectReason

MAX_DETAIL = 300
MAX_VALUE = 60
MAX_TYPE_NAME = 40

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A JSON integer that fits a column."""

DECODE_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a msgspec decoder raises for bytes that are not UTF-8, not JSON, nested too deep, or not the type asked for."""

_LAST_WHOLE_SECOND = 2**63 - 1 - 999_999_999
"""In ns: any fraction can be added to it."""

_MISSING = re.compile(r"Object missing required field `([^`]+)`(?: - at `\$\.?([^`]*)`)?")
_PATH = re.compile(r" - at `\$\.([^`]+)`")
Struct = TypeVar("Struct", bound=msgspec.Struct)


class UnreadableFrame(TickwireError, ValueError):
    """A frame, or one row of it, cannot be read; ``reason`` and ``detail`` are those of the reject."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail[:MAX_DETAIL]


def read_or_reject(
    read: Callable[[bytes, int, ParsedFrames], None], frame: bytes, *, receive_time: int, out: ParsedFrames
) -> None:
    """Count a frame and read it with ``read(frame, receive_time, out)``.

    An :class:`UnreadableFrame` that it raises, and a frame too large to be read, become a reject.
    """
    out.frames += 1
    try:
        if len(frame) > MAX_FRAME_BYTES:
            raise UnreadableFrame(RejectReason.TOO_LARGE, f"{len(frame)} bytes")
        read(frame, receive_time, out)
    except UnreadableFrame as fault:
        out.rejects.append(FrameReject(fault.reason, fault.detail, frame, receive_time))


def shown(value: object) -> str:
    """Write a value from a frame for people, bounded in length."""
    text = repr(value[: MAX_VALUE + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"


def read_object(frame: bytes) -> dict[str, Any]:
    """Decode a frame to plain JSON values.

    Raises
    ------
    UnreadableFrame
        NOT_JSON, BAD_NUMBER (a JSON number past what a double holds), or NOT_AN_OBJECT.
    """
    try:
        message = msgspec.json.decode(frame)
    except msgspec.ValidationError as error:
        raise UnreadableFrame(RejectReason.BAD_NUMBER, f"{error}: {shown(frame)}") from error
    except DECODE_FAILURES as error:
        raise UnreadableFrame(RejectReason.NOT_JSON, f"{error}: {shown(frame)}") from error
    if not isinstance(message, dict):
        raise UnreadableFrame(RejectReason.NOT_AN_OBJECT, f"not an object: {shown(frame)}")
    return message


def plain_object(frame: bytes) -> dict[str, Any]:
    """Decode a frame that its typed decode has accepted, to look for drift; empty where that fails.

    It can fail, as a typed decode does not look into the fields that it skips. Looking for drift
    must not change what is read, or one frame in 64 would be judged more strictly.
    """
    try:
        return read_object(frame)
    except UnreadableFrame:
        return {}


def read_struct(message: object, struct: type[Struct], message_type: str) -> Struct:
    """Turn plain JSON values into a typed message.

    Raises
    ------
    UnreadableFrame
        MISSING_FIELD, WRONG_TYPE, or BAD_NUMBER for an integer that does not fit int64.
    """
    try:
        return msgspec.convert(message, struct)
    except msgspec.ValidationError as error:
        text = str(error)
        missing = _MISSING.match(text)
        if missing is not None:
            parents = f"{missing[2]}." if missing[2] else ""
            raise UnreadableFrame(
                RejectReason.MISSING_FIELD, f"{message_type} has no field {parents}{missing[1]}"
            ) from error
        path = _PATH.search(text)
        value = shown(_value_at(message, path[1])) if path is not None else shown(message)
        field = f"{message_type}.{path[1]}" if path is not None else message_type
        out_of_range = text.startswith(("Expected `int` <=", "Expected `int` >=")) or "out of range" in text
        reason = RejectReason.BAD_NUMBER if out_of_range else RejectReason.WRONG_TYPE
        raise UnreadableFrame(reason, f"{field}={value}: {text.partition(' - at ')[0]}") from error


def _value_at(message: object, path: str) -> object:
    for name in path.split("."):
        if not isinstance(message, dict):
            break
        message = message.get(name)
    return message


def read_fixed(text: str, scale: int, field: str) -> int:
    """Turn decimal text into units of ``10**-scale``.

    Raises
    ------
    UnreadableFrame
        BAD_NUMBER, naming the field.
    """
    try:
        return parse_fixed(text, scale)
    except InexactDecimal as error:
        raise UnreadableFrame(RejectReason.BAD_NUMBER, f"{field}={shown(text)}: {error}") from error


def read_time(text: str, field: str) -> int:
    """Turn RFC 3339 text into ns UTC.

    Raises
    ------
    UnreadableFrame
        BAD_TIME, naming the field.
    """
    fraction = text[20:-1]
    try:
        if text[19:20] == "." and text[-1] == "Z" and len(fraction) <= 9 and fraction.isascii() and fraction.isdigit():
            return _whole_second(text[:19]) + int(fraction.ljust(9, "0"))
        return parse_rfc3339(text)
    except UnreadableTime as error:
        raise UnreadableFrame(RejectReason.BAD_TIME, f"{field}={shown(text)}: {error}") from error


@lru_cache(maxsize=1024)
def _whole_second(text: str) -> int:
    """Read ``2026-09-30T02:39:59``: frames come in the order of time, so one second serves many."""
    nanoseconds = parse_rfc3339(text + "Z")
    if abs(nanoseconds) > _LAST_WHOLE_SECOND:
        raise UnreadableTime(f"outside int64 nanoseconds: {text!r}")
    return nanoseconds


def read_epoch(value: int, field: str) -> int:
    """Turn a Unix time in s, ms, µs or ns, told by its magnitude, into ns UTC.

    Raises
    ------
    UnreadableFrame
        BAD_TIME, naming the field.
    """
    try:
        return from_epoch(value)
    except UnreadableTime as error:
        raise UnreadableFrame(RejectReason.BAD_TIME, f"{field}={shown(value)}: {error}") from error
