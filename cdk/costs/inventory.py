"""What the templates of a stage hold that costs by being there: ``python -m cdk.costs --count`` counts anew.

Kept in a file, so that a cost is known without the half a minute of a synthesis; a test compares it
with the templates.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdk.costs.prices import BY_USE, FREE, LEFT_OUT, STANDING

FILE = Path(__file__).with_name("inventory.json")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Over all stacks of a stage.

    Attributes
    ----------
    standing : how many there are of each type that has a price by the month
    endpoint_zones : the interface endpoints times the zones of each
    """

    standing: Mapping[str, int]
    endpoint_zones: int


def count(templates: Iterable[Mapping[str, Any]]) -> Inventory:
    """Count what is in some templates."""
    resources = list(_resources(templates))
    types = Counter(resource["Type"] for resource in resources)
    zones = sum(
        len(resource["Properties"].get("SubnetIds", ()))
        for resource in resources
        if resource["Type"] == "AWS::EC2::VPCEndpoint" and resource["Properties"].get("VpcEndpointType") == "Interface"
    )
    return Inventory({kind: types[kind] for kind in sorted(STANDING) if types[kind]}, zones)


def unpriced(templates: Iterable[Mapping[str, Any]]) -> set[str]:
    """Give the types of resources of which nobody has said what they cost."""
    types = {resource["Type"] for resource in _resources(templates)}
    return {kind for kind in types - STANDING.keys() - BY_USE - LEFT_OUT - FREE if not kind.startswith("Custom::")}


def _resources(templates: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (resource for template in templates for resource in template["Resources"].values())


def read(stage: str, file: Path = FILE) -> Inventory:
    """Give what was counted last for a stage.

    Raises
    ------
    KeyError
        If the stage was not counted.
    """
    return Inventory(**json.loads(file.read_text())[stage])


def write(inventories: Mapping[str, Inventory], file: Path = FILE) -> None:
    """Keep what was counted."""
    file.write_text(json.dumps({stage: asdict(one) for stage, one in inventories.items()}, indent=1) + "\n")
