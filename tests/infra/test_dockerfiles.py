"""Every Dockerfile: hadolint's rules, and what it cannot know of this project."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
FOLDERS = ("cdk", "ecs_tasks", "lambdas", "sagemaker")
DOCKERFILES = sorted(
    str(path.relative_to(PROJECT)) for folder in FOLDERS for path in (PROJECT / folder).rglob("*Dockerfile*")
)
# Its processes run as an unprivileged user of Lambda's own, whatever the image says.
LAMBDA_BASE = "public.ecr.aws/lambda/"
# "SageMaker AI expects all containers to run with root users" (developer guide, custom inference code); the one that
# serves gives root's rights up before it listens, as tests/unit/model/test_server.py shows.
ROOT_BY_SAGEMAKER = ("sagemaker/", "USER: the last stage runs as root")


def instructions(text: str) -> list[tuple[str, str]]:
    """Give a Dockerfile's instructions in order, each with its arguments on one line; comments are left out."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = re.findall(r"^([A-Z]+) +(.*)$", re.sub(r"\\\n\s*", " ", lines), re.MULTILINE)
    return [(name, arguments.strip()) for name, arguments in found]


def faults(text: str, *, sources: Path) -> list[str]:
    """Give what is wrong with a Dockerfile that is built in the folder ``sources``."""
    steps = instructions(text)
    stages = {arguments.partition(" AS ")[2] for name, arguments in steps if name == "FROM"} - {""}
    bases = [arguments.partition(" AS ")[0] for name, arguments in steps if name == "FROM"]
    found = [
        f"FROM {base}: name a version, so that a build next year is this one"
        for base in bases
        if base not in stages and not re.search(r":\d+\.\d+|@sha256:", base)
    ]
    for name, arguments in steps:
        if name == "ADD":
            found.append(f"ADD {arguments}: COPY, which neither fetches nor unpacks")
        if name in ("CMD", "ENTRYPOINT") and not _is_exec_form(arguments):
            found.append(f"{name} {arguments}: in exec form, or a shell is process 1 and swallows SIGTERM")
        if name == "RUN" and re.search(r"\bpip3? install\b", arguments) and "--no-cache-dir" not in arguments:
            found.append(f"RUN {arguments}: pip install --no-cache-dir, or the layer holds every wheel twice")
        if name in ("ENV", "ARG") and re.search(r"(?i)\b\w*(secret|password|token|access_key)\w*\b", arguments):
            found.append(f"{name} {arguments}: an image is no place for a secret")
        if name == "COPY" and "--from=" not in arguments:
            paths = [part for part in arguments.split() if not part.startswith("--")][:-1]
            found += [f"COPY {path}: it is not among what is staged" for path in paths if not list(sources.glob(path))]
    users = [arguments for name, arguments in steps if name == "USER"]
    if not bases[-1].startswith(LAMBDA_BASE) and (not users or users[-1].partition(":")[0] in ("root", "0")):
        found.append("USER: the last stage runs as root")
    return found


def _is_exec_form(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), list)
    except json.JSONDecodeError:
        return False


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_no_fault(name: str) -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([program, "--no-color", name], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_of_the_stacks_is_built_from_what_is_staged(prod: Any) -> None:
    images = prod.images()
    assert images
    told = [
        f"{dockerfile}: {fault}"
        for folder, dockerfile in images.values()
        for fault in faults((folder / dockerfile).read_text(), sources=folder)
        if not (dockerfile.startswith(ROOT_BY_SAGEMAKER[0]) and fault == ROOT_BY_SAGEMAKER[1])
    ]
    assert told == []


def test_every_dockerfile_is_built_by_a_stack(prod: Any) -> None:
    assert {dockerfile for _, dockerfile in prod.images().values()} == set(DOCKERFILES)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("FROM python", "name a version"),
        ("FROM python:latest", "name a version"),
        ("ADD https://example.com/x.tar.gz /", "COPY, which neither fetches nor unpacks"),
        ("CMD python -m ecs_tasks.ingestor", "in exec form"),
        ("RUN pip install \\\n    numpy", "--no-cache-dir"),
        ("ENV API_TOKEN=abc", "no place for a secret"),
        ("COPY missing.txt lock.txt /", "COPY missing.txt: it is not among what is staged"),
        ("USER root", "runs as root"),
    ],
)
def test_each_rule_finds_its_fault(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "lock.txt").touch()
    right = 'FROM python:3.13-slim\nCOPY lock.txt /\nUSER 10001\nCMD ["python"]\n'
    assert faults(right, sources=tmp_path) == []
    (fault,) = faults(f"{right}{line}\n", sources=tmp_path)
    assert said in fault
