"""What travels to Lambda in a zip: the deployed files by their tags, and the same versions for this machine, run.

Nothing here can run what is built for ARM, so the wheels are judged by what they say of themselves and by the
headers of their libraries; that nothing is missing shows by loading the handler from a twin of the bundle, of the
same versions, built for this machine.
"""

import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.infra.conftest import Application, Resource
from tests.infra.function_environment import environment_of, lambda_environment

MAX_UNZIPPED = 250 * 2**20
"""Lambda's quota for a zip with its layers, unzipped."""
AARCH64 = 183
"""``e_machine`` of ELF for 64-bit ARM (ELF for the Arm 64-bit Architecture)."""
SOURCE = ("lambdas", "tickwire")
LAMBDA = {
    "implementation_name": "cpython",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "os_name": "posix",
    "sys_platform": "linux",
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "extra": "",
}
"""The environment of markers (PEP 508) of a function."""
# Loads a handler with nothing but the standard library and the bundle on the path.
LOAD = """
import importlib, sys
bundle, handler = sys.argv[1:]
sys.path.append(bundle)
module, _, name = handler.rpartition(".")
assert callable(getattr(importlib.import_module(module), name))
print(*sorted({getattr(m, "__file__", None) or "" for m in list(sys.modules.values())}), sep="\\n")
"""


@pytest.fixture(scope="session")
def prod_deployed(deployable: Callable[[str], tuple[Application, str]]) -> Application:
    """Stage ``prod`` as it would be uploaded."""
    application, _ = deployable("prod")
    return application


def zips(application: Application) -> dict[str, tuple[Resource, Path]]:
    """Give our zip functions by name, with the folders that are zipped."""
    found = {}
    for function in application.resources("AWS::Lambda::Function"):
        # The CDK brings a function of its own that copies the page's files.
        ours = str(function.properties.get("Handler", "")).startswith("lambdas.")
        if ours and function.properties.get("PackageType") != "Image":
            name = str(function.properties["Code"]["S3Key"]).removesuffix(".zip")
            found[application.variables(function)["POWERTOOLS_SERVICE_NAME"]] = (
                function,
                application.folder / f"asset.{name}",
            )
    return found


@pytest.fixture(scope="session")
def bundles(prod_deployed: Application) -> dict[str, Path]:
    """The bundles, each once, by the names of the functions that share it."""
    shared: dict[Path, list[str]] = {}
    for name, (_, folder) in zips(prod_deployed).items():
        shared.setdefault(folder, []).append(name)
    assert shared
    return {", ".join(sorted(names)): folder for folder, names in shared.items()}


def test_a_bundle_holds_wheels_for_the_runtime_alone(prod_deployed: Application, bundles: dict[str, Path]) -> None:
    (runtime,) = {str(function.properties["Runtime"]) for function, _ in zips(prod_deployed).values()}
    abi = f"cp{runtime.removeprefix('python').replace('.', '')}"
    strangers = [
        f"{names}: {path.parent.name} has {tag}"
        for names, bundle in bundles.items()
        for path in bundle.glob("*.dist-info/WHEEL")
        for tag in re.findall(r"^Tag: (\S+)$", path.read_text(), re.MULTILINE)
        if not _runs_on_lambda(tag, abi)
    ]
    assert strangers == []


def _runs_on_lambda(tag: str, abi: str) -> bool:
    """Tell whether a tag (PEP 425: interpreter, ABI, platform) is for Lambda's Python on ARM, or for any."""
    interpreter, built_for, platform = tag.split("-")
    if platform == "any":
        return interpreter in ("py3", "py2") and built_for == "none"
    return re.fullmatch(r"manylinux\w*_aarch64", platform) is not None and (
        built_for == abi or (built_for == "abi3" and int(interpreter[3:]) <= int(abi[3:]))
    )


