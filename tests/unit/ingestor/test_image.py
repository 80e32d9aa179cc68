"""The image's list of packages against what the ingestor imports."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LISTED = {
    line.strip()
    for line in (ROOT / "ecs_tasks/ingestor/requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
}

PROBE = """
import sys
from importlib.metadata import packages_distributions
import ecs_tasks.ingestor.__main__, ecs_tasks.ingestor.aws, uvloop
from tickwire.venues.registry import FEEDS, new_feed
for name in FEEDS:
    new_feed(name)
owners = packages_distributions()
tops = {name.partition(".")[0] for name in sys.modules}
print(*sorted({owner for top in tops for owner in owners.get(top, ())}))
"""


def test_the_image_installs_all_that_the_task_imports() -> None:
    probe = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {_normal(name) for name in probe.stdout.split()} - {"tickwire"}
    missing = imported - _with_dependencies(LISTED)
    assert not missing
    assert imported >= {_normal(name) for name in LISTED}


def test_each_listed_package_is_pinned_by_the_lock_and_named_by_the_project() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    for name in LISTED:
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name
        assert f'"{name}>=' in project, name


def _with_dependencies(names: set[str]) -> set[str]:
    from importlib.metadata import PackageNotFoundError, requires

    found: set[str] = set()
    todo = [_normal(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue
        todo += [_normal(re.split(r"[^\w.-]", line)[0]) for line in needed if "extra ==" not in line]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
