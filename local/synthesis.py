"""Synthesises the stacks into a folder of templates, and finds them there the next time."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cdk.source import PROJECT
from tickwire.errors import TickwireError

# What the templates depend on. The functions' source is not among it: a deployment takes that from
# the project as it stands, not from the assembly.
_INPUTS = (
    "cdk",
    "cdk.json",
    "settings.toml",
    "lambdas/identity/user.py",
    "tickwire/analytics",
    "tickwire/venues/registry.py",
)
_MINIMUM_NODE = 20
_STAMP = ".complete"


class NodeMissing(TickwireError):
    """The CDK needs Node.js to synthesise, and there is none that is new enough."""


class SynthesisFailed(TickwireError):
    """The stacks could not be synthesised; the message holds what the CDK said."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A folder of synthesised templates. ``fresh`` says that it was made just now, not found."""

    folder: Path
    fresh: bool
    seconds: float


def synthesise(cache: Path, *, stage: str = "local") -> Assembly:
    """Synthesise a stage's stacks below ``cache``, or find them there from the last time.

    The folder is named by the content of everything that the templates depend on, so they are made
    anew only when the stacks change; any other start needs neither Node.js nor the CDK's seconds.

    Raises
    ------
    NodeMissing
        If the stacks must be synthesised and there is no Node.js, or one that is too old.
    SynthesisFailed
        If the CDK refuses them.
    """
    started = time.monotonic()
    folder = cache / f"cdk-{stage}-{_content_hash()}"
    if (folder / _STAMP).exists():
        return Assembly(folder, fresh=False, seconds=time.monotonic() - started)
    node = _require_node()
    cache.mkdir(parents=True, exist_ok=True)
    # Made aside and moved into place, so that two that start at once cannot spoil each other's.
    with tempfile.TemporaryDirectory(prefix="synthesis-", dir=cache) as scratch:
        made = Path(scratch) / "assembly"
        _run_cdk(stage, made, node)
        (made / _STAMP).touch()
        for old in cache.glob(f"cdk-{stage}-*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(OSError):
            made.rename(folder)
    return Assembly(folder, fresh=True, seconds=time.monotonic() - started)


def _run_cdk(stage: str, folder: Path, node: int) -> None:
    # The tests validate the templates; a run need not pay for it.
    program = (
        "import sys; from cdk.app_factory import build_app; "
        "build_app(sys.argv[1], outdir=sys.argv[2], rules=False).synth(skip_validation=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, stage, str(folder)],
        cwd=PROJECT,
        # The CDK's wrapper warns in a screenful about Node releases past their end of life; this
        # names the release that it may keep quiet about.
        env={**os.environ, "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": str(node)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SynthesisFailed(f"the stacks of stage {stage!r} could not be synthesised:\n{done.stderr.strip()}")


def _content_hash() -> str:
    digest = hashlib.sha256()
    for name in _INPUTS:
        root = PROJECT / name
        files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        for path in files:
            if "__pycache__" in path.parts:
                continue
            digest.update(str(path.relative_to(PROJECT)).encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _require_node() -> int:
    """Give the major version of Node.js."""
    advice = f"install Node.js {_MINIMUM_NODE} or later (22 or 24 are best) and try again"
    if shutil.which("node") is None:
        raise NodeMissing(f"the AWS CDK needs Node.js to synthesise the stacks, and there is no `node`: {advice}")
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = said.removeprefix("v").split(".")[0]
    if not major.isdecimal() or int(major) < _MINIMUM_NODE:
        raise NodeMissing(f"the AWS CDK needs Node.js {_MINIMUM_NODE} or later; `node` is {said or 'broken'}: {advice}")
    return int(major)