def test_a_bundle_holds_what_its_packages_require_on_lambda(bundles: dict[str, Path]) -> None:
    # pip reads markers for the Python that runs it, not for the one that it installs for.
    missing = [
        f"{names}: {requirement} of {package.metadata['Name']}"
        for names, bundle in bundles.items()
        for package in distributions(path=[str(bundle)])
        for requirement in map(Requirement, package.requires or [])
        if (requirement.marker is None or requirement.marker.evaluate(LAMBDA))
        and not list(distributions(name=requirement.name, path=[str(bundle)]))
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("tag", "runs"),
    [
        ("py3-none-any", True),
        ("cp313-cp313-manylinux_2_28_aarch64", True),
        ("cp39-abi3-manylinux2014_aarch64", True),
        ("cp314-abi3-manylinux2014_aarch64", False),
        ("cp312-cp312-manylinux_2_28_aarch64", False),
        ("cp313-cp313-manylinux_2_28_x86_64", False),
        ("cp313-cp313-musllinux_1_2_aarch64", False),
    ],
)
def test_a_tag_is_read_as_pip_would_read_it(tag: str, runs: bool) -> None:
    assert _runs_on_lambda(tag, "cp313") is runs


def test_every_library_of_a_bundle_is_for_arm(bundles: dict[str, Path]) -> None:
    libraries = [path for bundle in bundles.values() for path in bundle.rglob("*.so*") if path.is_file()]
    assert len(libraries) > 10
    strangers = [str(path.relative_to(path.parents[3])) for path in libraries if _machine(path) != AARCH64]
    assert strangers == []


def _machine(path: Path) -> int:
    """Read ``e_machine`` of an ELF header: two bytes at 18, in the file's own byte order."""
    head = path.read_bytes()[:20]
    assert head[:4] == b"\x7fELF", f"{path} is no library"
    (machine,) = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])
    return int(machine)


def test_the_machine_of_a_library_is_read_from_its_header() -> None:
    # The interpreter that runs this is of this machine: 62 is x86-64, 183 AArch64.
    here = Path(sys.executable).resolve()
    assert _machine(here) == {"x86_64": 62, "aarch64": AARCH64}[os.uname().machine]


def test_a_bundle_fits_into_lambda(bundles: dict[str, Path]) -> None:
    sizes = {
        names: sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
        for names, bundle in bundles.items()
    }
    assert {names: size for names, size in sizes.items() if size >= MAX_UNZIPPED} == {}


def test_a_bundle_holds_nothing_of_this_machine(bundles: dict[str, Path]) -> None:
    for bundle in bundles.values():
        assert not (bundle / "bin").exists(), "scripts that start this machine's interpreter"
        assert not list(bundle.rglob("__pycache__"))
        assert not list(bundle.rglob("*.pyc"))


@pytest.fixture(scope="session")
def twins(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """For each bundle one for this machine, of the same source and the same versions of the same packages."""
    made = {}
    for bundle in bundles.values():
        twin = tmp_path_factory.mktemp("twin") / bundle.name
        packages = [
            "==".join(path.parent.name.removesuffix(".dist-info").rsplit("-", 1))
            for path in bundle.glob("*.dist-info/WHEEL")
        ]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
                *("--only-binary=:all:", "--target", twin),
                *sorted(packages),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for name in SOURCE:
            shutil.copytree(bundle / name, twin / name)
        made[bundle] = twin
    return made


def test_every_handler_loads_from_its_bundle_and_nothing_else(
    prod_deployed: Application, twins: dict[Path, Path]
) -> None:
    for name, (function, bundle) in zips(prod_deployed).items():
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", LOAD, twins[bundle], function.properties["Handler"]],
            # Neither this project nor its environment is anywhere near.
            cwd=twins[bundle].parent,
            env={**lambda_environment(), **environment_of(prod_deployed, function)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name} does not start in Lambda:\n{done.stderr}"
        strangers = [line for line in done.stdout.splitlines() if "site-packages" in line]
        assert strangers == [], f"{name} takes from outside its bundle"
