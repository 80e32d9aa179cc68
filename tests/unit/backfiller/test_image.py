"""The image's list of packages against what the backfiller imports."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.imported_names import imported_names

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "ecs_tasks/backfiller/Dockerfile").read_text()
# Imported by name, and brought in by a listed package that cannot do without it.
BROUGHT_IN = {"botocore": "boto3", "pydantic": "pydantic-settings", "yarl": "aiohttp"}
PROBE = """
import sys
import ecs_tasks.backfiller.__main__, ecs_tasks.backfiller.bar_repair
import tickwire.bars_kernel  # which a repair loads when it computes its first bars
from tickwire.venues.history import HISTORIES, new_history
for name in HISTORIES:
    new_history(name)
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] in ("ecs_tasks", "lambdas", "tickwire") and module.__file__:
        print(module.__file__)
"""


def listed() -> set[str]:
    found = re.search(r"--constraint lock\.txt \\\n(.*)\n", DOCKERFILE)
    assert found is not None
    return {name.partition("[")[0] for name in found.group(1).split()}


def test_the_image_installs_what_the_task_imports_and_no_more() -> None:
    probe = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True)
    files = probe.stdout.splitlines()
    assert len(files) > 40
    names = set().union(*(imported_names(Path(file).read_text()) for file in files))
    names -= {"ecs_tasks", "lambdas", "tickwire"} | sys.stdlib_module_names
    owners = packages_distributions()
    packages = {owners[name][0].lower().replace("_", "-") for name in names}
    assert {BROUGHT_IN.get(package, package) for package in packages} == listed()


def test_each_listed_package_is_pinned_by_the_lock() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    for name in listed():
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_the_image_names_no_host_and_does_not_run_as_root() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.13-slim"] * 2
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    assert "HEALTHCHECK" in DOCKERFILE
    assert set(re.findall(r"https?://([\w.-]+)", DOCKERFILE)) == {"127.0.0.1"}
