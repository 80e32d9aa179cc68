"""The runbooks: each in the same form, and every command, output and metric in them is there."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from tests.infra.published import PROJECT, publishes
from tickwire.cli.main import COMMANDS, _parser

RUNBOOKS = PROJECT / "docs" / "runbooks"
COMMON = RUNBOOKS / "commands.sh"
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.stem != "README")
HEADINGS = ["What it means", "Look at first", "Do", "When it is over"]

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
any_page = pytest.mark.parametrize("path", [*PAGES, RUNBOOKS / "README.md"], ids=lambda path: path.stem)

# Commands of the AWS command line that no API stands behind, with their options.
CUSTOM = {
    ("logs", "tail"): {"since", "filter-pattern", "follow", "format"},
    ("s3", "ls"): {"recursive"},
    ("s3", "cp"): {"recursive"},
}
GLOBAL = {"query", "output", "region", "profile", "cli-read-timeout", "cli-binary-format", "max-items"}
# The command line's names of services that botocore calls otherwise.
SERVICES = {"deploy": "codedeploy", "s3api": "s3"}


def _code(text: str) -> Iterator[str]:
    """Give the commands of a page: the lines of its blocks, joined where they go on, and what stands in backticks."""
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL):
        yield from _looped(block.replace("\\\n", " "))
    for line in re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        yield from re.findall(r"`([^`]+)`", line)


def _looped(block: str) -> Iterator[str]:
    """Give the lines of a block; those that name a variable of a loop, once for each of its values."""
    loops = {name: words.split() for name, words in re.findall(r"for (\w+) in ([^;\n]+); do", block)}
    for line in block.splitlines():
        # What comes after a comment is for people.
        line = re.sub(r"(^|\s)#.*", "", line)
        used = [name for name in loops if re.search(rf"\$\{{?{name}\b", line)]
        if not used:
            yield line
        for name in used:
            for word in loops[name]:
                yield re.sub(rf"\$\{{{name}\}}|\${name}\b", word, line)


def _commands(text: str, name: str) -> Iterator[list[str]]:
    """Give the words of each call of a programme or function, wherever in a line it stands."""
    for line in _code(text):
        for found in re.finditer(rf"(?:^|[\s(;|\"]){name} (?=[a-zA-Z$])", line):
            yield _words(line[found.end() :])


def _words(rest: str) -> list[str]:
    """Give the words up to where the command ends; what a reader fills in becomes a time, which fits everywhere."""
    rest = re.sub(r"\$\((?:[^()]|\([^()]*\))*\)", "filled", rest)
    rest = re.sub(r"<[^<>]+>", "2026-01-01T00:00:00Z", rest)
    lexer = shlex.shlex(rest, posix=True, punctuation_chars="|;&()<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set("|;&()<>"):
                break
            words.append(word)
    except ValueError:
        # A quotation that began before this command ends after it.
        words = re.split(r"[\"'|;)]", rest)[0].split()
    return [word for word in words if word != "…"]


@page
def test_a_page_says_what_it_means_where_to_look_what_to_do_and_when_it_is_over(path: Path) -> None:
    text = path.read_text()
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^# (.+)$", prose, flags=re.MULTILINE), "a page begins with its title"
    assert re.findall(r"^## (.+)$", prose, flags=re.MULTILINE) == HEADINGS


def test_the_table_of_the_readme_has_every_page_by_its_title() -> None:
    rows = [f"| [{path.stem}]({path.name}) | {path.read_text().splitlines()[0].removeprefix('# ')} |" for path in PAGES]
    _, _, table = (RUNBOOKS / "README.md").read_text().partition("| alarm | when |\n|---|---|\n")
    assert table.splitlines() == rows


@any_page
def test_a_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+\.md)(?:#[\w-]+)?\)", path.read_text()):
        assert (RUNBOOKS / target).resolve().is_file(), target


@any_page
def test_every_tickwire_command_can_be_given_like_this(path: Path) -> None:
    for words in _commands(path.read_text(), "tickwire"):
        name, *rest = words
        assert name in COMMANDS, words
        if not rest:
            continue
        parser = _parser()
        import_module(f"tickwire.cli.{name.replace('-', '_')}").add_parser(parser.add_subparsers())
        try:
            parser.parse_args(words)
        except SystemExit:
            pytest.fail(f"tickwire {shlex.join(words)}")


@any_page
def test_every_aws_command_has_these_options(path: Path) -> None:
    for words in _commands(path.read_text(), "aws"):
        _check_aws(words)


def _check_aws(words: list[str]) -> None:
    if len(words) < 2:
        return
    service, command, *rest = words
    given = {word.removeprefix("--").partition("=")[0] for word in rest if word.startswith("--")}
    known = CUSTOM.get((service, command)) or _options(service, command)
    unknown = {name for name in given - GLOBAL - known if name.removeprefix("no-") not in known}
    assert unknown == set(), f"aws {service} {command} has no --{', --'.join(sorted(unknown))}"


def _options(service: str, command: str) -> set[str]:
    """Give the options of a command, which are the parameters of the API that it calls."""
    session = botocore.session.get_session()
    name = SERVICES.get(service, service)
    assert name in session.get_available_services(), f"aws has no {service}"
    model = session.get_service_model(name)
    operations = {xform_name(operation, "-"): operation for operation in model.operation_names}
    assert command in operations, f"aws {service} has no {command}"
    shape = model.operation_model(operations[command]).input_shape
    return {xform_name(member, "-") for member in (shape.members if shape is not None else ())}


@any_page
def test_every_output_that_a_page_names_is_one_of_a_stack(prod: Any, path: Path) -> None:
    text = path.read_text()
    outputs = {stack: set(template.get("Outputs", {})) for stack, template in prod.templates.items()}
    for function in ("output", "logs"):
        for words in _commands(text, function):
            if words[0].isupper() or words[0].islower():
                # The line that says how to use it, or `aws logs`.
                continue
            stack, name, *_ = words
            assert name in outputs.get(stack, set()), f"{function} {stack} {name}"
    everywhere = set().union(*outputs.values())
    for named in re.findall(r"outputs? ((?:`[A-Z]\w+`(?:, | and )?)+)", text):
        assert set(re.findall(r"`(\w+)`", named)) <= everywhere, named


@any_page
def test_every_metric_of_ours_that_a_page_asks_for_is_published(path: Path) -> None:
    for words in _commands(path.read_text(), "metric"):
        namespace, name, _, *dimensions = words
        if namespace == "Tickwire":
            service = dict(pair.split("=", 1) for pair in dimensions)["service"]
            assert publishes(service, name), f"{name} of {service}"


@any_page
def test_every_setting_that_a_page_names_is_one(path: Path) -> None:
    from cdk.settings import settings_of

    settings = settings_of("prod").model_dump()
    for dotted in re.findall(r"`([a-z_]+(?:\.(?:[a-z_]+|<name>))+)`", path.read_text()):
        head, *rest = dotted.split(".")
        if head not in settings or rest[-1] in ("py", "md", "toml", "json", "sh"):
            continue
        value: Any = settings[head]
        for part in rest:
            value = next(iter(value.values())) if part == "<name>" else value.get(part, KeyError)
            assert value is not KeyError, dotted


@pytest.fixture
def told(tmp_path: Path) -> Any:
    """Run a line after the common commands, and give what the AWS command line was told."""
    fake = tmp_path / "aws"
    fake.write_text('#!/bin/bash\nprintf "%s\\n" "$@" "--" >> "$TOLD"\necho answer\n')
    fake.chmod(0o755)

    def run(line: str) -> list[list[str]]:
        file = tmp_path / "told"
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TOLD": str(file)}
        subprocess.run(["bash", "-euc", f". {COMMON} prod; {line}"], check=True, env=environment, cwd=PROJECT)
        return [call.split("\n")[:-1] for call in file.read_text().split("--\n")[:-1]]

    return run


def test_an_output_is_asked_of_its_stack(told: Any) -> None:
    ((*words,),) = told("output Streams FailuresBucket")
    _check_aws(words)
    assert words[words.index("--stack-name") + 1] == "Tickwire-prod-Streams"
    assert "'FailuresBucket'" in words[words.index("--query") + 1]


def test_a_functions_log_is_followed_by_its_output(told: Any) -> None:
    stack, function, tail = told("logs Processing SignalsFunction --since 15m --filter-pattern '{ $.a = \"b c\" }'")
    for words in (stack, function, tail):
        _check_aws(words)
    assert tail[:2] == ["logs", "tail"]
    assert tail[-1] == '{ $.a = "b c" }'


@pytest.mark.parametrize(("statistic", "option"), [("Sum", "--statistics"), ("p99", "--extended-statistics")])
def test_a_metric_is_asked_for_with_its_dimensions(told: Any, statistic: str, option: str) -> None:
    ((*words,),) = told(f"metric Tickwire StageLatency {statistic} service=broadcaster stage=signals")
    _check_aws(words)
    assert words[words.index(option) + 1] == statistic
    start = words.index("--dimensions") + 1
    assert words[start : start + 2] == ["Name=service,Value=broadcaster", "Name=stage,Value=signals"]
