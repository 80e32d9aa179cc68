"""The command as a whole: help, exit codes, errors, start-up time."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tickwire import __version__
from tickwire.cli import main as cli
from tickwire.cli.main import COMMANDS

Tickwire = Callable[..., Any]


def test_help_lists_every_command(tickwire: Tickwire) -> None:
    outcome = tickwire("--help")
    assert outcome.code == 0
    for name, summary in COMMANDS.items():
        assert f"    {name:<15} {summary}\n" in outcome.out


@pytest.mark.parametrize("name", ["normalize", "bars", "train", "cat", "audit", "dead-letters"])
def test_each_command_has_help_with_examples_and_exit_codes(tickwire: Tickwire, name: str) -> None:
    outcome = tickwire(name, "--help")
    assert outcome.code == 0
    assert f"  tickwire {name} " in outcome.out
    assert "exit codes: 0" in outcome.out
    assert "--json" in outcome.out


def test_version_is_the_packages(tickwire: Tickwire) -> None:
    assert tickwire("--version").out == f"tickwire {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("--nonsense",), ("cat",), ("bars", "x", "--interval", "7q")])
def test_wrong_usage_exits_2_and_shows_usage(tickwire: Tickwire, arguments: tuple[str, ...]) -> None:
    outcome = tickwire(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("usage: tickwire")
    assert outcome.out == ""


def test_command_that_cannot_be_loaded_fails_alone(tickwire: Tickwire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "absent", "is not there")
    assert "is not there" in tickwire("--help").out
    outcome = tickwire("absent")
    assert (outcome.code, outcome.err) == (
        1,
        "tickwire absent: cannot be loaded: No module named 'tickwire.cli.absent'\n",
    )


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "tickwire cat: interrupted\n"),
        (FileNotFoundError(2, "No such file", "x.bin"), 1, "tickwire cat: x.bin: No such file\n"),
        (
            ZeroDivisionError("oops"),
            1,
            "tickwire cat: ZeroDivisionError: oops; a fault of Tickwire's own: please report it\n",
        ),
    ],
)
def test_failure_is_one_sentence_without_a_traceback(
    tickwire: Tickwire, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    from tickwire.cli import cat

    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(cat, "main", fail)
    monkeypatch.delenv("TICKWIRE_DEBUG", raising=False)
    outcome = tickwire("cat", "x")
    assert (outcome.code, outcome.err) == (code, words)
    monkeypatch.setenv("TICKWIRE_DEBUG", "1")
    with pytest.raises(type(error)):
        cli.main(["cat", "x"])


def test_help_starts_in_a_third_of_a_second() -> None:
    """The best of five, as the machine may be busy."""

    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "tickwire.cli.main", "--help"], check=True, capture_output=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.3


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys, tickwire.cli.main as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
        "print([n for n in ('numpy', 'pyarrow', 'pcodec', 'boto3') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr == "[]\n"


def test_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    from tickwire.envelope import encode
    from tickwire.records import Header, Notice, Record, RecordKind

    notices = tuple(Notice("kraken", "connection", "x" * 1000, n, 1) for n in range(500))
    path = tmp_path / "record"
    path.write_bytes(encode(Record(header=Header(RecordKind.CLEAN, 0), notices=notices)))
    with subprocess.Popen(
        [sys.executable, "-m", "tickwire.cli.main", "cat", path, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1
