"""Recorded WebSocket sessions: files of frames, a frame a line, plain or gzip.

A line is one of

* ``<ns> <frame>``, a receive time in ns (or s, ms, µs: told apart by magnitude) and a space;
* ``<seconds.fraction>: <frame>``, as cryptofeed records; its lines that begin with ``wss``, ``http``
  or ``configuration:`` tell what was sent and fetched, and are skipped;
* ``<frame>``, whose receive time is unknown;
* ``{"frame": <object or string>, "receive_time": <ns>, …}``, the frame in a wrapper, as fixtures
  and the rejects of ``tickwire normalize`` hold it; ``frame_base64`` in place of ``frame`` where
  the frame was no text.
"""

import binascii
import gzip
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from tickwire.errors import TickwireError, UnreadableTime
from tickwire.timestamps import from_epoch

MAX_LINE_BYTES = 64 * 1024 * 1024
"""Longer lines are no capture; the largest real one, a REST reply in a line, is about 5 MB."""

_SKIPPED = {
    b"wss://": "session",
    b"ws://": "session",
    b"https://": "http",
    b"http://": "http",
    b"configuration:": "configuration",
}
_OTHER_FORMATS = {
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"PK\x03\x04": "a zip file",
    b"PAR1": "a Parquet file",
    b"TKWR": "a Tickwire stream record; `tickwire cat` shows it",
}


class CaptureError(TickwireError, ValueError):
    """A capture file is missing, damaged, or no capture; the message names the file and the line."""


class CapturedFrame(msgspec.Struct, frozen=True):
    """One recorded frame.

    Attributes
    ----------
    receive_time : ns UTC, or None where the capture does not say
    frame : the text frame as received
    line : its line in the file, from 1
    """

    receive_time: int | None
    frame: bytes
    line: int = 0


class _Wrapper(msgspec.Struct):
    frame: msgspec.Raw = msgspec.Raw()  # Raw in a union is not kept raw by msgspec
    frame_base64: str | None = None
    receive_time: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


_decode_wrapper = msgspec.json.Decoder(_Wrapper).decode
_decode_string = msgspec.json.Decoder(str).decode


def read_capture(path: str | Path, skipped: Counter[str] | None = None) -> Iterator[CapturedFrame]:
    """Give the frames of a capture file in order, reading as one goes.

    A line that is damaged is given as a frame all the same, so that the feed rejects it by name;
    ``skipped``, where given, counts the lines that are no frames: ``session`` and ``http`` and
    ``configuration`` of cryptofeed, and ``blank``.

    Raises
    ------
    CaptureError
        If the file cannot be opened, is cut short or damaged as gzip, or holds no text.
    """
    path = Path(path)
    counts: Counter[str] = Counter() if skipped is None else skipped
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
                if len(line) > MAX_LINE_BYTES:
                    raise CaptureError(f"{path}, line {number}: longer than {MAX_LINE_BYTES} bytes; no capture")
                captured = _read_line(line, number, counts)
                if captured is not None:
                    yield captured
    except OSError as error:
        # gzip.BadGzipFile is an OSError without an errno.
        if error.errno is None:
            raise CaptureError(f"{path}: damaged gzip after line {number}: {error}") from error
        raise CaptureError(f"{path}: {error.strerror}") from error
    except EOFError as error:
        raise CaptureError(f"{path}: gzip is cut short after line {number}") from error
    except zlib.error as error:
        raise CaptureError(f"{path}: damaged gzip after line {number}: {error}") from error


def detect_feed(path: str | Path, frames: int = 200) -> str | None:
    """Tell which feed (``binance``, ``kraken`` …) recorded a file, or None, from its first frames.

    Binance and Binance US send the same frames: a cryptofeed header tells them apart, else it is
    ``binance``.

    Raises
    ------
    CaptureError
        As :func:`read_capture`.
    """
    if _binance_us_header(Path(path)):
        return "binance-us"
    for captured in islice(read_capture(path), frames):
        feed = feed_of_frame(captured.frame)
        if feed is not None:
            return feed
    return None


def feed_of_frame(frame: bytes) -> str | None:
    """Tell which feed a frame is from by the keys that no other feed's frames have, or None."""
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    keys = message.keys()
    if {"stream", "data"} <= keys or {"e", "E"} <= keys or {"u", "s", "b", "B", "a", "A"} <= keys:
        return "binance"
    if {"channel", "events"} <= keys:
        return "coinbase-advanced"
    if "channel" in keys and (keys <= {"channel", "type", "data"}):
        return "kraken"
    if keys >= {"method", "success"} or message.get("method") == "pong":
        return "kraken"
    if "type" in keys and (keys & {"product_id", "channels"}):
        return "coinbase"
    return None


def _open(path: Path) -> BinaryIO:
    file = path.open("rb")
    # Looked at, not read, so that a pipe can be given as well.
    start = file.peek(4096)
    if start[:2] == b"\x1f\x8b":
        return gzip.open(file)  # type: ignore[return-value]
    try:
        for magic, format_name in _OTHER_FORMATS.items():
            if start.startswith(magic):
                raise CaptureError(f"{path}, line 1: {format_name}, not a plain or gzip capture")
        if b"\0" in start:
            raise CaptureError(f"{path}, line 1: binary data, not a capture")
    except CaptureError:
        file.close()
        raise
    return file


def _read_line(line: bytes, number: int, skipped: Counter[str]) -> CapturedFrame | None:
    line = line.strip(b"\r\n \t\xef\xbb\xbf" if number == 1 else b"\r\n \t")
    if not line:
        skipped["blank"] += 1
        return None
    if line[:1] == b"{":
        return _unwrap(line, number) if b'"frame' in line else CapturedFrame(None, line, number)
    if line[:1].isdigit():
        stamp, _, frame = line.partition(b" ")
        receive_time = _receive_time(stamp)
        return CapturedFrame(None, line, number) if receive_time is None else CapturedFrame(receive_time, frame, number)
    for start, kind in _SKIPPED.items():
        if line.startswith(start):
            skipped[kind] += 1
            return None
    return CapturedFrame(None, line, number)


def _receive_time(stamp: bytes) -> int | None:
    if len(stamp) == 19 and stamp.isdigit():
        return int(stamp) if int(stamp) < 2**63 else None
    whole, _, fraction = stamp.removesuffix(b":").partition(b".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()) or len(whole) > 19:
        return None
    try:
        nanoseconds = from_epoch(int(whole))
    except UnreadableTime:
        return None
    if fraction and len(whole) == 10:
        nanoseconds += int(fraction[:9].ljust(9, b"0"))
    return nanoseconds


def _unwrap(line: bytes, number: int) -> CapturedFrame:
    try:
        wrapper = _decode_wrapper(line)
        if wrapper.frame_base64 is not None:
            return CapturedFrame(wrapper.receive_time, b64decode(wrapper.frame_base64, validate=True), number)
        frame = bytes(wrapper.frame)
        if frame:
            text = _decode_string(frame).encode() if frame[:1] == b'"' else frame
            return CapturedFrame(wrapper.receive_time, text, number)
    except (msgspec.MsgspecError, binascii.Error, UnicodeError):
        pass
    return CapturedFrame(None, line, number)


def _binance_us_header(path: Path) -> bool:
    try:
        with _open(path) as file:
            return any(
                line.startswith((b"wss://", b"https://")) and b"binance.us" in line
                for line in islice(iter(lambda: file.readline(65_536), b""), 5)
            )
    except (OSError, EOFError, zlib.error):
        return False
