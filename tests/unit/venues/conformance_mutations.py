"""Frames that a venue never sent, made from those that it did: by structure, and byte by byte."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple


class Number(str):
    """A JSON number as its text, since ``0.00100000`` must stay what it is."""


def read(wire: bytes) -> Any:
    """Decode JSON with numbers as their texts; None for what is no object (``pong``)."""
    try:
        message = json.loads(wire, parse_float=Number, parse_int=Number)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def write(value: Any, *, reverse: bool = False, space: str = "") -> bytes:
    """Encode what :func:`read` gave, with the keys of objects reversed and white space around all."""
    return _text(value, reverse, space).encode()


def _text(value: Any, reverse: bool, space: str) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        items = list(value.items())[:: -1 if reverse else 1]
        inner = f",{space}".join(f"{json.dumps(key)}{space}:{space}{_text(one, reverse, space)}" for key, one in items)
        return f"{{{space}{inner}{space}}}"
    if isinstance(value, list):
        return f"[{space}" + f"{space},".join(_text(one, reverse, space) for one in value) + f"{space}]"
    return json.dumps(value)


class Mutant(NamedTuple):
    """A frame with one field removed or replaced; ``change`` says which."""

    change: str
    wire: bytes


def structural(message: Any) -> Iterator[Mutant]:
    """Give the message without each of its fields in turn, and with each replaced by what it is not."""
    for path in _paths(message):
        at = ".".join(map(str, path))
        if not isinstance(path[-1], int):
            yield Mutant(f"{at} removed", write(_changed(message, path, [])))
        for wrong in _wrong(_at(message, path)):
            yield Mutant(f"{at} = {wrong!r}", write(_changed(message, path, [wrong])))


def _wrong(value: Any) -> list[Any]:
    """Give values that say something else than ``value`` whatever the field is; none says another trade."""
    if isinstance(value, Number):
        return [None, "", "many", {}, [], Number("1e400"), Number(2**64)]
    if isinstance(value, bool):
        return [None, "", "yes", {}, [], Number("2")]
    if isinstance(value, str):
        return [None, "", "many", {}, [], Number("7"), "\u0000", "9" * 400, "-", "1e5", "NaN"]
    if isinstance(value, list):
        return [None, "", {}, Number("7"), "many"]
    return [None, "", [], Number("7"), "many"]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _paths(value[key], (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _changed(value: Any, path: tuple[Any, ...], put: list[Any]) -> Any:
    """Copy ``value`` with what is at ``path`` replaced by the one element of ``put``, or removed if it has none."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) > 1:
        copy[path[0]] = _changed(value[path[0]], path[1:], put)
    elif put:
        copy[path[0]] = put[0]
    else:
        del copy[path[0]]
    return copy


_BREAKERS = [b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"\xff", b"0"]


def bytewise(wire: bytes, random: Random, count: int) -> Iterator[bytes]:
    """Give ``count`` frames with a byte changed, removed, doubled or put in, or cut short."""
    for _ in range(count):
        place = random.randrange(len(wire))
        kind = random.randrange(5)
        if kind == 0:
            yield wire[:place] + bytes([random.randrange(256)]) + wire[place + 1 :]
        elif kind == 1:
            yield wire[:place] + wire[place + 1 :]
        elif kind == 2:
            yield wire[:place] + wire[place : place + 8] + wire[place:]
        elif kind == 3:
            yield (
                wire[:place] + random.choice([b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"\xff", b"0"]) + wire[place:]
            )
        else:
            yield wire[:place]
