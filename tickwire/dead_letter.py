"""What a dead letter carries: the frame or record as received, in the letter, or in S3 where it is too large. Pure.

A body in S3 is gzip under ``<kind>/<date>/<sha256>.gz``, a name made of what it holds, so writing it
again writes the same object. The object goes first and the letter that names it after, so a crash
between the two leaves an object that nothing names, and never a letter without its body.
"""

import gzip
import json
import re
import zlib
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from tickwire.errors import TickwireError
from tickwire.timestamps import format_rfc3339

IN_S3 = "s3+gzip"
"""The ``encoding`` of a payload whose text is the address of an S3 object."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Twice the largest frame that is ever read off a socket; what unpacks to more is none of ours."""

_PAYLOADS = {"frame": "frame", "record": "record"}
"""The field of a letter that holds its payload, by the letter's kind."""
_ADDRESS = re.compile(
    r"s3://([a-z0-9.-]{3,63})/([a-z]{1,20}/(?:\d{4}-\d{2}-\d{2}|undated)/([0-9a-f]{64})\.gz)", re.ASCII
)


class UnreadableBody(TickwireError, ValueError):
    """What a letter carries cannot be had whole; the message says why."""


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A body as the S3 object that it becomes.

    Attributes
    ----------
    key : ``<kind>/<date>/<sha256>.gz``, the hash being of the body before gzip
    data : the body, gzip
    """

    key: str
    data: bytes

    def address(self, bucket: str) -> str:
        """Give ``s3://bucket/key``, as letters and the table name it."""
        return f"s3://{bucket}/{self.key}"


StoreBody = Callable[[StoredBody], str]
"""Writes a body to S3 and gives its address, once it is durable."""

FetchBody = Callable[[str], bytes]
"""Gives the body at an address, unpacked; raises :class:`UnreadableBody`."""


def stored_body(kind: str, body: bytes, *, time: int | None) -> StoredBody:
    """Make the object of a body; ``time`` in ns UTC is when it happened, None where that is unknown."""
    date = "undated" if time is None else format_rfc3339(time)[:10]
    return StoredBody(f"{kind}/{date}/{sha256(body).hexdigest()}.gz", gzip.compress(body, compresslevel=6, mtime=0))


def trade_key(
    *, venue: str, symbol: str, trade_id: int, price: str, size: str, side: int, exchange_time: int, receive_time: int
) -> str:
    """Give the key of a quarantined row: 32 hexadecimal digits, made of what the row says and nothing else.

    A redriven row keeps its receive time and its digits, so when it breaks a rule again it updates the
    letter that it came from, and a row of a redriven frame the one that an earlier redrive of that
    frame has made, however often, whichever rule it is, and in whichever partition and record it
    comes. A key made of the place in the stream would be another each time. Rows that a venue sends
    twice differ in their receive times, and stay two letters; so zeros at a number's end are left
    out, as the scale of a symbol may grow from one version to the next, and the rule's name is no
    part of it.
    """
    numbers = [text.rstrip("0").rstrip(".") if "." in text else text for text in (price, size)]
    row = [venue, symbol, trade_id, *numbers, side, exchange_time, receive_time]
    return sha256(json.dumps(row).encode()).hexdigest()[:32]


def split_address(address: str) -> tuple[str, str]:
    """Give the bucket and the key of an address.

    Raises
    ------
    UnreadableBody
        If it is none that :meth:`StoredBody.address` gave.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UnreadableBody(f"{address[:200]!r} is not the address of a dead letter's body")
    return match[1], match[2]


def unpack_body(address: str, data: bytes) -> bytes:
    """Unpack the object of an address and check it against the hash in its name.

    Raises
    ------
    UnreadableBody
        If it is not what was written there.
    """
    body = _gunzip(data)
    if not split_address(address)[1].endswith(f"/{sha256(body).hexdigest()}.gz"):
        raise UnreadableBody(f"{address} does not hold the body of its name")
    return body


def payload(kind: str, message: bytes, fetch: FetchBody) -> bytes:
    """Give what a letter is about: the frame or record as received, and for other kinds the message itself.

    Raises
    ------
    UnreadableBody
        If the message holds only the beginning of it, or does not hold what it says.
    """
    name = _PAYLOADS.get(kind)
    if name is None:
        return message
    try:
        content = json.loads(message)
        text, encoding, truncated = content[name], content["encoding"], content["truncated"]
        digest = content.get("sha256")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableBody(f"no letter of kind {kind}: {type(error).__name__}: {error}") from error
    if not isinstance(text, str):
        raise UnreadableBody(f"{name} is no text")
    if truncated is not False:
        raise UnreadableBody(f"the letter holds only the beginning of the {name}: no dead-letter bucket was configured")
    body = fetch(text) if encoding == IN_S3 else _decoded(text, encoding)
    if digest is not None and sha256(body).hexdigest() != digest:
        raise UnreadableBody(f"the {name} does not match its SHA-256")
    return body


def _decoded(text: str, encoding: object) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except (NotBase64, ValueError) as error:
        raise UnreadableBody(f"not base64: {error}") from error
    if encoding == "base64":
        return data
    if encoding == "gzip+base64":
        return _gunzip(data)
    raise UnreadableBody(f"unknown encoding {str(encoding)[:40]!r}")


def _gunzip(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(data, MAX_BODY_BYTES)
    except zlib.error as error:
        raise UnreadableBody(f"damaged gzip: {error}") from error
    if not unpacker.eof:
        raise UnreadableBody(f"gzip that is cut short, or of more than {MAX_BODY_BYTES} bytes")
    return body
