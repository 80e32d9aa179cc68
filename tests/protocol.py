"""The WebSocket protocol's document as a judge of real messages."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

DOCUMENT = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"


@cache
def document() -> Any:
    """Give the committed document."""
    return yaml.load(DOCUMENT.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def _validator(name: str) -> Any:
    # One document, in which the references are found.
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return jsonschema.Draft202012Validator(schema)


def check_answer(message: Mapping[str, Any]) -> None:
    """Raise ``jsonschema.ValidationError`` if the server may not say this."""
    _validator(message["type"]).validate(message)


def check_request(message: Mapping[str, Any]) -> None:
    """Raise ``jsonschema.ValidationError`` if a client may not say this."""
    _validator(f"{message['action']}Request").validate(message)
