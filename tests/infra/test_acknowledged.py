"""What is acknowledged of cdk-nag's findings is still found: an idle reason would hide the next finding."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# In a process of its own: what is acknowledged is remembered by path, for every application of a process.
PROGRAM = """
import json, sys
from aws_cdk import Validations
from cdk.app_factory import build_app
from cdk.constructs.acknowledge import acknowledged
from cdk.rules import Rules

app = build_app("prod", context={"bundle": "false"}, outdir=sys.argv[1], rules=False)
rules = Rules(app)
Validations.of(app).add_plugins(rules)
app.synth()
print(json.dumps({"found": len(rules.used), "idle": sorted(acknowledged("") - rules.used)}))
"""


def test_every_acknowledged_finding_is_found(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("the AWS CDK needs Node.js to synthesise")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["found"], "the rules were not asked"
    assert said["idle"] == []
