"""Every change of a template shows in the review: the synthesised stacks against their snapshots."""

import json
from typing import Any

import pytest

from tests.infra.snapshots import MAX_BYTES, STAGES, difference, folder_of, snapshot


@pytest.mark.parametrize("stage", STAGES)
def test_the_templates_are_those_of_the_snapshots(request: Any, stage: str) -> None:
    templates = request.getfixturevalue(stage).templates
    stored = {path.stem: path.read_text() for path in folder_of(stage).glob("*.yaml")}
    changed = [
        difference(stored.get(stack, ""), snapshot(templates[stack]) if stack in templates else "", f"{stage}/{stack}")
        for stack in sorted({*stored, *templates})
    ]
    told = "\n".join(filter(None, changed))
    assert not told, f"{told}\n\nIf that is what you meant: make snapshots"


@pytest.mark.parametrize("stage", STAGES)
def test_a_snapshot_is_short_enough_to_be_read(stage: str) -> None:
    sizes = {path.name: path.stat().st_size for path in folder_of(stage).glob("*.yaml")}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MAX_BYTES} == {}


def test_a_snapshot_stays_as_it_is_when_only_the_source_changes(dev: Any) -> None:
    import re

    for stack, template in dev.templates.items():
        text = json.dumps(template)
        other = re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, text)
        other = re.sub(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}", rf"\g<1>{'1' * 32}", other)
        assert snapshot(json.loads(other)) == snapshot(template), stack
    assert other != text or "Delivery" in dev.templates


def test_a_snapshot_shows_what_differs() -> None:
    stored = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}}}}
    made = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 90}}}}
    told = difference(snapshot(stored), snapshot(made), "dev/Streams")
    assert "-    Properties: {VisibilityTimeout: 60}" in told
    assert "+    Properties: {VisibilityTimeout: 90}" in told
