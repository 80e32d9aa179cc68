"""What travels to Lambda in a zip: the deployed files by their tags, and the same versions for this machine, run.

Nothing here can run what is built for ARM, so the wheels are judged by what they say and what their libraries'
headers say; that the set is complete shows by importing the handler from a twin of the bundle for this machine.
"""

from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
MAX_UNZIPPED = 250 * 2**20
"""Lambda's quota for a zip with its layers, unzipped."""
AARCH64 = 183
"""``e_machine`` of ELF for 64-bit ARM (System V ABI, AArch64 supplement)."""
# Imports a handler with nothing but the standard library and the bundle on the path.
LOAD = """
import importlib, sys
bundle, module, name = sys.argv[1:]
sys.path.append(bundle)
handler = getattr(importlib.import_module(module), name)
assert callable(handler), handler
strangers = [m.__file__ for m in list(sys.modules.values()) if "site-packages" in (getattr(m, "__file__", None) or "")]
assert not strangers, strangers
"""


@pytest.fixture(scope="session")
def bundles(prod: Any) -> dict[str, tuple[str, ...]]:
    """The zip functions of the stacks by name, each with the requirements that its bundle is made of."""
    from cdk.constructs.function_code import ZIP_REQUIREMENTS

    zips = {
        str(prod.variables(function)["POWERTOOLS_SERVICE_NAME"])
        for function in prod.resources("AWS::Lambda::Function")
        if str(function.properties.get("Runtime", "")).startswith("python")
    }
    assert zips
    return {name: ZIP_REQUIREMENTS[name] for name in zips}
