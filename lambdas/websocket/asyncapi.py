"""The WebSocket protocol as an AsyncAPI document, made from the types that the messages are made of.

``python -m lambdas.websocket.asyncapi > docs/asyncapi.yaml`` writes it anew.
"""

import inspect
import sys
from typing import Any

import msgspec

from lambdas.broadcaster.data_types import DATA_TYPES
from lambdas.broadcaster.firings import FiringData
from lambdas.broadcaster.messages import (
    ALERTS,
    ANY_SYMBOL,
    MAX_MESSAGE_BYTES,
    TOPICS,
    Pong,
    Problem,
    Reset,
    Resumed,
    Subscribed,
    Unsubscribed,
)
from lambdas.websocket.error_codes import ERROR_CODES
from lambdas.websocket.requests import Ping, Resume, Subscribe, Unsubscribe

Schema = dict[str, Any]

ANSWERS = {"subscribed": Subscribed, "unsubscribed": Unsubscribed, "resumed": Resumed, "reset": Reset, "pong": Pong}
REQUESTS = {"subscribe": Subscribe, "unsubscribe": Unsubscribe, "resume": Resume, "ping": Ping}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "integer", "minimum": 0, "description": "ns UTC"}


def document() -> Schema:
    """Give the document, in AsyncAPI 3.0.0."""
    schemas = message_schemas()
    sent = ["snapshot", "update", *ANSWERS, "error"]
    received = list(REQUESTS)
    titles = {name: name for name in sent} | {name: f"{name}Request" for name in received}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tickwire WebSocket API",
            "version": "1",
            "description": "Live market data, and what a client missed of it. docs/websocket-api.md explains it.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "live": {
                "host": "{site}",
                "pathname": "/live",
                "protocol": "wss",
                "variables": {"site": {"description": "The host of the stack's SiteUrl"}},
                "security": [
                    {"$ref": "#/components/securitySchemes/token"},
                    {"$ref": "#/components/securitySchemes/ticket"},
                ],
            }
        },
        "channels": {
            "live": {
                "address": "/live",
                "messages": {title: {"$ref": f"#/components/messages/{title}"} for title in titles.values()},
            }
        },
        "operations": {
            "hear": _operation("send", sent, "What the server says."),
            "ask": _operation("receive", [titles[name] for name in received], "What a client may ask."),
        },
        "components": {
            "messages": {
                title: {"name": name, "payload": {"$ref": f"#/components/schemas/{title}"}}
                for name, title in [(name, name) for name in sent] + [(name, titles[name]) for name in received]
            },
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "For programmes: an access token of the user pool.",
                },
                "ticket": {
                    "type": "httpApiKey",
                    "in": "query",
                    "name": "ticket",
                    "description": "For browsers: a ticket of POST /ws-tickets, good once and for a minute.",
                },
            },
        },
    }


def message_schemas() -> dict[str, Schema]:
    """Give a JSON Schema of each message (a request's ends in ``Request``), and of all that they are made of."""
    types = [*DATA_TYPES.values(), FiringData, *ANSWERS.values(), Problem, *REQUESTS.values()]
    made, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    names = [*DATA_TYPES, ALERTS, *ANSWERS, "error", *(f"{name}Request" for name in REQUESTS)]
    by_name = dict(zip(names, made, strict=True))
    schemas: dict[str, Schema] = {}
    for name in (*ANSWERS, "error", *(f"{name}Request" for name in REQUESTS)):
        # The message itself, in place of a reference to the type that it is made of.
        schemas[name] = components.pop(by_name[name]["$ref"].rpartition("/")[2])
    schemas["error"]["properties"]["code"]["enum"] = list(ERROR_CODES)
    for request in ("subscribe", "unsubscribe"):
        schemas[f"{request}Request"]["properties"]["topics"]["items"]["enum"] = list(TOPICS)
    snapshot = f"What is known; several messages where it is more than {MAX_MESSAGE_BYTES} bytes."
    schemas["snapshot"] = _data_message("snapshot", snapshot, by_name, numbered=False)
    update = "What is new, or with replay what was missed."
    schemas["update"] = _data_message("update", update, by_name, numbered=True)
    return {name: _cleaned(schema) for name, schema in (schemas | components).items()}


def _cleaned(schema: Any) -> Any:
    """Take the indentation of docstrings out of descriptions."""
    if isinstance(schema, dict):
        return {
            key: inspect.cleandoc(one) if key == "description" and isinstance(one, str) else _cleaned(one)
            for key, one in schema.items()
        }
    return [_cleaned(one) for one in schema] if isinstance(schema, list | tuple) else schema


def _operation(action: str, names: list[str], summary: str) -> Schema:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in names],
    }


def _data_message(name: str, description: str, data: dict[str, Schema], *, numbered: bool) -> Schema:
    properties: Schema = {"type": {"enum": [name]}}
    required = ["type", "items"]
    if numbered:
        properties |= {"sent": _TIME, "replay": {"type": "boolean"}}
        required.append("sent")
    items = [_item(topic, data[topic], numbered=numbered) for topic in TOPICS]
    properties["items"] = {"type": "array", "items": {"oneOf": items}}
    return {"type": "object", "description": description, "properties": properties, "required": required}


def _item(topic: str, data: Schema, *, numbered: bool) -> Schema:
    properties: Schema = {
        "topic": {"enum": [topic]},
        "symbol": {"enum": [ANY_SYMBOL]} if topic == ALERTS else {"type": "string"},
    }
    schema: Schema = {"type": "object", "properties": properties, "required": ["topic", "symbol", "data"]}
    if topic != ALERTS and numbered:
        properties |= {"source": _NUMBER, "from": {"type": "integer", "minimum": 1}, "to": _NUMBER}
        together = ["source", "from", "to"]
        schema["dependentRequired"] = {one: [other for other in together if other != one] for one in together}
    elif topic != ALERTS:
        properties["positions"] = {
            "type": "object",
            "description": "by source, the number that the data are up to",
            "additionalProperties": _NUMBER,
        }
    properties["data"] = {"type": "array", "items": data}
    schema["additionalProperties"] = False
    return schema


def main() -> None:
    """Write the document as YAML to standard output."""
    import yaml  # type: ignore[import-untyped]

    yaml.safe_dump(document(), sys.stdout, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    main()
