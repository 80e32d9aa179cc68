"""Each function starts with the environment and the packages that its stack gives it."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from cdk.constructs.canary import REQUIREMENTS as CANARY_REQUIREMENTS
from cdk.stacks.delivery import _REQUIREMENTS as DELIVERY_REQUIREMENTS
from cdk.stacks.processing import _DATABASE_REQUIREMENTS as DATABASE_REQUIREMENTS

PROJECT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent.name for path in (PROJECT / "lambdas").glob("*/handler.py"))
ZIPS = {
    "dead_letters": DATABASE_REQUIREMENTS,
    "migrations": DATABASE_REQUIREMENTS,
    "websocket": DELIVERY_REQUIREMENTS,
    "broadcaster": DELIVERY_REQUIREMENTS,
    "canary": CANARY_REQUIREMENTS,
}
# Used where they are, and done without where they are not.
OPTIONAL = {"certifi", "setuptools", "pip"}
# Imports the handler and prints the distributions that this took, one JSON list.
LIST_IMPORTS = """
import importlib, json, sys
from importlib.metadata import packages_distributions
importlib.import_module(sys.argv[1])
owners = packages_distributions()
tops = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted({owner for top in tops for owner in owners.get(top, [])})))
"""


def _filled(value: Any) -> str:
    """Turn a value of the template into what AWS might make of it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_filled(part) for part in parts)
    return "resolved"


def _environment(application: Any, name: str) -> dict[str, str]:
    variables = application.variables(application.function(name))
    # A client of a cluster asks for its nodes at once, and here there are none.
    return {key: _filled(value).removesuffix("?cluster=true") for key, value in variables.items()}


def _imports(name: str, environment: dict[str, str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTS, f"lambdas.{name}.handler"],
        cwd=PROJECT,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith(("TICKWIRE_", "AWS_"))},
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "POWERTOOLS_TRACE_DISABLED": "true",
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


def _closure(requirements: tuple[str, ...]) -> set[str]:
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
def test_a_function_starts_with_the_environment_of_its_stack(prod: Any, name: str) -> None:
    _imports(name, _environment(prod, name))


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name in ZIPS])
def test_a_zip_holds_every_package_that_its_function_imports(prod: Any, name: str) -> None:
    imported = _imports(name, _environment(prod, name))
    assert imported - _closure(ZIPS[name]) - OPTIONAL - {"tickwire"} == set()


def test_every_function_of_the_project_is_deployed(prod: Any) -> None:
    deployed = {
        prod.variables(function).get("POWERTOOLS_SERVICE_NAME") for function in prod.resources("AWS::Lambda::Function")
    }
    assert set(FUNCTIONS) <= deployed
