"""Some thousand runs of the fuzzer for each feed; more is a matter of time: see ``tests/fuzz/layouts.py``."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.venues.layout_paths import FEEDS_WITH_LAYOUTS

RUNS = 5_000


@pytest.mark.parametrize("name", FEEDS_WITH_LAYOUTS)
def test_no_input_that_the_fuzzer_finds_is_read_otherwise_by_its_layout(name: str, tmp_path: Path):
    pytest.importorskip("atheris", reason="atheris is not installed: it has wheels for Linux alone")
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.layouts", name, f"-runs={RUNS}", "-seed=1", f"-artifact_prefix={tmp_path}/"],
        check=False,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert f"Done {RUNS} runs" in done.stderr
