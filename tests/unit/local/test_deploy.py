"""Deploying: what is settled before anything is created."""

import json
from pathlib import Path

import pytest

from local import deploy as deploy_module
from local.deploy import DeploymentFailed


def write_manifest(folder: Path, stacks: dict[str, list[str]]) -> None:
    artifacts = {name: {"type": "aws:cloudformation:stack", "dependencies": needed} for name, needed in stacks.items()}
    artifacts["assets"] = {"type": "cdk:asset-manifest", "dependencies": []}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))


def test_stacks_come_after_those_that_they_depend_on(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"App": ["Data", "assets"], "Data": ["Network"], "Network": [], "Alone": []})
    order = list(deploy_module._stacks_in_order(tmp_path))
    assert sorted(order) == ["Alone", "App", "Data", "Network"]
    assert order.index("Network") < order.index("Data") < order.index("App")


def test_stacks_in_a_circle_are_named(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"Left": ["Right"], "Right": ["Left"]})
    with pytest.raises(DeploymentFailed, match="Left, Right depend on each other"):
        list(deploy_module._stacks_in_order(tmp_path))


@pytest.mark.parametrize(
    ("output", "folder"), [("ValidatorFunction", "validator"), ("LakeWriterFunction", "lake_writer")]
)
def test_an_outputs_name_gives_the_functions_folder(output: str, folder: str) -> None:
    assert deploy_module._folder_name(output) == folder
