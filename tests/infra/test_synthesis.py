"""What ``make synth`` does, once: every stage by the command line that deploys, without credentials, and linted."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from cdk.settings.stages import STAGES
from cdk.synthesis import differences, lint

from .conftest import Deployable


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_line_synthesises_a_stage_without_credentials_and_breaks_no_rule(
    deployable: Deployable, stage: str
) -> None:
    _, fault = deployable(stage)
    assert not fault, fault


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_what_the_tests_judge_is_what_is_deployed(request: Any, deployable: Deployable, stage: str) -> None:
    # Without bundling, in another process, and named by the same hashes of assets.
    judged = request.getfixturevalue(stage).templates
    deployed, _ = deployable(stage)
    assert {name: _plain(template) for name, template in deployed.templates.items()} == {
        name: _plain(template) for name, template in judged.items()
    }


def test_two_syntheses_are_equal_byte_for_byte_assets_included(synthesise: Any, tmp_path: Path) -> None:
    # The one whose assets are all in its folder without bundling; `make synth` compares the others too.
    one, other = (synthesise("local", tmp_path / name) for name in ("one", "other"))
    assert list(one.folder.glob("asset.*/lambdas/validator/handler.py"))
    assert differences(one.folder, other.folder) == []


def test_a_difference_is_found_whether_in_a_file_or_of_files(tmp_path: Path) -> None:
    for name, files in {"one": {"same": "1", "other": "1", "gone": "1"}, "two": {"same": "1", "other": "2"}}.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    assert differences(tmp_path / "one", tmp_path / "two") == ["gone", "other"]


def test_cfn_lint_finds_no_fault(deployable: Deployable) -> None:
    templates = [path for stage in STAGES for path in sorted(deployable(stage)[0].folder.glob("*.template.json"))]
    assert len(templates) > len(STAGES)
    assert lint(templates) == ""


def test_cfn_lint_finds_a_fault_that_is_there(tmp_path: Path) -> None:
    template = tmp_path / "wrong.template.json"
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": -1}}
    template.write_text(json.dumps({"Resources": {"Queue": queue}}))
    assert "E3034" in lint([template])


def _plain(template: dict[str, Any]) -> dict[str, Any]:
    """Take away where a construct stands in the source, which only the command line writes."""
    plain = copy.deepcopy(template)
    plain["Resources"] = {
        name: {key: value for key, value in resource.items() if key != "Metadata"}
        for name, resource in plain["Resources"].items()
        if resource["Type"] != "AWS::CDK::Metadata"
    }
    return plain
