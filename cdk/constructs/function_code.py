"""The two ways in which a function's code travels: a container image, or a zip."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_lambda as lambda_

from cdk.source import PROJECT, scratch_folder, stage_source

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64
_PYTHON = "3.13"
_WHEEL_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


class BundlingFailed(RuntimeError):
    """The dependencies of a zip function could not be installed."""


def handler_of(function: str) -> str:
    """Give the dotted path of a function's entry point, for its folder's name."""
    return f"lambdas.{function}.handler.handler"


def installed_wheels(requirements: Sequence[str], *, cache: Path = PROJECT / ".tickwire" / "wheels") -> Path:
    """Give a folder with what ``requirements`` need on Lambda, at the lock's versions.

    It lies below ``cache``, named by all that it depends on, and is made where it is not there: stages and
    functions with equal requirements install once. Wheels come from the package index that pip is set up for.

    Raises
    ------
    BundlingFailed
        If a package has no wheel for Lambda's platform, or cannot be fetched.
    """
    lock = PROJECT / "requirements.txt"
    named = "\0".join((*sorted(requirements), *_WHEEL_PLATFORMS, _PYTHON, sha256(lock.read_bytes()).hexdigest()))
    folder = cache / sha256(named.encode()).hexdigest()[:16]
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    # Made aside and moved into place, so that two that start at once cannot spoil each other's.
    with tempfile.TemporaryDirectory(prefix="installing-", dir=cache) as scratch:
        made = Path(scratch) / "made"
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(made)),
            *("--only-binary=:all:", "--implementation", "cp", "--python-version", _PYTHON),
            *(argument for platform in _WHEEL_PLATFORMS for argument in ("--platform", platform)),
            *("--constraint", str(lock)),
            *requirements,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
        if done.returncode != 0:
            raise BundlingFailed(done.stderr.strip())
        # Commands that start the interpreter of this machine.
        shutil.rmtree(made / "bin", ignore_errors=True)
        with contextlib.suppress(OSError):
            made.rename(folder)
    return folder


@jsii.implements(ILocalBundling)
class _PipBundling:
    """Put the source beside wheels for Lambda's platform, without Docker."""

    def __init__(self, source: Path, requirements: Sequence[str]) -> None:
        self._source = source
        self._requirements = tuple(requirements)

    def try_bundle(self, output_dir: str, *_args: Any, **_kwargs: Any) -> bool:
        for folder in (installed_wheels(self._requirements), self._source):
            shutil.copytree(folder, output_dir, dirs_exist_ok=True)
        return True


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """The staged source of the functions, from which every asset of one synthesis is made."""

    zip_folder: Path
    image_folder: Path
    bundle_dependencies: bool

    @classmethod
    def stage(cls, *, bundle_dependencies: bool) -> "FunctionSource":
        """Copy what the functions run into a fresh temporary folder."""
        root = scratch_folder()
        packages = ("tickwire", "lambdas")
        return cls(
            stage_source(root / "zip", packages=packages),
            stage_source(
                root / "image",
                packages=packages,
                files=("lambdas/Dockerfile", "pyproject.toml", "requirements.txt"),
            ),
            bundle_dependencies,
        )

    def image(self, function: str) -> lambda_.DockerImageCode:
        """Give the container image, with the function's handler as its command.

        All functions share one image, so it is built and stored once.
        """
        return lambda_.DockerImageCode.from_image_asset(
            str(self.image_folder),
            file="lambdas/Dockerfile",
            cmd=[handler_of(function)],
            platform=ecr_assets.Platform.LINUX_ARM64,
        )

    def zip(self, requirements: Sequence[str]) -> lambda_.AssetCode:
        """Give a zip of the source with ``requirements`` (PyPI names, locked by the project) beside it."""
        if not self.bundle_dependencies:
            return lambda_.Code.from_asset(str(self.zip_folder))
        return lambda_.Code.from_asset(
            str(self.zip_folder),
            # By the source, the requirements and the lock, not by the wheels: a synthesis that does
            # not bundle must name the same asset as one that does.
            asset_hash_type=AssetHashType.SOURCE,
            bundling=BundlingOptions(
                image=DockerImage.from_registry("public.ecr.aws/sam/build-python3.13"),
                command=[*requirements],
                environment={"LOCK": sha256((PROJECT / "requirements.txt").read_bytes()).hexdigest()},
                local=_PipBundling(self.zip_folder, requirements),
            ),
        )
