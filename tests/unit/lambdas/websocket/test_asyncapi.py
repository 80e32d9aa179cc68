"""The protocol's document: it is current, whole, and judges messages."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lambdas.broadcaster.messages import TOPICS
from lambdas.websocket import asyncapi
from lambdas.websocket.error_codes import ERROR_CODES
from tests.protocol import DOCUMENT, check_answer, check_request, document

FOLDER = Path(asyncapi.__file__).parent
PAGE = DOCUMENT.with_name("websocket-api.md").read_text()


def test_the_committed_document_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    asyncapi.main()
    assert capsys.readouterr().out == DOCUMENT.read_text(), "python -m lambdas.websocket.asyncapi > docs/asyncapi.yaml"


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for one in node:
            yield from references(one)


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    for reference in references(document()):
        found = document()
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found
    for schema in document()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def codes() -> set[str]:
    """Give the codes that the function's own source refuses with."""
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                if node.func.id in ("RequestRefused", "Problem") and isinstance(first, ast.Constant):
                    found.add(first.value)
    return found


def test_the_document_and_the_page_have_every_code_and_no_other() -> None:
    assert codes() == set(ERROR_CODES)
    for code, meaning in ERROR_CODES.items():
        assert f"| `{code}` | {meaning} |" in PAGE


def test_the_page_has_every_topic() -> None:
    assert [topic for topic in TOPICS if f"`{topic}`" not in PAGE] == []


def blocks(text: str) -> list[Any]:
    """Give the JSON messages of the page's examples, one a line."""
    lines = [line for block in text.split("```json\n")[1:] for line in block.split("```")[0].splitlines()]
    return [yaml.safe_load(line) for line in lines if line.strip()]


def test_the_pages_examples_are_of_the_protocol() -> None:
    examples = blocks(PAGE)
    assert len(examples) > 10
    for example in examples:
        if "action" in example:
            check_request(example)
        else:
            check_answer(example)


BAD: list[dict[str, Any]] = [
    {"type": "update", "items": []},
    {"type": "update", "sent": 1, "items": [{"topic": "news", "symbol": "v:A-B", "data": []}]},
    {"type": "update", "sent": 1, "items": [{"topic": "trades", "symbol": "v:A-B", "source": 1, "data": []}]},
    {"type": "update", "sent": 1, "items": [{"topic": "alerts", "symbol": "v:A-B", "data": []}]},
    {"type": "snapshot", "items": [{"topic": "quotes", "symbol": "v:A-B", "data": [{"bid": 1.5}]}]},
    {"type": "snapshot", "items": [{"topic": "quotes", "symbol": "v:A-B", "positions": {"3": -1}, "data": []}]},
    {"type": "error", "code": "other", "message": "x"},
    {"type": "reset", "items": [{"topic": "trades", "symbol": "v:A-B", "source": 3, "reason": "bored"}]},
]


@pytest.mark.parametrize("message", BAD)
def test_what_is_not_of_the_protocol_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check_answer(message)
