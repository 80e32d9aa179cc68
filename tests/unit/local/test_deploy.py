"""Deploying without an emulator: what is found before anything is created."""

import json
import subprocess
from pathlib import Path

import pytest

from local import deploy as deploy_module
from local.deploy import DeploymentFailed, NodeMissing, SynthesisFailed, synthesise


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


def test_without_node_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeMissing, match=r"there is no `node`: install Node\.js 20 or later"):
        synthesise(tmp_path / "cache")


def test_a_node_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.19.1\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(NodeMissing, match=r"`node` is v18\.19\.1"):
        synthesise(tmp_path / "cache")


def test_an_assembly_that_is_there_is_found_without_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / f"cdk-local-{deploy_module._content_hash()}"
    folder.mkdir()
    (folder / ".complete").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assembly = synthesise(tmp_path)
    assert assembly.folder == folder
    assert not assembly.fresh


def test_a_failed_synthesis_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy_module, "_require_node", lambda: 22)

    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        Path(command[-1]).mkdir(parents=True)
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="UnknownStage: no stage 'moon'")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(SynthesisFailed, match="no stage 'moon'"):
        synthesise(tmp_path, stage="moon")
    assert list(tmp_path.iterdir()) == []


def test_the_hash_of_the_content_follows_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy_module, "PROJECT", tmp_path)
    (tmp_path / "cdk").mkdir()
    (tmp_path / "cdk.json").write_text("{}")
    source = tmp_path / "cdk" / "settings.py"
    source.write_text("shards = 1")
    before = deploy_module._content_hash()
    assert deploy_module._content_hash() == before
    source.write_text("shards = 2")
    assert deploy_module._content_hash() != before


@pytest.mark.parametrize(
    ("output", "folder"), [("ValidatorFunction", "validator"), ("LakeWriterFunction", "lake_writer")]
)
def test_an_outputs_name_gives_the_functions_folder(output: str, folder: str) -> None:
    assert deploy_module._folder_name(output) == folder
