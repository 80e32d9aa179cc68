"""Kernels: kept on disk, known by all that they come from, strict about types, and loaded only where they run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.domain import kernel_sample
from tickwire.compiled import CACHE_VARIABLE, fingerprint

_SAMPLE = "from tests.unit.domain.kernel_sample import add_up; import numpy as np; print(add_up(np.arange(5)))"


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment | {"NUMBA_DEBUG_CACHE": "1"},
    )


def test_machine_code_is_written_once_and_then_read(tmp_path: Path):
    first = _run(_SAMPLE, **{CACHE_VARIABLE: str(tmp_path)})
    assert "data saved" in first.stdout
    second = _run(_SAMPLE, **{CACHE_VARIABLE: str(tmp_path)})
    assert "data loaded" in second.stdout
    assert "data saved" not in second.stdout
    assert second.stdout.splitlines()[-1] == first.stdout.splitlines()[-1] == "30"


def test_a_folder_that_cannot_be_written_to_costs_the_cache_alone(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    assert _run(_SAMPLE, **{CACHE_VARIABLE: str(file / "below")}).stdout.splitlines()[-1] == "30"


def test_machine_code_in_a_read_only_folder_is_used(tmp_path: Path):
    _run(_SAMPLE, **{CACHE_VARIABLE: str(tmp_path)})
    tmp_path.chmod(0o555)
    try:
        done = _run(_SAMPLE, **{CACHE_VARIABLE: str(tmp_path)})
    finally:
        tmp_path.chmod(0o755)
    assert "data loaded" in done.stdout


def test_the_processor_is_named_and_can_be_chosen(tmp_path: Path):
    code = "import tickwire.compiled; from numba.core import config; print(config.CPU_NAME)"
    assert _run(code, NUMBA_CPU_NAME="generic").stdout.strip() == "generic"


def test_other_types_are_refused_and_never_compiled():
    for wrong in (np.arange(5, dtype=np.int32), np.arange(10)[::2], np.arange(5.0)):
        with pytest.raises(TypeError):
            kernel_sample.add_up(wrong)
    read_only = np.arange(5)
    read_only.setflags(write=False)
    with pytest.raises(TypeError):
        kernel_sample.add_up(read_only)


def _fingerprint(before: str = "", after: str = "") -> str:
    """Give that of the sample's kernel, with a piece of the module's text changed."""
    text = Path(kernel_sample.__file__).read_text()
    assert before in text
    space: dict[str, Any] = {"__name__": "sample"}
    exec(text.replace('@kernel("int64(int64[::1])")', "").replace(before, after, 1), space)
    return fingerprint(space["add_up"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("total = 0", "total = 1"),
        ("total += scaled", "total -= scaled"),
        ("FACTOR = 3", "FACTOR = 4"),
        ("return value * FACTOR", "return FACTOR - value"),
        ("DOUBLE = 2", "DOUBLE = 3"),
        ("np.array([0, 1])", "np.array([0, 2])"),
    ],
)
def test_the_fingerprint_follows_code_constants_and_what_is_called(before: str, after: str):
    assert _fingerprint(before, after) != _fingerprint() == _fingerprint()


@pytest.mark.parametrize(
    "modules",
    [
        "tickwire.cli.main",
        "tickwire.envelope",
        "tickwire.bars",
        "tickwire.venues.registry",
        "tickwire.stages.validator, tickwire.stages.signals",
        "lambdas.websocket.conversation",
        "ecs_tasks.backfiller.task",
    ],
)
def test_what_needs_no_kernel_yet_does_not_import_the_compiler(modules: str):
    code = f"import sys, {modules}; print([name for name in ('numba', 'llvmlite') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
