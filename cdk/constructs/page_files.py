"""The page's files, built from their source while the templates are made."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_s3_deployment as deployment

from cdk.source import PROJECT, scratch_folder

_FOLDER = PROJECT / "dashboard"
# What the build makes and needs, and is not source.
_MADE = ("dist", "node_modules")


class PageNotBuilt(RuntimeError):
    """The page's build failed; the message is what npm said."""


@jsii.implements(ILocalBundling)
class _NpmBundling:
    """Install the locked packages and build, beside the checkout and without Docker."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def try_bundle(self, output_dir: str, *_args: Any, **_kwargs: Any) -> bool:
        build = scratch_folder() / "page"
        shutil.copytree(self._source, build)
        for command in (("npm", "ci", "--no-audit", "--no-fund"), ("npm", "run", "build")):
            done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
            if done.returncode != 0:
                raise PageNotBuilt(f"`{' '.join(command)}` in dashboard/ failed:\n{done.stdout}{done.stderr}".strip())
        shutil.copytree(build / "dist", output_dir, dirs_exist_ok=True)
        return True


def page_files() -> deployment.ISource:
    """Give the built page as a source of a deployment to S3.

    Its asset is named by the source and not by what is built from it, so that a synthesis that does not build
    names the same.
    """
    source = scratch_folder() / "dashboard"
    shutil.copytree(_FOLDER, source, ignore=shutil.ignore_patterns(*_MADE))
    return deployment.Source.asset(
        str(source),
        asset_hash_type=AssetHashType.SOURCE,
        bundling=BundlingOptions(
            image=DockerImage.from_registry("public.ecr.aws/docker/library/node:24"), local=_NpmBundling(source)
        ),
    )
