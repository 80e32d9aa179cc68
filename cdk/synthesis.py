"""``python -m cdk.synthesis``: what ``cdk deploy`` would upload, of every stage, made twice and judged.

By the command line that deploys, at its pinned version, and without credentials: so it needs Node.js, the
package index for the wheels of the zips (once; they are kept below ``.tickwire/wheels``), and nothing else.
cdk-nag and the CDK's own rules judge while it is made, cfn-lint afterwards.
"""

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cdk.settings.stages import STAGES
from cdk.source import PROJECT

_CLI = PROJECT / "node_modules" / ".bin" / "cdk"
# Each would make the command line ask somebody on the network.
_QUIET = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "CDK_DISABLE_VERSION_CHECK": "1",
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
}


class SynthesisFailed(RuntimeError):
    """A stage could not be synthesised, or breaks a rule; the message is the command line's."""


def synthesise(stage: str, folder: Path, *, bundle: bool = True) -> list[Path]:
    """Synthesise a stage into a folder as ``cdk synth --all`` does, and give its templates.

    Without ``bundle`` the zips hold the source alone, and no package index is asked; they have the same names.

    Raises
    ------
    SynthesisFailed
        If the command line is not installed or ends with an error.
    """
    if not _CLI.exists():
        raise SynthesisFailed(f"{_CLI.relative_to(PROJECT)} is not there: npm ci")
    arguments = ["synth", "--all", "--quiet", "--no-notices", "--no-version-reporting", "--output", str(folder)]
    context = {"stage": stage, **({} if bundle else {"bundle": "false"})}
    done = subprocess.run(  # noqa: S603 - the project's own command line
        [_CLI, *arguments, *(f"--context={name}={value}" for name, value in context.items())],
        cwd=PROJECT,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **_QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SynthesisFailed(f"stage {stage}:\n{done.stdout}{done.stderr}".strip())
    return sorted(folder.glob("*.template.json"))


def differences(one: Path, other: Path) -> list[str]:
    """Give the files, by their paths inside, that are in only one of two assemblies or not the same byte for byte.

    What the CDK writes for who looks for a mistake is left out: it names where its own engine was unpacked.
    """
    files = [
        {path.relative_to(root) for path in root.rglob("*") if path.is_file() and not path.match("*.metadata.json")}
        for root in (one, other)
    ]
    alone = files[0] ^ files[1]
    changed = {path for path in files[0] & files[1] if not filecmp.cmp(one / path, other / path, shallow=False)}
    return sorted(str(path) for path in alone | changed)


def lint(templates: Sequence[Path]) -> str:
    """Give what cfn-lint finds in templates, by ``.cfnlintrc.yaml``; empty for nothing."""
    done = subprocess.run(  # noqa: S603 - the program beside this interpreter
        [Path(sys.executable).with_name("cfn-lint"), "--", *templates],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}".strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Synthesise every stage twice, compare, lint; exit status 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m cdk.synthesis", description=__doc__)
    parser.add_argument("--stage", action="append", choices=[*STAGES], help="of these alone")
    parser.add_argument("--once", action="store_true", help="do not synthesise again to compare")
    parser.add_argument("--no-bundle", action="store_true", help="zips of the source alone: asks no package index")
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    templates: list[Path] = []
    faults: list[str] = []
    for stage in chosen.stage or STAGES:
        folder = PROJECT / "cdk.out" / stage
        try:
            templates += _synthesised(stage, folder, bundle=not chosen.no_bundle)
            if not chosen.once:
                faults += _compared(stage, folder, bundle=not chosen.no_bundle)
        except SynthesisFailed as error:
            faults.append(str(error))
    if templates:
        _say(f"cfn-lint: {len(templates)} templates")
        faults += filter(None, [lint(templates)])
    for fault in faults:
        _say(fault)
    _say(f"{'with faults' if faults else 'no fault'}, {time.monotonic() - started:.0f} s in all")
    return 1 if faults else 0


def _synthesised(stage: str, folder: Path, *, bundle: bool) -> list[Path]:
    began = time.monotonic()
    made = synthesise(stage, folder, bundle=bundle)
    _say(f"{stage}: {len(made)} stacks in {folder.relative_to(PROJECT)}, {time.monotonic() - began:.0f} s")
    return made


def _compared(stage: str, folder: Path, *, bundle: bool) -> list[str]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tickwire-synthesis-") as scratch:
        synthesise(stage, Path(scratch), bundle=bundle)
        changed = differences(folder, Path(scratch))
    _say(f"{stage}: once more, {len(changed)} files differ, {time.monotonic() - began:.0f} s")
    return [f"{stage}: not the same when made again: {', '.join(changed)}"] if changed else []


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
