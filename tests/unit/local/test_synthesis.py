"""Synthesis for the local run: when it is needed, and what it says when it cannot be done."""

import subprocess
from pathlib import Path

import pytest

from local import synthesis
from local.synthesis import NodeMissing, SynthesisFailed, synthesise


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
    folder = tmp_path / f"cdk-local-{synthesis._content_hash()}"
    folder.mkdir()
    (folder / ".complete").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assembly = synthesise(tmp_path)
    assert assembly.folder == folder
    assert not assembly.fresh


def test_a_failed_synthesis_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "_require_node", lambda: 22)

    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        Path(command[-1]).mkdir(parents=True)
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="UnknownStage: no stage 'moon'")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(SynthesisFailed, match="no stage 'moon'"):
        synthesise(tmp_path, stage="moon")
    assert list(tmp_path.iterdir()) == []


def test_the_hash_of_the_content_follows_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "PROJECT", tmp_path)
    (tmp_path / "cdk").mkdir()
    (tmp_path / "cdk.json").write_text("{}")
    source = tmp_path / "cdk" / "settings.py"
    source.write_text("shards = 1")
    before = synthesis._content_hash()
    assert synthesis._content_hash() == before
    source.write_text("shards = 2")
    assert synthesis._content_hash() != before
