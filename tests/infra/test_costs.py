"""The costs count what the templates hold."""

from typing import Any

import pytest

from cdk.costs.inventory import count, read, unpriced


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_what_costs_by_being_there_is_counted_as_the_templates_have_it(
    stage: str, request: pytest.FixtureRequest
) -> None:
    templates = _templates(stage, request)
    assert read(stage) == count(templates), "run `python -m cdk.costs --count`, then `--markdown`"


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_of_every_type_of_resource_somebody_has_said_what_it_costs(stage: str, request: pytest.FixtureRequest) -> None:
    missing = unpriced(_templates(stage, request))
    assert not missing, f"add to STANDING, BY_USE or FREE in cdk/costs/prices.py: {sorted(missing)}"


def _templates(stage: str, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return list(request.getfixturevalue(stage).templates.values())
