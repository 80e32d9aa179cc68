"""Each function of an image starts with the environment of its stack, and the image has what it imports."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from tests.infra.function_environment import environment_of, lambda_environment

PROJECT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent.name for path in (PROJECT / "lambdas").glob("*/handler.py"))
# Used where they are, and done without where they are not.
OPTIONAL = {"certifi", "cloudpickle", "pandas", "pip", "pytz", "pyyaml", "scipy", "setuptools"}
# Imports the handler and prints the distributions that this took, one JSON list.
LIST_IMPORTS = """
import importlib, json, sys
from importlib.metadata import packages_distributions
importlib.import_module(sys.argv[1])
owners = packages_distributions()
tops = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted({owner for top in tops for owner in owners.get(top, [])})))
"""


def _imports(name: str, environment: dict[str, str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTS, f"lambdas.{name}.handler"],
        cwd=PROJECT,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith(("TICKWIRE_", "AWS_"))},
            **lambda_environment(),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {_canonical(name) for name in json.loads(done.stdout.splitlines()[-1])}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _closure(requirements: list[str]) -> set[str]:
    """Give the requirements and all that they require, as installed here."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        text = waiting.pop()
        name = _canonical(re.split(r"[\[<>=!~; (]", text, maxsplit=1)[0])
        extras = {extra.strip() for extra in re.findall(r"\[([^\]]*)\]", text) for extra in extra.split(",")}
        if name in found and not extras:
            continue
        found.add(name)
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for line in required:
            marker = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
            if marker is None or marker.group(1) in extras:
                waiting.append(line.partition(";")[0].strip())
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_with_what_its_stack_gives_it(prod: Any, name: str) -> None:
    function = prod.function(name)
    imported = _imports(name, environment_of(prod, function))
    if function.properties.get("PackageType") == "Image":
        # What lambdas/Dockerfile installs. Of zips, test_bundles.py asks the very files.
        project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
        installed = _closure([*project["dependencies"], *project["optional-dependencies"]["drift"]])
        assert imported - installed - OPTIONAL - {"tickwire"} == set()


def test_every_function_of_the_project_is_deployed(prod: Any) -> None:
    deployed = {
        prod.variables(function).get("POWERTOOLS_SERVICE_NAME") for function in prod.resources("AWS::Lambda::Function")
    }
    assert set(FUNCTIONS) <= deployed
