"""A model is loaded without a word to anybody else."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
LOAD = """
from pathlib import Path
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
Predictor.load(Path("tickwire/model/shipped"), expected=SCHEMA)
"""


def test_the_runtime_tells_its_maker_nothing_and_leaves_no_file(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", LOAD], cwd=PROJECT, env={**environment, "TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
