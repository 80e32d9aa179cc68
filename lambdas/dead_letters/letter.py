"""What a message of a dead-letter queue says, however little of it can be read. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, NoReturn

from lambdas.postgres.text import storable

MALFORMED = "malformed"
"""The kind of a message that is no letter: stored all the same, since it is all there is."""

_PAYLOADS = frozenset({"frame", "record"})
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the table has it.

    Attributes
    ----------
    kind, key : together the same however often the letter is sent
    reason : the rule that was broken, or why a frame could not be read
    fields : the letter without its payload, or None where it is none
    body : the message as it came
    queue, message_id : where it came from
    time : ns UTC of what happened, or None
    """

    kind: str
    key: str
    reason: str
    detail: str
    venue: str | None
    symbol: str | None
    fields: Mapping[str, Any] | None
    body: bytes
    queue: str
    message_id: str
    time: int | None


def read_letter(message: Mapping[str, Any]) -> Letter:
    """Read one message of an SQS event. Never fails: what is no letter becomes a malformed one."""
    body = str(message["body"])
    try:
        # Python's reader takes NaN for a number; PostgreSQL's does not.
        content = json.loads(body, parse_constant=_refuse)
        if not isinstance(content, dict):
            raise ValueError(f"a JSON {type(content).__name__}, not an object")
        return _letter(message, storable_json(content))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return malformed(message, f"{type(error).__name__}: {error}")


def malformed(message: Mapping[str, Any], detail: str) -> Letter:
    """Give the letter of a message of which nothing but its bytes can be kept."""
    body = str(message["body"]).encode("utf-8", "surrogatepass")
    return Letter(
        kind=MALFORMED,
        key=sha256(body).hexdigest()[:32],
        reason="malformed_message",
        detail=storable(detail[:1000]),
        venue=None,
        symbol=None,
        fields=None,
        body=body,
        queue=_queue(message),
        message_id=str(message["messageId"]),
        time=None,
    )


def without_fields(letter: Letter, detail: str) -> Letter:
    """Give the letter for a second try, when the database refuses the values of its fields."""
    return replace(letter, fields=None, time=None, detail=storable(f"{letter.detail} (fields refused: {detail})"))


def storable_json(value: Any) -> Any:
    """Replace in every text of a JSON value what PostgreSQL cannot hold."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_json(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable_json(item) for key, item in value.items()}
    return value


def _letter(message: Mapping[str, Any], content: dict[str, Any]) -> Letter:
    time = content.get("time", content.get("receive_time"))
    return Letter(
        kind=_text(content, "kind"),
        key=_text(content, "key"),
        reason=_text(content, "rule" if "rule" in content else "reason"),
        detail=str(content.get("detail", "")),
        venue=_optional_text(content, "venue"),
        symbol=_optional_text(content, "symbol"),
        fields={name: value for name, value in content.items() if name not in _PAYLOADS},
        body=str(message["body"]).encode("utf-8", "surrogatepass"),
        queue=_queue(message),
        message_id=str(message["messageId"]),
        time=time if isinstance(time, int) and abs(time) <= _INT64_MAX else None,
    )


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content[name]
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise ValueError(f"{name} is no text of 1 to 200 characters")
    return value


def _optional_text(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    return value if isinstance(value, str) else None


def _queue(message: Mapping[str, Any]) -> str:
    return str(message.get("eventSourceARN", "")).rpartition(":")[2]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
